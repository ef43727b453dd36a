//! Filters of network devices: a version that does not know them finds none, one that does takes them over.

use std::{fs, path::Path};

use anyhow::{Context as _, Result};
use enforcer::sys::{TcHook, devices, filters};
use enforcer_common::layout::DEVICE_EGRESS;
use lab::fixtures::fixture::Fixture;

use crate::{
    STREAM,
    version::{Version, both},
};

/// The text in each program that knows the filters.
const MARK: &[u8] = b"egress-enforcer: knows filters of network devices 1";
pub(crate) const FRAMES: &str = "[frames]\nmode = \"on\"\n";

/// Whether a version knows the filters.
pub(crate) fn knows_filters(version: &Version) -> Result<bool> {
    let bytes = fs::read(&version.binary)?;
    Ok(bytes.windows(MARK.len()).any(|found| found == MARK))
}

/// Whether the lab's device has a filter.
fn is_filtered(fixture: &Fixture) -> Result<bool> {
    fixture.lab.network().device().run(|| {
        let found = devices()?.into_iter().find(|device| device.name == "eth0");
        let index = found.context("no eth0")?.index;
        let found = filters(index, TcHook::Egress)?.into_iter();
        let mut programs = found.filter_map(|filter| filter.bpf);
        Ok(programs.any(|program| program.name == DEVICE_EGRESS))
    })
}

fn await_filters(fixture: &Fixture) -> Result<()> {
    let is_filtered = |status: &serde_json::Value| {
        let devices = status["devices"].as_array().into_iter().flatten();
        devices
            .into_iter()
            .any(|device| device["name"] == "eth0" && device["state"] == "filtered")
    };
    fixture
        .enforcer
        .await_status("eth0 is filtered", is_filtered)?;
    Ok(())
}

/// Replaces `program` by `other`, as a package manager does.
fn replace(program: &Path, other: &Path) -> Result<()> {
    let new = program.with_extension("new");
    fs::copy(other, &new)?;
    fs::rename(&new, program).context("replace the program")
}

#[test]
fn a_version_finds_filters_only_if_it_knows_them() -> Result<()> {
    let [present, other] = both()?;
    let knows = knows_filters(&other)?;
    let mut fixture = Fixture::prepare(STREAM, FRAMES)?;
    let program = fixture.lab.dir().join("program");
    replace(&program, &present.binary)?;
    let command = fixture.enforcer.command_of(&program, ["run"]);
    fixture.enforcer.run_as(command)?;
    present.await_names(&fixture)?;
    await_filters(&fixture)?;

    replace(&program, &other.binary)?;
    if !knows {
        // Nor does it know the section.
        let text = fixture.configuration(&["eastus"], "");
        fixture.enforcer.configure(&text)?;
    }
    assert!(is_filtered(&fixture)?);
    assert!(fixture.enforcer.end(libc::SIGTERM)?.success());
    assert_eq!(is_filtered(&fixture)?, knows);
    other.take_over(&mut fixture)?;
    fixture.check_for_a_second()?;
    assert_eq!(is_filtered(&fixture)?, knows);

    let text = fixture.configuration(&["eastus"], FRAMES);
    fixture.enforcer.configure(&text)?;
    assert!(fixture.enforcer.end(libc::SIGTERM)?.success());
    present.take_over(&mut fixture)?;
    await_filters(&fixture)?;
    fixture.check_for_a_second()
}
