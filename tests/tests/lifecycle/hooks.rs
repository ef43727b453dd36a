//! Root's hand on links and pins: what it takes away is there again, and is told. Real traffic, judged on the wire.

use std::{fs, thread, time::Duration};

use anyhow::Result;
use enforcer_common::{
    Hook,
    layout::{DNS_SNOOP, SOCKET_OWNER, VERSION},
};
use lab::{
    bpf,
    fixtures::fixture::{EVIL, Fixture},
};
use serde_json::Value;

use super::STREAM;

/// The daemon looks every six seconds.
const LOOK: Duration = Duration::from_secs(7);

fn links() -> impl Iterator<Item = String> {
    let programs = Hook::ALL
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
fn a_pin_that_is_removed_ends_no_judgement_and_is_there_again() -> Result<()> {
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
        .await_status("the pins are there again", restored)?;
    assert_eq!(alarm(&status, "hook-missing"), None, "{status}");
    thread::sleep(LOOK);
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
fn a_link_that_is_detached_is_told_at_once_and_attached_again() -> Result<()> {
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
            .is_some_and(|hooks| hooks.len() == Hook::ALL.len())
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
fn without_a_daemon_explain_doctor_and_status_tell_of_a_hook_that_is_gone() -> Result<()> {
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
    let told = fixture.enforcer.cli(["explain", "203.0.113.66"])?;
    assert!(told.stdout.contains("not enforced"), "{told:?}");
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
fn a_directory_of_pins_that_is_removed_is_made_and_locked_again() -> Result<()> {
    let mut fixture = Fixture::start(STREAM, "")?;
    let stream = fixture.stream()?;
    // Or it would pin again what is being removed.
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
        .await_status("the pins are there again", restored)?;
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

fn finding<'a>(report: &'a Value, what: &str) -> &'a Value {
    let findings = report["checks"].as_array().map_or(&[][..], Vec::as_slice);
    let found = findings.iter().find(|finding| finding["id"] == what);
    found.unwrap_or(&Value::Null)
}
