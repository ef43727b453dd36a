//! `events` as an operator uses it, also over a restart of the daemon.

use std::{fs, fs::File, process::Stdio};

use anyhow::{Context as _, Result, ensure};
use lab::fixtures::{fixture::Fixture, process::Running};

use crate::STREAM;

/// A foreign storage account.
const EVIL: &str = "203.0.113.66";
const ACCOUNT: &str = "evil.blob.core.windows.net";

#[test]
fn followed_events_go_on_after_a_restart_of_the_daemon() -> Result<()> {
    let mut fixture = Fixture::start(STREAM, "")?;
    let place = |name: &str| fixture.lab.dir().join(name);
    let (out, err) = (place("followed.json"), place("followed.err"));
    let mut command = fixture
        .enforcer
        .command(["events", "--follow", "--json", "--reason", "storage"])?;
    command
        .stdout(Stdio::from(File::create(&out)?))
        .stderr(Stdio::from(File::create(&err)?));
    let mut follower = Running::start("events --follow", command)?;
    let denials = || -> Result<usize> {
        let text = fs::read_to_string(&out)?;
        Ok(text.lines().filter(|line| line.contains(EVIL)).count())
    };
    let refused = |fixture: &Fixture, least: usize| -> Result<()> {
        let device = fixture.lab.device();
        ensure!(!fixture.lab.exfiltrate_curl(&device)?.ok, "not refused");
        let waited = |_: &serde_json::Value| denials().is_ok_and(|count| count >= least);
        fixture
            .enforcer
            .await_status("the event is printed", waited)?;
        Ok(())
    };
    refused(&fixture, 1)?;

    fixture.enforcer.kill()?;
    fixture.enforcer.run()?;
    let is_back = |_: &serde_json::Value| {
        fs::read_to_string(&err).is_ok_and(|text| text.contains("the daemon is back"))
    };
    fixture
        .enforcer
        .await_status("the follower is connected", is_back)?;
    let before = denials()?;
    refused(&fixture, before + 1)?;
    let status = follower.wait(std::time::Duration::ZERO)?;
    ensure!(status.is_none(), "the follower ended: {status:?}");
    Ok(())
}

#[test]
fn a_past_denial_is_explained_and_summed_up() -> Result<()> {
    let fixture = Fixture::start(STREAM, "")?;
    ensure!(!fixture.lab.exfiltrate_curl(&fixture.lab.device())?.ok);
    let explained = fixture.enforcer.cli(["explain", "--last"])?;
    ensure!(explained.code() == Some(1), "{explained:?}");
    ensure!(
        explained.stdout.contains(EVIL) && explained.stdout.contains("denied curl"),
        "{explained:?}"
    );
    let events = fixture.enforcer.json([
        "events",
        "--dest",
        EVIL,
        "--process",
        "curl",
        "--since",
        "5m",
    ])?;
    let number = events[0]["sequence"].as_u64().context("no event")?;
    let same = fixture
        .enforcer
        .cli(["explain", "--event", &number.to_string()])?;
    assert_eq!(same.stdout, explained.stdout);

    assert_eq!(events[0]["queried-name"], ACCOUNT, "{events:#}");
    let by_name = fixture.enforcer.json(["events", "--name", ACCOUNT])?;
    let mut by_name = by_name.as_array().into_iter().flatten();
    ensure!(by_name.any(|event| event["sequence"] == number), "{number}");

    let top = fixture
        .enforcer
        .json(["events", "top", "--reason", "storage"])?;
    ensure!(top[0]["count"].as_u64() >= Some(1), "{top}");
    assert_eq!(top[0]["command"], "curl", "{top}");
    let none = fixture
        .enforcer
        .cli(["events", "--until", "1d"])?
        .success()?;
    assert_eq!(none, "no events\n");
    let wrong = fixture.enforcer.cli(["events", "--reason", "strange"])?;
    ensure!(
        wrong.code() == Some(2) && wrong.stderr.contains("server-name-unknown"),
        "{wrong:?}"
    );
    Ok(())
}

#[test]
fn what_audit_mode_reports_is_suggested_and_allowed_once_completed() -> Result<()> {
    let fixture = Fixture::start(STREAM, "")?;
    fixture
        .enforcer
        .edit("scope =", "mode = \"audit\"\nscope =")?;
    fixture.enforcer.signal(libc::SIGHUP)?;
    fixture
        .enforcer
        .await_status("audit mode", |status| status["mode"] == "audit")?;
    ensure!(fixture.lab.exfiltrate_curl(&fixture.lab.device())?.ok);
    let text = fixture.enforcer.cli(["suggest"])?.success()?;
    // The kernel read which name curl had asked DNS for.
    for line in [
        &format!("# {ACCOUNT}: 1 attempt by curl of cgroup"),
        "to 203.0.113.66:443",
        &format!("names = [\"{ACCOUNT}\"]"),
    ] {
        ensure!(text.contains(line), "{line}: {text}");
    }

    let account = text
        .replace("reason = \"\"", "reason = \"the lab\"")
        .replace("# until = YYYY-MM-DD", "until = 2099-01-31");
    let text = fs::read_to_string(fixture.enforcer.config())?;
    let text = text.replace("mode = \"audit\"", "mode = \"enforce\"");
    fixture.enforcer.configure(&format!("{text}\n{account}"))?;
    fixture.enforcer.cli(["check"])?.success()?;
    let diff = fixture.enforcer.cli(["check", "--diff"])?;
    ensure!(
        diff.code() == Some(1),
        "an exception weakens: {}",
        diff.stderr
    );
    for line in [
        "weaker",
        &format!(": {ACCOUNT}"),
        "stricter",
        "audit → enforce",
    ] {
        ensure!(diff.stdout.contains(line), "{line}: {}", diff.stdout);
    }
    fixture.enforcer.signal(libc::SIGHUP)?;
    let is_allowed = |status: &serde_json::Value| {
        status["mode"] == "enforce"
            && status["exceptions"][0]["names"][0]["addresses"][0].is_object()
    };
    fixture
        .enforcer
        .await_status("the exception is in force", is_allowed)?;
    let diff = fixture.enforcer.cli(["check", "--diff"])?.success()?;
    ensure!(diff.starts_with("no difference"), "{diff}");
    let proof = fixture.enforcer.cli(["prove"])?.success()?;
    ensure!(
        proof.contains("\nproved, but for what was not tried: "),
        "{proof}"
    );
    let report = fixture.enforcer.cli(["report"])?.success()?;
    ensure!(report.contains("203.0.113.66:443"), "{report}");
    ensure!(fixture.lab.exfiltrate_curl(&fixture.lab.device())?.ok);
    Ok(())
}
