//! The kernel objects under test: those in the enforcer's crate, or other builds of them in virtual machines.

use std::{borrow::Cow, env, fs};

use anyhow::{Context as _, Result};
use enforcer::bpf::{DEVICE_OBJECT, OBJECT, TRACE_OBJECT};

/// The object of the programs that cgroups have.
///
/// # Errors
/// When it cannot be read.
pub fn cgroups() -> Result<Cow<'static, [u8]>> {
    object("EGRESS_LAB_OBJECT", OBJECT)
}

/// The object of the programs that network devices have.
///
/// # Errors
/// When it cannot be read.
pub fn devices() -> Result<Cow<'static, [u8]>> {
    object("EGRESS_LAB_DEVICE_OBJECT", DEVICE_OBJECT)
}

/// The object of the program that `explain --trace` loads.
///
/// # Errors
/// When it cannot be read.
pub fn trace() -> Result<Cow<'static, [u8]>> {
    object("EGRESS_LAB_TRACE_OBJECT", TRACE_OBJECT)
}

fn object(variable: &str, own: &'static [u8]) -> Result<Cow<'static, [u8]>> {
    let Some(path) = env::var_os(variable) else {
        return Ok(own.into());
    };
    let bytes = fs::read(&path).with_context(|| format!("read {}", path.display()))?;
    Ok(bytes.into())
}
