//! A wall clock that is set.

use std::{
    io::{self, Write},
    time::{Duration, Instant},
};

use anyhow::{Result, ensure};
use jiff::{SignedDuration, Timestamp};
use lab::fixtures::{fixture::Fixture, shifted_clock::ShiftedClock};
use serde_json::Value;

use crate::{STREAM, WESTUS, has_alarm};

/// Ten years in seconds.
const TEN_YEARS: i64 = 10 * 365 * 86_400;
/// A storage account that an exception allows.
const AGENTS_ACCOUNT: &str = "203.0.113.77";

#[test]
fn a_clock_change_allows_nothing_denies_nothing_and_raises_an_alarm() -> Result<()> {
    let mut fixture = Fixture::prepare(STREAM, "")?;
    let clock = ShiftedClock::new(fixture.lab.dir())?;
    let agent = fixture.lab.device_cgroup().child("agent")?;
    let agent = fixture.lab.device_in(&agent);
    let both = fixture.configuration(&["eastus", "westus"], "");
    fixture.enforcer.configure(&both)?;
    let mut command = fixture.enforcer.command(["run"])?;
    clock.apply_to(&mut command);
    fixture.enforcer.run_as(command)?;
    if !clock.is_seen_by(fixture.enforcer.pid()?)? {
        writeln!(
            io::stderr(),
            "NOT RUN: the binary under test is linked statically, so its clock cannot be shifted"
        )?;
        return Ok(());
    }
    fixture.enforcer.await_names()?;
    // The data endpoint in westus lingers; one exception lasts an hour, the other 12 seconds.
    let exceptions =
        exception(&fixture, AGENTS_ACCOUNT, 3600) + &exception(&fixture, "203.0.113.78", 12);
    let eastus = fixture.configuration(&["eastus"], &exceptions);
    let ended = |status: &Value| [0, 1].map(|index| status["exceptions"][index]["ended"] == true);
    let first = fixture.reload(&eastus, |status| status["exceptions"][1].is_object())?;
    assert_eq!(ended(&first), [false, false]);
    let stream = fixture.stream()?;
    assert!(fixture.reaches(WESTUS)?);

    clock.set(-TEN_YEARS)?;
    fixture
        .enforcer
        .await_status("the alarm", has_alarm("clock-set"))?;
    let past = fixture
        .enforcer
        .await_status("the short exception ends", |status| ended(status)[1])?;
    assert_eq!(ended(&past), [false, true]);
    assert!(fixture.reaches_from(&agent, AGENTS_ACCOUNT)?);
    assert!(!fixture.reaches_from(&agent, "203.0.113.78")?);
    assert!(fixture.reaches(WESTUS)?);

    clock.set(0)?;
    fixture
        .enforcer
        .await_status("no alarm", |status| !has_alarm("clock-set")(status))?;
    clock.set(TEN_YEARS)?;
    let future = fixture
        .enforcer
        .await_status("the alarm", has_alarm("clock-set"))?;
    assert_eq!(ended(&future), [true, true]);
    within_a_minute(|| Ok(!fixture.reaches_from(&agent, AGENTS_ACCOUNT)?))?;
    assert!(fixture.reaches(WESTUS)?);

    clock.set(0)?;
    fixture
        .enforcer
        .await_status("no alarm", |status| !has_alarm("clock-set")(status))?;
    within_a_minute(|| fixture.reaches_from(&agent, AGENTS_ACCOUNT))?;
    fixture.check(&stream.end()?)
}

/// Waits for an effect of the shifted clock. A preloaded clock cancels no timer and a status request triggers nothing, so the effect comes with
/// the rescan of each minute.
fn within_a_minute(mut wanted: impl FnMut() -> Result<bool>) -> Result<()> {
    let limit = Instant::now() + Duration::from_secs(70);
    while !wanted()? {
        ensure!(Instant::now() < limit, "not within a minute");
    }
    Ok(())
}

/// Returns an exception that lasts `seconds` from now.
fn exception(fixture: &Fixture, address: &str, seconds: i64) -> String {
    let until = Timestamp::now() + SignedDuration::from_secs(seconds);
    format!(
        "[[exception]]\nreason = \"a test\"\ncgroup = \"/{}/device/agent\"\ncidrs = [\"{address}/32\"]\nuntil = {until}\n",
        fixture.lab.name()
    )
}
