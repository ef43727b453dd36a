//! The machine of the measurements.

use std::{fs, thread};

use anyhow::{Context, Result};

/// Properties that determine the speed of BPF programs.
pub(crate) struct Machine {
    pub(crate) kernel: String,
    pub(crate) processor: String,
    pub(crate) processors: usize,
    /// `bpf_jit_enable`.
    pub(crate) jit: String,
    /// The kernel's mitigation of Spectre v2, which makes indirect calls more expensive.
    pub(crate) spectre: String,
    /// Load average at the start of the measurements.
    pub(crate) load: String,
}

impl Machine {
    /// Reads the properties.
    ///
    /// # Errors
    /// When `/proc` cannot be read.
    pub(crate) fn look() -> Result<Self> {
        let processors = fs::read_to_string("/proc/cpuinfo").context("read /proc/cpuinfo")?;
        let model = processors.lines().find_map(|line| {
            let (key, value) = line.split_once(':')?;
            (key.trim() == "model name").then(|| value.trim().to_owned())
        });
        let load = line("/proc/loadavg")?;
        Ok(Self {
            kernel: line("/proc/sys/kernel/osrelease")?,
            processor: model.unwrap_or_else(|| std::env::consts::ARCH.to_owned()),
            processors: thread::available_parallelism()?.get(),
            jit: line("/proc/sys/net/core/bpf_jit_enable")?,
            spectre: line("/sys/devices/system/cpu/vulnerabilities/spectre_v2")
                .unwrap_or_else(|_hidden| "unknown".to_owned()),
            load: load.split(' ').next().unwrap_or_default().to_owned(),
        })
    }
}

fn line(path: &str) -> Result<String> {
    let text = fs::read_to_string(path).with_context(|| format!("read {path}"))?;
    Ok(text.trim().to_owned())
}
