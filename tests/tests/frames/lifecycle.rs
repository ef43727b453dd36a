//! Filters follow their devices and outlive the daemon, until `unload`.

use std::thread;
use std::time::Instant;

use anyhow::Result;
use enforcer::sys::TcHook;
use lab::{
    fixtures::{fixture::Fixture, process::Running},
    topology::netns::Netns,
};

use crate::scene::{
    alarm, await_alarm, await_state, listed, netns, own, prepare, programs, start, state, tc,
};

const FILTERED: Option<&str> = Some("filtered");

#[test]
fn devices_are_filtered_from_their_appearance_on() -> Result<()> {
    let fixture = start("mode = \"on\"")?;
    let device = netns(&fixture);
    let status = await_state(&fixture, "eth0", FILTERED)?;
    assert_eq!(state(&status, "lo"), Some("skipped"), "{status}");
    programs(device, "eth0")?;
    fixture.check_pull_and_exfiltration()?;

    device.ip("link add veth0 type veth peer name veth1\n")?;
    await_state(&fixture, "veth0", FILTERED)?;
    await_state(&fixture, "veth1", FILTERED)?;
    let before = programs(device, "veth0")?;
    device.ip("link set veth0 name other0\n")?;
    await_state(&fixture, "other0", FILTERED)?;
    assert_eq!(programs(device, "other0")?, before);

    device.ip("link add bridge0 type bridge\nlink set other0 master bridge0\n")?;
    await_state(&fixture, "bridge0", FILTERED)?;
    assert_eq!(programs(device, "other0")?, before);

    let elsewhere = Netns::new()?;
    device.ip(&format!(
        "link set veth1 netns {}\n",
        elsewhere.path().display()
    ))?;
    await_state(&fixture, "veth1", None)?;
    assert_eq!(own(&elsewhere, "veth1")?, []);
    device.ip("link delete bridge0\nlink delete other0\n")?;
    let status = await_state(&fixture, "other0", None)?;
    assert_eq!(alarm(&status, "device-unfiltered"), None, "{status}");
    assert_eq!(alarm(&status, "device-filter-lost"), None, "{status}");
    Ok(())
}

#[test]
fn a_removed_filter_is_restored_and_reported() -> Result<()> {
    let fixture = start("mode = \"on\"")?;
    let device = netns(&fixture);
    await_state(&fixture, "eth0", FILTERED)?;
    tc(device, "filter del dev eth0 egress")?;
    let status = await_alarm(&fixture, "device-filter-lost", true)?;
    let lost = alarm(&status, "device-filter-lost").unwrap_or_default();
    assert!(lost.contains("eth0"), "{lost}");
    await_state(&fixture, "eth0", FILTERED)?;
    programs(device, "eth0")?;
    fixture.enforcer.signal(libc::SIGHUP)?;
    await_alarm(&fixture, "device-filter-lost", false)?;

    tc(device, "qdisc del dev eth0 clsact")?;
    await_alarm(&fixture, "device-filter-lost", true)?;
    await_state(&fixture, "eth0", FILTERED)?;
    programs(device, "eth0")?;
    fixture.check_pull_and_exfiltration()
}

#[test]
fn a_killed_daemon_leaves_its_filters_and_the_next_one_replaces_them() -> Result<()> {
    let mut fixture = start("mode = \"on\"")?;
    await_state(&fixture, "eth0", FILTERED)?;
    let first = programs(netns(&fixture), "eth0")?;
    fixture.enforcer.kill()?;
    assert_eq!(programs(netns(&fixture), "eth0")?, first);
    let started = Instant::now();
    fixture.enforcer.run()?;
    let start = started.elapsed();
    await_state(&fixture, "eth0", FILTERED)?;
    let second = programs(netns(&fixture), "eth0")?;
    assert!(second.iter().all(|program| !first.contains(program)));

    fixture.enforcer.kill()?;
    for part in 1..=8 {
        let half_started = Running::start("enforcer", fixture.enforcer.command(["run"])?)?;
        thread::sleep(start * part / 8);
        drop(half_started);
        for hook in TcHook::ALL {
            let own = listed(netns(&fixture), "eth0", hook)?;
            assert!((1..=2).contains(&own.len()), "{own:?}");
        }
    }
    fixture.enforcer.run()?;
    await_state(&fixture, "eth0", FILTERED)?;
    programs(netns(&fixture), "eth0")?;
    fixture.check_pull_and_exfiltration()
}

#[test]
fn only_unload_or_the_configuration_removes_filters() -> Result<()> {
    let mut fixture = start("mode = \"on\"")?;
    await_state(&fixture, "eth0", FILTERED)?;
    netns(&fixture).ip("link add veth0 type veth peer name veth1\n")?;
    await_state(&fixture, "veth1", FILTERED)?;
    let has = |fixture: &Fixture, device: &str| {
        Ok::<_, anyhow::Error>(!own(netns(fixture), device)?.is_empty())
    };

    reload(&fixture, "mode = \"audit\"\ninterfaces = [\"veth*\"]")?;
    await_state(&fixture, "eth0", Some("skipped"))?;
    await_state(&fixture, "veth1", Some("audited"))?;
    assert!(!has(&fixture, "eth0")? && has(&fixture, "veth0")?);
    reload(&fixture, "mode = \"off\"")?;
    fixture
        .enforcer
        .await_status("frames are off", |status| status["frames"] == "off")?;
    assert!(!has(&fixture, "veth0")? && !has(&fixture, "veth1")?);
    reload(&fixture, "mode = \"on\"")?;
    await_state(&fixture, "eth0", FILTERED)?;

    // Off at a start removes what an earlier start left.
    fixture.enforcer.kill()?;
    configure(&fixture, "mode = \"off\"")?;
    fixture.enforcer.run()?;
    assert!(!has(&fixture, "eth0")? && !has(&fixture, "veth0")?);
    reload(&fixture, "mode = \"on\"")?;
    await_state(&fixture, "eth0", FILTERED)?;

    fixture.enforcer.end(libc::SIGTERM)?;
    assert!(has(&fixture, "eth0")? && has(&fixture, "veth0")?);
    fixture.enforcer.cli(["unload"])?.success()?;
    assert!(!has(&fixture, "eth0")? && !has(&fixture, "veth0")?);
    assert!(!fixture.pins().exists());

    let command = fixture.enforcer.command(["run", "--ephemeral"])?;
    fixture.enforcer.run_as(command)?;
    await_state(&fixture, "eth0", FILTERED)?;
    fixture.enforcer.end(libc::SIGTERM)?;
    assert!(!has(&fixture, "eth0")?);
    Ok(())
}

#[test]
fn without_frames_no_device_is_touched() -> Result<()> {
    let mut fixture = prepare("mode = \"off\"")?;
    fixture.enforcer.run()?;
    tc(netns(&fixture), "qdisc add dev eth0 clsact")?;
    tc(netns(&fixture), "qdisc del dev eth0 clsact")?;
    let status = fixture.enforcer.status()?;
    assert_eq!(status["frames"], "off", "{status}");
    assert_eq!(own(netns(&fixture), "eth0")?, []);
    let report = fixture.enforcer.json(["doctor"])?;
    assert!(!report.to_string().contains("network devices"), "{report}");
    Ok(())
}

pub(crate) fn configure(fixture: &Fixture, keys: &str) -> Result<()> {
    let more = format!("[frames]\n{keys}\n");
    fixture
        .enforcer
        .configure(&fixture.configuration(&["eastus"], &more))
}

pub(crate) fn reload(fixture: &Fixture, keys: &str) -> Result<()> {
    configure(fixture, keys)?;
    fixture.enforcer.signal(libc::SIGHUP)
}
