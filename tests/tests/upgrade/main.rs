//! Upgrade and downgrade between versions: enforcement has no gap, verified connections continue, and no pins of the other version remain.
//!
//! The other version is any binary with another layout version: the one that `layout-next` makes, or, in `./x upgrade`, a release.

mod connection;
mod device_churn;
mod frames;
mod gateway;
mod pins;
mod version;

use std::{
    fs,
    time::{Duration, Instant},
};

use anyhow::Result;
use lab::{
    clients::stream::{Plan, Totals},
    fixtures::fixture::{Fixture, RATE},
    servers::dns::Fault,
};

use crate::version::{both, killed_before, layouts};

const STREAM: &str = env!("CARGO_BIN_EXE_egress-stream");
const UNTIL: &str = env!("CARGO_BIN_EXE_egress-until");
const LIMIT: Duration = Duration::from_secs(60);
/// Distance between the steps of a take-over before which it is killed.
const STRIDE: usize = 6;

/// Prints what `./x upgrade` reports.
#[expect(clippy::print_stderr, reason = "the runner shows it")]
fn report(line: &str) {
    eprintln!("EGRESS-UPGRADE {line}");
}

/// Describes a stream's results.
fn numbers(totals: &Totals) -> String {
    format!(
        "{} allowed connections answered, {} lost, {} packets retransmitted; {} denied connections and datagrams refused, {} passed",
        totals.answered,
        totals.failed.values().sum::<u64>(),
        totals.retransmitted,
        totals.refused,
        totals.passed.values().sum::<u64>(),
    )
}

#[test]
fn forty_starts_of_either_version_during_a_stream_leak_and_lose_no_packet() -> Result<()> {
    let [present, other] = both()?;
    let mut fixture = Fixture::start(STREAM, "")?;
    let stream = fixture.stream()?;
    let began = Instant::now();
    let mut in_force = present.number;
    let mut changes = 0;
    for start in 0..40 {
        if start % 2 == 0 {
            assert!(fixture.enforcer.end(libc::SIGTERM)?.success());
        } else {
            fixture.enforcer.kill()?;
        }
        // Periods of three and two, so that every combination of version change and kind of end occurs.
        let version = if start % 3 == 0 { &present } else { &other };
        version.take_over(&mut fixture)?;
        changes += u32::from(version.number != in_force);
        in_force = version.number;
    }
    let lasted = began.elapsed().as_secs_f64();
    let totals = stream.end()?;
    report(&format!(
        "40 starts, {changes} of them changes between {present} and {other}, in {lasted:.1} s: {}",
        numbers(&totals)
    ));
    let status = fixture.enforcer.status()?;
    assert_eq!(status["alarms"].as_array().map(Vec::len), Some(0));
    fixture.check(&totals)
}

#[test]
fn a_take_over_killed_before_any_step_leaves_no_gap_and_either_version_can_continue() -> Result<()>
{
    let [present, other] = both()?;
    let mut fixture = Fixture::start(STREAM, "")?;
    assert!(fixture.enforcer.end(libc::SIGTERM)?.success());
    let stream = fixture.stream()?;
    for (from, to) in [(&present, &other), (&other, &present)] {
        let mut in_force = to;
        let mut kills = 0;
        for step in (1..).step_by(STRIDE) {
            if in_force.number != from.number {
                from.take_over(&mut fixture)?;
                fixture.enforcer.kill()?;
            }
            if killed_before(to, &fixture, step)? < step {
                break;
            }
            for version in [&present, &other] {
                let report = version.ask(&fixture, "status")?;
                assert_ne!(
                    report.code(),
                    Some(1),
                    "reported as not enforcing: {report:?}"
                );
            }
            in_force = if kills % 2 == 0 { to } else { from };
            in_force.take_over(&mut fixture)?;
            fixture.enforcer.kill()?;
            kills += 1;
        }
        report(&format!("{from} to {to}: killed at {kills} points"));
        assert!(kills > 6, "killed before {kills} steps only");
        assert_eq!(layouts(&fixture)?, [to.directory()]);
    }
    fixture.check(&stream.end()?)
}

#[test]
fn addresses_in_the_maps_survive_a_change_to_a_version_that_knows_their_layout() -> Result<()> {
    let mut versions = both()?;
    versions.sort_unstable_by_key(|version| version.number);
    let [older, newer] = versions;
    let mut fixture = Fixture::start(STREAM, "")?;
    let forget = |fixture: &mut Fixture| -> Result<()> {
        fixture.enforcer.kill()?;
        match fs::remove_dir_all(fixture.enforcer.state()) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(error.into()),
            Ok(()) | Err(_) => Ok(()),
        }
    };
    fixture.enforcer.kill()?;
    older.take_over(&mut fixture)?;
    fixture.check_for_a_second()?;

    fixture.lab.dns().fail_mode(Fault::Silent)?;
    forget(&mut fixture)?;
    newer.take_over(&mut fixture)?;
    fixture.check_for_a_second()?;

    forget(&mut fixture)?;
    older.take_over(&mut fixture)?;
    let closed = fixture.one_second(&fixture.lab.device(), &Plan::lab_default(RATE))?;
    assert!(
        closed.answered == 0 && closed.passed.is_empty() && closed.refused > 100,
        "{closed:?}"
    );
    fixture.lab.dns().clear_faults();
    older.await_names(&fixture)?;
    fixture.check_for_a_second()
}
