//! Links and pins that root removes are restored and reported; checked with real traffic.

use std::{fs, thread, time::Duration};

use anyhow::Result;
use enforcer_common::{
    Hook,
    layout::{DNS_SNOOP, SETTINGS, SOCKET_OWNER, Settings, VERSION},
};
use lab::{
    bpf::{self, Map},
    fixtures::fixture::{EVIL, Fixture},
};
use serde_json::Value;

use super::STREAM;

/// Longer than the daemon's check interval of six seconds.
const CHECK_INTERVAL: Duration = Duration::from_secs(7);

fn links() -> impl Iterator<Item = String> {
    let programs = Hook::CGROUP
        .into_iter()
        .map(Hook::word)
        .chain([SOCKET_OWNER, DNS_SNOOP]);
    programs.map(|name| format!("link_{name}"))
}

fn alarm<'a>(status: &'a Value, kind: &str) -> Option<&'a str> {
    let alarms = status["alarms"].as_array()?;
    let alarm = alarms.iter().find(|alarm| alarm["kind"] == kind)?;
    alarm["message"].as_str()
}

#[test]
fn a_removed_pin_interrupts_no_enforcement_and_is_restored() -> Result<()> {
    let mut fixture = Fixture::start(STREAM, "")?;
    let pins = fixture.pins().join(format!("v{VERSION}"));
    let stream = fixture.stream()?;
    for pin in links().chain(["EVENTS".to_owned(), "program_explain".to_owned()]) {
        fs::remove_file(pins.join(pin))?;
    }
    let restored = |status: &Value| {
        alarm(status, "hook-restored").is_some() && pins.join("program_explain").exists()
    };
    let status = fixture
        .enforcer
        .await_status("the pins are restored", restored)?;
    assert_eq!(alarm(&status, "hook-missing"), None, "{status}");
    thread::sleep(CHECK_INTERVAL);
    let whole = fixture.enforcer.json(["doctor"])?;
    let pinned = finding(&whole, "pins");
    assert_eq!(pinned["outcome"], "ok", "{pinned}");
    fixture.check(&stream.end()?)?;
    assert!(
        fixture.enforcer.log().contains("judged all the same"),
        "{}",
        fixture.enforcer.log()
    );

    fixture.enforcer.kill()?;
    fixture.check_pull_and_exfiltration()?;
    fixture.check_for_a_second()
}

#[test]
fn a_detached_link_is_reported_immediately_and_attached_again() -> Result<()> {
    let fixture = Fixture::start(STREAM, "")?;
    let pins = fixture.pins().join(format!("v{VERSION}"));
    for link in links() {
        bpf::detach(&pins.join(link))?;
    }
    let status = fixture.enforcer.status()?;
    if status["hooks"].as_array().is_none_or(Vec::is_empty) {
        let missing = alarm(&status, "hook-missing").unwrap_or_default();
        assert!(missing.contains("egress"), "{status}");
    } else {
        assert!(alarm(&status, "hook-restored").is_some(), "{status}");
    }
    let whole = |status: &Value| {
        status["hooks"]
            .as_array()
            .is_some_and(|hooks| hooks.len() == Hook::CGROUP.len())
    };
    let status = fixture
        .enforcer
        .await_status("the hooks are attached again", whole)?;
    let restored = alarm(&status, "hook-restored").unwrap_or_default();
    assert!(
        restored.contains("detached") && restored.contains("at 20"),
        "{status}"
    );
    let passed = fixture.counter.packets_to(&EVIL)?;
    let again = fixture.one_second(
        &fixture.lab.device(),
        &lab::clients::stream::Plan::lab_default(lab::fixtures::fixture::RATE),
    )?;
    assert!(
        again.passed.is_empty() && again.failed.is_empty() && again.refused > 100,
        "{again:?}"
    );
    assert_eq!(fixture.counter.packets_to(&EVIL)?, passed);
    fixture.lab.pull()?;

    let gone = |status: &Value| alarm(status, "hook-restored").is_none();
    fixture.enforcer.signal(libc::SIGHUP)?;
    fixture
        .enforcer
        .await_status("a reload ends the alarm", gone)?;
    Ok(())
}

#[test]
fn without_a_daemon_explain_doctor_and_status_report_a_missing_hook() -> Result<()> {
    let mut fixture = Fixture::start(STREAM, "")?;
    fixture.enforcer.kill()?;
    fs::remove_file(fixture.pins().join(format!("v{VERSION}/link_egress")))?;
    let explained = fixture.enforcer.json(["explain", "203.0.113.66"])?;
    assert_eq!(
        explained["missing-hooks"],
        serde_json::json!(["egress"]),
        "{explained}"
    );
    assert_eq!(explained["passes"], true, "{explained}");
    let report = fixture.enforcer.cli(["explain", "203.0.113.66"])?;
    assert!(report.stdout.contains("not enforced"), "{report:?}");
    let report = fixture.enforcer.json(["status"])?;
    assert_eq!(report["enforcing"], false, "{report}");
    let doctor = fixture.enforcer.json(["doctor"])?;
    let pins = finding(&doctor, "pins");
    assert_eq!(pins["outcome"], "failed", "{pins}");
    assert!(
        pins["message"]
            .as_str()
            .unwrap_or_default()
            .contains("egress"),
        "{pins}"
    );

    fixture.enforcer.run()?;
    fixture.enforcer.await_names()?;
    fixture.check_pull_and_exfiltration()?;
    let explained = fixture.enforcer.json(["explain", "203.0.113.66"])?;
    assert!(explained["missing-hooks"].is_null(), "{explained}");
    assert_eq!(explained["passes"], false, "{explained}");
    Ok(())
}

#[test]
fn a_removed_pin_directory_is_restored_and_locked_again() -> Result<()> {
    let mut fixture = Fixture::start(STREAM, "")?;
    let stream = fixture.stream()?;
    // Stopped, so that it does not restore pins during the removal.
    fixture.enforcer.signal(libc::SIGSTOP)?;
    let removed = fs::remove_dir_all(fixture.pins());
    fixture.enforcer.signal(libc::SIGCONT)?;
    removed?;
    let restored = |_: &Value| {
        fixture
            .pins()
            .join(format!("v{VERSION}/link_egress"))
            .exists()
    };
    fixture
        .enforcer
        .await_status("the pins are restored", restored)?;
    let second = fixture.enforcer.cli(["unload"])?;
    assert!(second.refusal()?.contains("the daemon runs"), "{second:?}");
    thread::sleep(Duration::from_secs(1));
    fixture.check(&stream.end()?)?;
    fixture.enforcer.kill()?;
    fixture.check_for_a_second()?;
    fixture.enforcer.run()?;
    fixture.enforcer.await_names()?;
    fixture.check_pull_and_exfiltration()?;
    fixture.enforcer.end(libc::SIGTERM)?;
    fixture.enforcer.cli(["unload"])?.success()?;
    assert!(!fixture.pins().exists());
    Ok(())
}

/// A reload checks the settings like the tick of each minute.
#[test]
fn a_mode_that_root_changes_in_the_maps_is_restored_and_reported() -> Result<()> {
    let fixture = Fixture::start(STREAM, "")?;
    let pin = fixture.pins().join(format!("v{VERSION}/{SETTINGS}"));
    let mut audit = vec![0; size_of::<Settings>()];
    audit[0] = 1;
    Map::pinned(&pin)?.set(&[0; 4], &audit)?;
    assert!(fixture.lab.exfiltrate_curl(&fixture.lab.device())?.ok);
    fixture.enforcer.signal(libc::SIGHUP)?;
    let restored = |status: &Value| alarm(status, "hook-restored").is_some();
    let status = fixture
        .enforcer
        .await_status("the change is reported", restored)?;
    let restored = alarm(&status, "hook-restored").unwrap_or_default();
    assert!(restored.contains("settings"), "{status}");
    fixture.check_pull_and_exfiltration()
}

fn finding<'a>(report: &'a Value, what: &str) -> &'a Value {
    let findings = report["checks"].as_array().map_or(&[][..], Vec::as_slice);
    let found = findings.iter().find(|finding| finding["id"] == what);
    found.unwrap_or(&Value::Null)
}
