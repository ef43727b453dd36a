//! `doctor`: whether this machine has what is needed, and how to fix what is not.

mod exclusive;
mod registry;
mod resolvers;
mod tags;
mod unit;

use std::fmt;

use anyhow::Result;
use jiff::Timestamp;
use jiff::tz::Offset;
use serde::Serialize;

pub(super) use self::registry::Image;
use super::args::{DoctorArgs, OutputArgs};
use super::exit::{Exit, chain};
use super::places::Places;
use super::plan::plan;
use super::printer::Printer;
use super::table::Table;
use super::words::instant;
use crate::azure::bundle;
use crate::config::Cloud;
use crate::kernel::{Check, CheckOutcome, Pins, probe};

/// Looks at this machine, or at a registry.
pub(super) fn doctor(places: &Places, args: DoctorArgs) -> Result<Exit> {
    match &args.registry.registry {
        Some(name) => registry::registry(places, name, &args.registry, args.output),
        None => machine(places, args.output),
    }
}

/// Looks at the kernel, the file systems, this process, the clock, the configuration, the service tags, the resolvers and the service.
fn machine(places: &Places, output: OutputArgs) -> Result<Exit> {
    let now = Timestamp::now();
    // A configuration that cannot be read is a check of its own.
    let paths = places.paths().unwrap_or_default();
    let config = places.config().ok();
    let mut checks = probe(&Pins::new(&paths.pins));
    checks.extend(exclusive::check(config.as_ref()));
    checks.push(clock(now)?);
    checks.push(configuration(places, now));
    checks.extend(tags::service_tags(places, now));
    checks.extend(resolvers::resolvers(config.as_ref())?);
    checks.extend(resolvers::observation(&paths));
    checks.extend(unit::unit());
    let outcome = outcome_of(&checks);
    Printer::stdout(output.json).report(&Diagnosis { outcome, checks })?;
    Ok(if outcome == CheckOutcome::Ok {
        Exit::Done
    } else {
        Exit::No
    })
}

/// The bundle is older than the binary, so a clock before the bundle's day is wrong.
fn clock(now: Timestamp) -> Result<Check> {
    let bundle = bundle::load(Cloud::default())?;
    let floor = bundle
        .date
        .and_then(|date| Offset::UTC.to_timestamp(date.at(0, 0, 0, 0)).ok());
    let fit = floor.is_none_or(|floor| floor <= now);
    let fix = "set the clock (timedatectl set-ntp true): exceptions end and service tags age by it";
    Ok(Check::new("clock", fit, instant(now), fix))
}

fn configuration(places: &Places, now: Timestamp) -> Check {
    let what = "configuration";
    let file = places.file().display();
    if places.is_unconfigured() {
        return Check::new(what, true, format!("none yet at {file}"), "");
    }
    match plan(places.file(), now) {
        Ok(_) => Check::new(what, true, format!("{file} is valid"), ""),
        Err(error) => Check::new(what, false, chain(&error), "fix it, and try `check`"),
    }
}

/// [`CheckOutcome::Failed`] where a check failed; unknown outcomes do not count.
fn outcome_of(checks: &[Check]) -> CheckOutcome {
    match checks.iter().any(Check::is_failed) {
        true => CheckOutcome::Failed,
        false => CheckOutcome::Ok,
    }
}

#[derive(Serialize)]
struct Diagnosis {
    outcome: CheckOutcome,
    checks: Vec<Check>,
}

impl fmt::Display for Diagnosis {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut table = Table::headless(0);
        for check in &self.checks {
            let mark = mark(check.outcome).to_owned();
            table.row([mark, check.id.clone(), check.message.clone()]);
        }
        write!(formatter, "{table}")?;
        for check in self.checks.iter().filter(|check| check.is_failed()) {
            writeln!(formatter, "fix {}: {}", check.id, check.fix)?;
        }
        Ok(())
    }
}

/// The outcome as text.
fn mark(outcome: CheckOutcome) -> &'static str {
    match outcome {
        CheckOutcome::Ok => "✓ ok",
        CheckOutcome::Failed => "✗ failed",
        CheckOutcome::Unknown => "? unknown",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_unfit_comes_with_its_mend() {
        let checks = vec![
            Check::new("cgroup v2", true, "/sys/fs/cgroup", "mount it"),
            Check::new("clock", false, "1970-01-01T00:00:00Z", "set it"),
        ];
        let expected = "\
✓ ok      cgroup v2  /sys/fs/cgroup
✗ failed  clock      1970-01-01T00:00:00Z
fix clock: set it
";
        let diagnosis = Diagnosis {
            outcome: outcome_of(&checks),
            checks,
        };
        assert_eq!(diagnosis.to_string(), expected);
    }

    #[test]
    fn a_clock_before_the_bundle_is_unfit() {
        let at = |text: &str| clock(text.parse().unwrap()).unwrap().is_ok();
        assert!(!at("2020-01-01T00:00:00Z"));
        assert!(at("2099-01-01T00:00:00Z"));
    }

    #[test]
    fn an_invalid_configuration_is_a_finding() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("config.toml");
        std::fs::write(&file, "mode = \"off\"").unwrap();
        let check = configuration(&Places::new(Some(file)), Timestamp::now());
        assert!(!check.is_ok());
        assert!(check.message.contains("config.toml:1"), "{}", check.message);
    }
}
