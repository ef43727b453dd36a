//! Socket options with which packets pass the filters of network devices are refused, whoever sets them.

use std::collections::BTreeSet;
use std::fs;
use std::time::Duration;

use anyhow::{Context as _, Result};
use enforcer_common::layout::VERSION;
use jiff::Timestamp;
use lab::bpf;
use lab::clients::socket_options::{BYPASS_OPTIONS, OF_32_BIT, refused};

use crate::lifecycle::{configure, reload};
use crate::scene::{await_alarm, await_state, start};

/// Whether this kernel lets BPF programs be LSM hooks, which see calls of 32-bit programs.
fn has_lsm() -> bool {
    let modules = fs::read_to_string("/sys/kernel/security/lsm").unwrap_or_default();
    modules.trim().split(',').any(|module| module == "bpf")
}

/// What the device's processes cannot set while these options are refused.
fn all_refused() -> BTreeSet<String> {
    let lsm = has_lsm().then_some(OF_32_BIT);
    BYPASS_OPTIONS
        .into_iter()
        .chain(lsm)
        .map(str::to_owned)
        .collect()
}

#[test]
fn options_that_pass_the_filters_are_refused_in_the_scope_and_reported() -> Result<()> {
    let fixture = start("mode = \"on\"")?;
    await_state(&fixture, "eth0", Some("filtered"))?;
    assert_eq!(refused(&fixture.lab.device())?, all_refused());
    let elsewhere = fixture.lab.device_in(fixture.lab.cgroup());
    assert_eq!(refused(&elsewhere)?, BTreeSet::new());

    let events = fixture.enforcer.json(["events"])?;
    let events = events.as_array().context("no list")?;
    let of_option = |option: &str| {
        let mut events = events.iter();
        events.find(|event| event["option"] == option)
    };
    for option in BYPASS_OPTIONS {
        let event = of_option(option).with_context(|| format!("{option}: {events:?}"))?;
        assert_eq!(event["reason"], "bypass-option", "{event}");
        assert_eq!(event["hook"], "setsockopt", "{event}");
        assert_eq!(event["verdict"], "deny", "{event}");
        assert!(event["destination"].is_null(), "{event}");
        assert_eq!(event["command"], "python3", "{event}");
    }
    let report = fixture.enforcer.json(["doctor"])?.to_string();
    let is_open = report.contains("calls of 32-bit programs are not seen");
    assert_eq!(is_open, !has_lsm(), "{report}");
    Ok(())
}

#[test]
fn an_exception_allows_them_to_its_cgroup_until_it_ends() -> Result<()> {
    let fixture = start("mode = \"on\"")?;
    let fieldbus = fixture.lab.device_cgroup().child("fieldbus")?;
    await_state(&fixture, "eth0", Some("filtered"))?;
    let env = fixture.lab.device_in(&fieldbus);
    assert_eq!(refused(&env)?, all_refused());
    let until = Timestamp::now() + Duration::from_secs(20);
    let exception = format!(
        "mode = \"on\"\n[[exception]]\nreason = \"fieldbus\"\ncgroup = {:?}\ndevice-bypass = true\nuntil = {until}\n",
        fieldbus.path()
    );
    reload(&fixture, &exception)?;
    fixture
        .enforcer
        .await_status("the exception applies", |status| {
            status["exceptions"][0]["cgroups"][0].is_string()
        })?;
    assert_eq!(refused(&env)?, BTreeSet::new());
    assert_eq!(refused(&fixture.lab.device())?, all_refused());
    // Nor does it allow destinations.
    fixture.check_pull_and_exfiltration()?;
    while Timestamp::now() < until {
        std::thread::sleep(Duration::from_millis(200));
    }
    assert_eq!(refused(&env)?, all_refused());
    Ok(())
}

#[test]
fn they_follow_the_mode_and_outlive_the_daemon() -> Result<()> {
    let mut fixture = start("mode = \"audit\"")?;
    await_state(&fixture, "eth0", Some("audited"))?;
    let device = fixture.lab.device();
    assert_eq!(refused(&device)?, BTreeSet::new());
    let events = fixture.enforcer.json(["events"])?.to_string();
    assert!(events.contains("\"audit\"") && events.contains("PACKET_VNET_HDR"));

    reload(&fixture, "mode = \"on\"")?;
    await_state(&fixture, "eth0", Some("filtered"))?;
    assert_eq!(refused(&device)?, all_refused());
    fixture.enforcer.kill()?;
    assert_eq!(refused(&device)?, all_refused());
    fixture.enforcer.run()?;
    await_state(&fixture, "eth0", Some("filtered"))?;
    assert_eq!(refused(&device)?, all_refused());

    // Root detaches it.
    let pins = fixture.pins();
    let link = pins.join(format!("v{VERSION}/link_socket_options"));
    bpf::detach(&link)?;
    await_alarm(&fixture, "hook-restored", true)?;
    assert_eq!(refused(&device)?, all_refused());

    reload(&fixture, "mode = \"off\"")?;
    fixture
        .enforcer
        .await_status("frames are off", |status| status["frames"] == "off")?;
    assert_eq!(refused(&device)?, BTreeSet::new());
    assert!(!link.exists());

    // Off at a start removes what an earlier start left.
    reload(&fixture, "mode = \"on\"")?;
    await_state(&fixture, "eth0", Some("filtered"))?;
    fixture.enforcer.kill()?;
    configure(&fixture, "mode = \"off\"")?;
    fixture.enforcer.run()?;
    assert_eq!(refused(&device)?, BTreeSet::new());

    reload(&fixture, "mode = \"on\"")?;
    await_state(&fixture, "eth0", Some("filtered"))?;
    fixture.enforcer.end(libc::SIGTERM)?;
    fixture.enforcer.cli(["unload"])?.success()?;
    assert_eq!(refused(&device)?, BTreeSet::new());
    Ok(())
}
