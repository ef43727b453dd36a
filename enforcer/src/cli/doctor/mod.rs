//! `doctor`: whether this machine has what is needed, and how to mend what is not.

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
use crate::kernel::{Finding, Pins, probe};

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
    // A configuration that cannot be read is a finding of its own.
    let paths = places.paths().unwrap_or_default();
    let config = places.config().ok();
    let mut findings = probe(&Pins::new(&paths.pins));
    findings.extend(exclusive::finding(config.as_ref()));
    findings.push(clock(now)?);
    findings.push(configuration(places, now));
    findings.extend(tags::service_tags(places, now));
    findings.extend(resolvers::resolvers(config.as_ref())?);
    findings.extend(resolvers::observation(&paths));
    findings.extend(unit::unit());
    let fit = findings.iter().all(|finding| finding.fit);
    Printer::stdout(output.json).report(&Diagnosis { fit, findings })?;
    Ok(if fit { Exit::Done } else { Exit::No })
}

/// The bundle is older than the binary, so a clock before the bundle's day is wrong.
fn clock(now: Timestamp) -> Result<Finding> {
    let bundle = bundle::load(Cloud::default())?;
    let floor = bundle
        .date
        .and_then(|date| Offset::UTC.to_timestamp(date.at(0, 0, 0, 0)).ok());
    let fit = floor.is_none_or(|floor| floor <= now);
    let mend =
        "set the clock (timedatectl set-ntp true): exceptions end and service tags age by it";
    Ok(Finding::new("clock", fit, instant(now), mend))
}

fn configuration(places: &Places, now: Timestamp) -> Finding {
    let what = "configuration";
    let file = places.file().display();
    if places.is_unconfigured() {
        return Finding::new(what, true, format!("none yet at {file}"), "");
    }
    match plan(places.file(), now) {
        Ok(_) => Finding::new(what, true, format!("{file} is valid"), ""),
        Err(error) => Finding::new(what, false, chain(&error), "mend it, and try `check`"),
    }
}

#[derive(Serialize)]
struct Diagnosis {
    fit: bool,
    findings: Vec<Finding>,
}

impl fmt::Display for Diagnosis {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut table = Table::headless(0);
        for finding in &self.findings {
            let word = if finding.fit { "✓ fit" } else { "✗ unfit" };
            table.row([word.to_owned(), finding.what.clone(), finding.found.clone()]);
        }
        write!(formatter, "{table}")?;
        let unfit = self.findings.iter().filter(|finding| !finding.fit);
        for finding in unfit {
            writeln!(formatter, "mend {}: {}", finding.what, finding.mend)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_unfit_comes_with_its_mend() {
        let findings = vec![
            Finding::new("cgroup v2", true, "/sys/fs/cgroup", "mount it"),
            Finding::new("clock", false, "1970-01-01T00:00:00Z", "set it"),
        ];
        let expected = "\
✓ fit    cgroup v2  /sys/fs/cgroup
✗ unfit  clock      1970-01-01T00:00:00Z
mend clock: set it
";
        let diagnosis = Diagnosis {
            fit: false,
            findings,
        };
        assert_eq!(diagnosis.to_string(), expected);
    }

    #[test]
    fn a_clock_before_the_bundle_is_unfit() {
        let at = |text: &str| clock(text.parse().unwrap()).unwrap().fit;
        assert!(!at("2020-01-01T00:00:00Z"));
        assert!(at("2099-01-01T00:00:00Z"));
    }

    #[test]
    fn an_invalid_configuration_is_a_finding() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("config.toml");
        std::fs::write(&file, "mode = \"off\"").unwrap();
        let finding = configuration(&Places::new(Some(file)), Timestamp::now());
        assert!(!finding.fit);
        assert!(finding.found.contains("config.toml:1"), "{}", finding.found);
    }
}
