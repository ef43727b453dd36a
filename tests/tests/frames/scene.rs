//! A lab whose daemon filters the network devices of the lab's own network namespace.

use std::fs;
use std::os::unix::fs::MetadataExt as _;

use anyhow::{Context, Result, ensure};
use enforcer::sys::{Filter, TcHook, devices, filters};
use enforcer_common::layout::{DEVICE_EGRESS, DEVICE_INGRESS};
use lab::{fixtures::fixture::Fixture, topology::netns::Netns};
use serde_json::Value;

const STREAM: &str = env!("CARGO_BIN_EXE_egress-stream");

/// Prepares a lab with `[frames]` and these keys. Never with the machine's own devices.
pub(crate) fn prepare(keys: &str) -> Result<Fixture> {
    let fixture = Fixture::prepare(STREAM, &format!("[frames]\n{keys}\n"))?;
    let machine = fs::metadata("/proc/self/ns/net")?.ino();
    ensure!(fixture.lab.network().device().inode() != machine);
    Ok(fixture)
}

/// As [`prepare`], and starts the daemon.
pub(crate) fn start(keys: &str) -> Result<Fixture> {
    let mut fixture = prepare(keys)?;
    fixture.enforcer.run()?;
    fixture.enforcer.await_names()?;
    Ok(fixture)
}

/// The lab's network namespace in which the daemon runs.
pub(crate) fn netns(fixture: &Fixture) -> &Netns {
    fixture.lab.network().device()
}

pub(crate) fn tc(netns: &Netns, arguments: &str) -> Result<()> {
    tc_with(netns, arguments.split(' '))
}

pub(crate) fn tc_with<'a>(netns: &Netns, arguments: impl Iterator<Item = &'a str>) -> Result<()> {
    let mut command = netns.env().command("tc");
    let done = command.args(arguments).output()?;
    ensure!(done.status.success(), "{command:?}: {done:?}");
    Ok(())
}

/// The filters of a device at one place, in the order in which they run.
pub(crate) fn listed(netns: &Netns, name: &str, hook: TcHook) -> Result<Vec<Filter>> {
    netns.run(|| {
        let found = devices()?.into_iter().find(|device| device.name == name);
        let found = found.with_context(|| format!("no device {name}"))?;
        Ok(filters(found.index, hook)?)
    })
}

/// Whether `filter` is the enforcer's.
pub(crate) fn is_own(filter: &Filter) -> bool {
    let bpf = filter.bpf.as_ref();
    bpf.is_some_and(|bpf| [DEVICE_EGRESS, DEVICE_INGRESS].contains(&bpf.name.as_str()))
}

/// The enforcer's filters of a device at both places, the egress ones first.
pub(crate) fn own(netns: &Netns, name: &str) -> Result<Vec<Filter>> {
    let mut own = Vec::new();
    for hook in TcHook::ALL {
        own.extend(listed(netns, name, hook)?.into_iter().filter(is_own));
    }
    Ok(own)
}

/// The ids of the programs at a device, which has one filter at each place.
pub(crate) fn programs(netns: &Netns, name: &str) -> Result<[u32; 2]> {
    let own = own(netns, name)?;
    let programs = own.iter().filter_map(|filter| filter.bpf.as_ref()?.program);
    let programs: Vec<_> = programs.collect();
    ensure!(own.len() == 2, "{name}: {own:?}");
    programs.try_into().ok().context("a filter without program")
}

/// The state of a device in the status.
pub(crate) fn state<'a>(status: &'a Value, name: &str) -> Option<&'a str> {
    let mut devices = status["devices"].as_array()?.iter();
    devices.find(|device| device["name"] == name)?["state"].as_str()
}

pub(crate) fn await_state(fixture: &Fixture, name: &str, expected: Option<&str>) -> Result<Value> {
    let what = format!("{name} is {expected:?}");
    fixture
        .enforcer
        .await_status(&what, |status| state(status, name) == expected)
}

/// The message of the first alarm of this kind.
pub(crate) fn alarm<'a>(status: &'a Value, kind: &str) -> Option<&'a str> {
    let alarms = status["alarms"].as_array()?;
    let alarm = alarms.iter().find(|alarm| alarm["kind"] == kind)?;
    alarm["message"].as_str()
}

pub(crate) fn await_alarm(fixture: &Fixture, kind: &str, is_raised: bool) -> Result<Value> {
    let what = format!("alarm {kind}: {is_raised}");
    fixture
        .enforcer
        .await_status(&what, |status| alarm(status, kind).is_some() == is_raised)
}
