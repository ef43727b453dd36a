//! Enforcement continues across kills, restarts and reloads of the daemon; checked with real traffic.

mod end;
mod event_log;
mod followed;
mod hooks;
mod receivers;
mod without_dns;

use std::{
    fs,
    path::Path,
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context, Result};
use enforcer_common::layout::VERSION;
use lab::{
    clients::stream::Plan,
    fixtures::{
        enforcer::binary,
        fixture::{EVIL, Fixture, RATE},
        process::Running,
        service_tags::change_number,
    },
};
use serde_json::Value;

const STREAM: &str = env!("CARGO_BIN_EXE_egress-stream");
/// A storage account that an exception allows.
const AGENTS_ACCOUNT: &str = "203.0.113.77";
/// Contoso's data endpoint in westus.
const WESTUS: &str = "198.51.100.200";
/// An unrelated web server.
const WEB: &str = "192.0.2.80";

#[test]
fn a_killed_daemon_leaves_enforcement_in_force_and_the_next_one_takes_over() -> Result<()> {
    let mut fixture = Fixture::start(STREAM, "")?;
    let before = fixture.enforcer.status()?;
    fixture.enforcer.kill()?;

    fixture.check_pull_and_exfiltration()?;
    let report = fixture.enforcer.json(["status"])?;
    assert_eq!(report["enforcing"], true, "{report}");
    assert!(report["daemon"].is_null(), "{report}");
    assert_eq!(report["pinned"]["mode"], "enforce", "{report}");
    assert_eq!(
        fixture.enforcer.cli(["explain", "203.0.113.66"])?.code(),
        Some(1)
    );
    assert_eq!(
        fixture.enforcer.cli(["explain", "198.51.100.10"])?.code(),
        Some(0)
    );

    fixture.enforcer.run()?;
    let after = fixture.enforcer.status()?;
    assert!(
        number(&after, "generation")? > number(&before, "generation")?,
        "{after}"
    );
    fixture.enforcer.await_names()?;
    fixture.check_pull_and_exfiltration()?;
    assert_eq!(fixture.counter.packets_to(&EVIL)?, 0);
    Ok(())
}

#[test]
fn ten_restarts_during_a_stream_leak_and_lose_no_packet() -> Result<()> {
    let mut fixture = Fixture::start(STREAM, "")?;
    let stream = fixture.stream()?;
    for restart in 0..10 {
        if restart % 2 == 0 {
            fixture.enforcer.kill()?;
        } else {
            assert!(fixture.enforcer.end(libc::SIGTERM)?.success());
        }
        fixture.enforcer.run()?;
    }
    fixture.check(&stream.end()?)
}

#[test]
fn a_daemon_killed_at_any_point_of_its_start_leaves_no_gap_and_no_remains() -> Result<()> {
    let mut fixture = Fixture::start(STREAM, "")?;
    let stream = fixture.stream()?;
    fixture.enforcer.kill()?;
    let started = Instant::now();
    fixture.enforcer.run()?;
    let start = started.elapsed();
    fixture.enforcer.kill()?;
    for part in 1..=8 {
        let half_started = Running::start("enforcer", fixture.enforcer.command(["run"])?)?;
        thread::sleep(start * part / 8);
        drop(half_started);
    }
    // As if it had been killed between two steps: a new link is pinned, and its final path is empty.
    let pins = fixture.pins().join(format!("v{VERSION}"));
    let link = |name: &str| pins.join(name);
    fs::rename(link("link_egress"), link("link_egress_new"))?;
    fixture.enforcer.run()?;
    fixture.check(&stream.end()?)?;

    fixture.enforcer.kill()?;
    fs::rename(link("link_connect4"), link("link_connect4_new"))?;
    fixture.enforcer.cli(["unload"])?.success()?;
    assert!(!fixture.pins().exists());
    assert!(fixture.lab.exfiltrate_curl(&fixture.lab.device())?.ok);
    Ok(())
}

#[test]
fn another_binary_takes_over_and_a_second_instance_is_rejected() -> Result<()> {
    let mut fixture = Fixture::start(STREAM, "")?;
    let stream = fixture.stream()?;
    let pid = fixture.enforcer.pid()?;
    let second = fixture.enforcer.cli(["run"])?;
    assert!(
        second.refusal()?.contains("another egress-enforcer runs"),
        "{second:?}"
    );
    assert_eq!(number(&fixture.enforcer.status()?, "pid")?, u64::from(pid));

    let next = fixture.lab.dir().join("egress-enforcer-next");
    fs::copy(binary()?, &next)?;
    for signal in [libc::SIGTERM, libc::SIGKILL] {
        fixture.enforcer.end(signal)?;
        let command = fixture.enforcer.command_of(&next, ["run"]);
        fixture.enforcer.run_as(command)?;
        let program = fs::read_link(format!("/proc/{}/exe", fixture.enforcer.pid()?))?;
        assert_eq!(program, next.canonicalize()?);
    }
    fixture.check(&stream.end()?)
}

#[test]
fn a_reload_during_a_stream_applies_its_changes_and_nothing_else() -> Result<()> {
    let fixture = Fixture::start(STREAM, "")?;
    let agent = fixture.lab.device_cgroup().child("agent")?;
    let agent_reaches = || fixture.reaches_from(&fixture.lab.device_in(&agent), AGENTS_ACCOUNT);
    let reload = |regions: &[&str], more: &str, taken: &dyn Fn(&Value) -> bool| {
        fixture.reload(&fixture.configuration(regions, more), taken)
    };
    let stream = fixture.stream()?;

    assert!(!fixture.reaches(WESTUS)?);
    reload(&["eastus", "westus"], "", &|status| {
        length(&status["registries"][0]["names"]) == 3
    })?;
    fixture.enforcer.await_names()?;
    assert!(fixture.reaches(WESTUS)?);

    assert!(!agent_reaches()?);
    let exception = format!(
        "[[exception]]\nreason = \"an agent\"\ncgroup = \"/{}/device/agent\"\ncidrs = [\"{AGENTS_ACCOUNT}/32\"]\n\
         until = 2100-01-01T00:00:00Z\n",
        fixture.lab.name()
    );
    reload(&["eastus"], &exception, &|status| {
        length(&status["exceptions"]) == 1
    })?;
    assert!(agent_reaches()?);
    assert!(!fixture.reaches(AGENTS_ACCOUNT)?);
    reload(&["eastus"], "", &|status| {
        length(&status["exceptions"]) == 0
    })?;
    assert!(!agent_reaches()?);

    assert!(fixture.reaches(WEB)?);
    grow_service_tags(fixture.service_tags())?;
    reload(&["eastus"], "", &|status| {
        status["tags"]["change-number"] == change_number(2)
    })?;
    assert!(!fixture.reaches(WEB)?);
    fixture.check(&stream.end()?)
}

#[test]
fn denied_traffic_is_allowed_in_audit_mode_only() -> Result<()> {
    let fixture = Fixture::start(STREAM, "")?;
    let config = fixture.configuration(&["eastus"], "");
    let switch = |mode: &str| {
        fixture.reload(&format!("mode = \"{mode}\"\n{config}"), |status| {
            status["mode"] == mode
        })
    };
    let attempts = || fixture.one_second(&fixture.lab.device(), &Plan::lab_default(RATE));
    fixture.check(&attempts()?)?;

    switch("audit")?;
    let audited = attempts()?;
    assert!(
        audited.refused == 0 && !audited.passed.is_empty(),
        "{audited:?}"
    );
    assert!(fixture.counter.packets_to(&EVIL)? > 100);
    assert_eq!(fixture.enforcer.json(["status"])?["enforcing"], false);

    switch("enforce")?;
    // Packets in transit arrive and are counted.
    thread::sleep(Duration::from_secs(1));
    let passed = fixture.counter.packets_to(&EVIL)?;
    let after = attempts()?;
    assert!(
        after.passed.is_empty() && after.failed.is_empty() && after.refused > 100,
        "{after:?}"
    );
    assert_eq!(fixture.counter.packets_to(&EVIL)?, passed);
    Ok(())
}

/// Writes a newer file that also protects the unrelated web server and a thousand further prefixes.
fn grow_service_tags(file: &Path) -> Result<()> {
    let mut tags: Value = serde_json::from_slice(&fs::read(file)?)?;
    tags["changeNumber"] = change_number(2).into();
    let values = tags["values"].as_array_mut().context("no values")?;
    let storage = values
        .iter_mut()
        .find(|tag| tag["name"] == "Storage")
        .context("no Storage")?;
    let prefixes = storage["properties"]["addressPrefixes"]
        .as_array_mut()
        .context("no prefixes")?;
    prefixes.push("192.0.2.0/24".into());
    for number in 0..1000 {
        prefixes.push(format!("45.{}.{}.0/25", number / 50, number % 50 * 5).into());
    }
    Ok(fs::write(file, serde_json::to_vec(&tags)?)?)
}

fn number(status: &Value, key: &str) -> Result<u64> {
    status[key]
        .as_u64()
        .with_context(|| format!("no {key} in {status}"))
}

fn length(list: &Value) -> usize {
    list.as_array().map_or(0, Vec::len)
}
