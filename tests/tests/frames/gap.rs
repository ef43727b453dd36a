//! Connections without a socket, over times with and without filters.

use std::path::PathBuf;

use anyhow::{Context as _, Result};
use enforcer::sys::devices;
use enforcer_common::layout::{DEVICE_FLOWS, DeviceFlowKey, VERSION, VerifiedFlow, pin_name};
use lab::{bpf::Map, fixtures::fixture::Fixture};

use crate::lifecycle::reload;
use crate::scene::{await_alarm, await_state, netns, start, tc};

const FILTERED: Option<&str> = Some("filtered");

/// The pin of the map of verified connections.
fn pin(fixture: &Fixture) -> PathBuf {
    let pins = fixture.pins().join(format!("v{VERSION}"));
    pins.join(pin_name(DEVICE_FLOWS))
}

fn flows(fixture: &Fixture) -> Result<Map> {
    Map::pinned(&pin(fixture))
}

fn number(fixture: &Fixture) -> Result<Option<u64>> {
    flows(fixture)?.entries()
}

/// Enters a verified connection at `eth0`, as the kernel does.
fn enter(fixture: &Fixture) -> Result<()> {
    let device = netns(fixture).run(|| {
        let device = devices()?.into_iter().find(|it| it.name == "eth0");
        Ok(device.context("no device")?.index)
    })?;
    let mut key = [0x20; size_of::<DeviceFlowKey>()];
    let at = std::mem::offset_of!(DeviceFlowKey, device);
    key[at..at + 4].copy_from_slice(&device.to_ne_bytes());
    flows(fixture)?.set(&key, &[1; size_of::<VerifiedFlow>()])
}

#[test]
fn connections_outlive_the_daemon_and_no_time_without_filters() -> Result<()> {
    let mut fixture = start("mode = \"on\"")?;
    await_state(&fixture, "eth0", FILTERED)?;
    enter(&fixture)?;
    fixture.enforcer.kill()?;
    fixture.enforcer.run()?;
    await_state(&fixture, "eth0", FILTERED)?;
    assert_eq!(number(&fixture)?, Some(1), "after a restart");
    reload(&fixture, "mode = \"audit\"")?;
    await_state(&fixture, "eth0", Some("audited"))?;
    netns(&fixture).ip("link add veth0 type veth peer name veth1\n")?;
    await_state(&fixture, "veth0", Some("audited"))?;
    assert_eq!(number(&fixture)?, Some(1), "those of another device");

    reload(&fixture, "mode = \"off\"")?;
    let is_off = |status: &serde_json::Value| status["frames"] == "off";
    fixture.enforcer.await_status("frames are off", is_off)?;
    reload(&fixture, "mode = \"on\"")?;
    await_state(&fixture, "eth0", FILTERED)?;
    assert_eq!(number(&fixture)?, Some(0), "after a time without filters");

    enter(&fixture)?;
    reload(&fixture, "mode = \"on\"\ninterfaces = [\"veth*\"]")?;
    await_state(&fixture, "eth0", Some("skipped"))?;
    reload(&fixture, "mode = \"on\"")?;
    await_state(&fixture, "eth0", FILTERED)?;
    assert_eq!(number(&fixture)?, Some(0), "of a device that was left out");

    enter(&fixture)?;
    tc(netns(&fixture), "filter del dev eth0 ingress")?;
    await_alarm(&fixture, "device-filter-lost", true)?;
    await_state(&fixture, "eth0", FILTERED)?;
    assert_eq!(number(&fixture)?, Some(0), "answers were not seen");
    Ok(())
}

#[test]
fn a_removed_pin_of_connections_is_restored_with_its_entries() -> Result<()> {
    let fixture = start("mode = \"on\"")?;
    await_state(&fixture, "eth0", FILTERED)?;
    enter(&fixture)?;
    let pin = pin(&fixture);
    std::fs::remove_file(&pin)?;
    let restored = |_: &serde_json::Value| pin.exists();
    fixture
        .enforcer
        .await_status("the pin is restored", restored)?;
    assert_eq!(number(&fixture)?, Some(1), "the map of the programs");
    Ok(())
}
