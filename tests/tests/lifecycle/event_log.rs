//! The event log on the disk: over kills and floods, and changed by somebody.

use std::{fs, net::Ipv6Addr, path::PathBuf};

use anyhow::{Context as _, Result, ensure};
use lab::{
    clients::stream::Plan,
    fixtures::{
        enforcer::Enforcer,
        fixture::{Fixture, RATE},
    },
};
use serde_json::Value;

use crate::STREAM;

const EVIL: &str = "203.0.113.66";

fn log_files(enforcer: &Enforcer) -> Result<Vec<PathBuf>> {
    let entries = fs::read_dir(enforcer.state().join("events"))?;
    let paths = entries.map(|entry| Ok(entry?.path()));
    let mut paths = paths.collect::<Result<Vec<_>>>()?;
    paths.sort();
    Ok(paths)
}

/// Waits until `events --since 1h` shows what is wanted, and returns it.
fn await_kept(
    fixture: &Fixture,
    what: &str,
    wanted: impl Fn(&[Value]) -> bool,
) -> Result<Vec<Value>> {
    let kept = || -> Result<Vec<Value>> {
        let kept = fixture.enforcer.json(["events", "--since", "1h"])?;
        Ok(kept.as_array().context("no array")?.clone())
    };
    let shown = |_: &Value| kept().is_ok_and(|kept| wanted(&kept));
    fixture.enforcer.await_status(what, shown)?;
    kept()
}

fn to_evil(events: &[Value]) -> usize {
    let denials = events.iter().filter(|event| event["destination"] == EVIL);
    denials.count()
}

#[test]
fn denials_survive_a_killed_daemon_and_a_changed_line_shows() -> Result<()> {
    let mut fixture = Fixture::start(STREAM, "")?;
    ensure!(!fixture.lab.exfiltrate_curl(&fixture.lab.device())?.ok);
    let before = await_kept(&fixture, "the denial is kept", |kept| to_evil(kept) > 0)?;
    // The thread of the log may be behind the socket.
    let path = log_files(&fixture.enforcer)?.remove(0);
    let is_written = |_: &Value| fs::read_to_string(&path).is_ok_and(|text| text.contains(EVIL));
    fixture
        .enforcer
        .await_status("the denial is on the disk", is_written)?;
    fixture.enforcer.kill()?;
    fixture.enforcer.run()?;
    let after = await_kept(&fixture, "the denial of the killed daemon", |kept| {
        to_evil(kept) > 0 && kept.len() > before.len()
    })?;
    let number = |event: &Value| event["sequence"].as_u64();
    assert_eq!(
        after[..before.len()],
        before,
        "the log begins with what was there"
    );
    ensure!(after.is_sorted_by_key(number), "{after:#?}");
    // Without --since, what is in memory: the daemon read the last ones again.
    let held = fixture.enforcer.json(["events", "--dest", EVIL])?;
    assert_eq!(held[0], before[before.len() - to_evil(&before)]);

    fixture.enforcer.end(libc::SIGTERM)?;
    let verified = fixture.enforcer.json(["events", "verify"])?;
    assert_eq!(
        verified["events"].as_u64(),
        Some(after.len() as u64),
        "{verified:#}"
    );
    let log = fixture.enforcer.log();
    let head = verified["head"].as_str().context("no hash")?;
    ensure!(log.contains(head), "the daemon logs the hash {head}: {log}");

    let text = fs::read_to_string(&path)?;
    fs::write(&path, text.replacen("curl", "ruse", 1))?;
    let changed = fixture.enforcer.cli(["events", "verify"])?;
    ensure!(changed.code() == Some(1), "{changed:?}");
    ensure!(
        changed.stdout.contains("CHANGED") && changed.stdout.contains("line "),
        "{changed:?}"
    );
    Ok(())
}

#[test]
fn a_flood_to_1992_addresses_writes_little_and_evicts_nobodys_events() -> Result<()> {
    let fixture = Fixture::start(STREAM, "[log]\nsize-mib = 1\n")?;
    ensure!(!fixture.lab.exfiltrate_curl(&fixture.lab.device())?.ok);
    await_kept(&fixture, "the denial is kept", |kept| to_evil(kept) > 0)?;
    let account = |last: u16| Ipv6Addr::new(0x2001, 0xdb8, 0xb10b, 0, 0, 0, 1, last).into();
    let plan = Plan {
        allowed: Plan::lab_default(RATE).allowed,
        protected: (0..1992).map(account).collect(),
        rate: 10,
    };
    let flooded = fixture.one_second(&fixture.lab.device(), &plan)?;
    ensure!(
        flooded.refused >= 1992 && flooded.passed.is_empty(),
        "{flooded:?}"
    );
    let denied = |kept: &[Value]| -> u64 {
        let counts = kept.iter().filter(|event| event["verdict"] == "deny");
        counts
            .map(|event| event["duplicates"].as_u64().unwrap_or_default() + 1)
            .sum()
    };
    let kept = await_kept(&fixture, "the denials are kept", |kept| {
        denied(kept) >= 1992
    })?;
    ensure!(to_evil(&kept) > 0, "the flood evicted another's denial");
    let mut bytes = 0;
    for path in log_files(&fixture.enforcer)? {
        bytes += fs::metadata(path)?.len();
    }
    eprintln!("{} events, {bytes} bytes on the disk", kept.len());
    ensure!(bytes < 1 << 20, "{bytes} bytes");
    fixture.enforcer.json(["events", "verify"])?;
    Ok(())
}
