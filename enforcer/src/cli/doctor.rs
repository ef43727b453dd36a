//! `doctor`: prints the checks of this host or of a registry.

use std::fmt;

use anyhow::Result;
use jiff::Timestamp;
use serde::Serialize;

use super::args::{DoctorArgs, OutputArgs, RegistryArgs};
use super::config_file::ConfigFile;
use super::daemon_client::{status_if_running, wait_for};
use super::exit::Exit;
use super::printer::Printer;
use super::table::Table;
use crate::doctor::host::{self, Host};
use crate::doctor::overall;
use crate::doctor::registry::{Credentials, RegistryCheck, Report};
use crate::doctor::{Check, CheckOutcome};
use crate::name::Name;

/// Checks this host, or a registry.
pub(super) fn doctor(config: &ConfigFile, args: DoctorArgs) -> Result<Exit> {
    // An unreadable configuration is a failed check.
    let paths = config.paths().unwrap_or_default();
    let host = Host {
        file: config.path(),
        is_unconfigured: config.is_missing_default(),
        status: status_if_running(&paths),
        paths,
    };
    match &args.registry.registry {
        Some(name) => check_registry(&host, name, &args.registry, args.output),
        None => check_host(&host, args.output),
    }
}

fn check_host(host: &Host<'_>, output: OutputArgs) -> Result<Exit> {
    let checks = wait_for(host::check(host, Timestamp::now()))??;
    let outcome = overall(&checks);
    Printer::stdout(output.json).report(&HostReport { outcome, checks })?;
    Ok(exit(outcome))
}

/// Prints each check when it is made, or one JSON document at the end.
fn check_registry(
    host: &Host<'_>,
    name: &str,
    args: &RegistryArgs,
    output: OutputArgs,
) -> Result<Exit> {
    let credentials = match &args.username {
        Some(user) => Some(Credentials::read(user, args.password_file.as_deref())?),
        None => None,
    };
    let registry_check = RegistryCheck::prepare(host, name, args.image.clone(), credentials)?;
    let registry = registry_check.login_server().clone();
    let mut printer = Printer::stdout(output.json);
    let mut report = Report::new(|check| match output.json {
        true => Ok(()),
        false => printer.report(&CheckText(check)),
    });
    wait_for(registry_check.run(host, &mut report))??;
    let checks = report.into_checks();
    let outcome = overall(&checks);
    if output.json {
        printer.json(&RegistryReport {
            registry,
            outcome,
            checks,
        })?;
    }
    Ok(exit(outcome))
}

fn exit(outcome: CheckOutcome) -> Exit {
    match outcome {
        CheckOutcome::Ok | CheckOutcome::Unknown => Exit::Done,
        CheckOutcome::Failed => Exit::No,
    }
}

/// The checks of a host.
#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(super) struct HostReport {
    /// The worst outcome.
    outcome: CheckOutcome,
    /// The checks.
    checks: Vec<Check>,
}

impl fmt::Display for HostReport {
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

/// The checks of a registry.
#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(super) struct RegistryReport {
    /// The login server.
    registry: Name,
    /// The worst outcome.
    outcome: CheckOutcome,
    /// The checks.
    checks: Vec<Check>,
}

/// One check of a registry, with its fix below.
#[derive(Serialize)]
struct CheckText<'a>(&'a Check);

impl fmt::Display for CheckText<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Check {
            id,
            outcome,
            message,
            fix,
        } = self.0;
        let mark = mark(*outcome);
        writeln!(formatter, "{mark:10}  {id}: {message}")?;
        if !fix.is_empty() {
            let fix = fix.replace('\n', "\n            ");
            writeln!(formatter, "            fix: {fix}")?;
        }
        Ok(())
    }
}

/// The mark of an outcome in a table.
pub(super) fn mark(outcome: CheckOutcome) -> &'static str {
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
    fn failed_checks_are_followed_by_their_fixes() {
        let checks = vec![
            Check::new("cgroup v2", true, "/sys/fs/cgroup", "mount it"),
            Check::new("clock", false, "1970-01-01T00:00:00Z", "set it"),
        ];
        let expected = "\
✓ ok      cgroup v2  /sys/fs/cgroup
✗ failed  clock      1970-01-01T00:00:00Z
fix clock: set it
";
        let outcome = overall(&checks);
        assert_eq!(outcome, CheckOutcome::Failed);
        assert_eq!(HostReport { outcome, checks }.to_string(), expected);
    }

    #[test]
    fn a_check_of_a_registry_has_its_fix_below() {
        let check = Check::new("blobs", false, "served by storage", "migrate:\n  1. first");
        let expected = "\
✗ failed    blobs: served by storage
            fix: migrate:
              1. first
";
        assert_eq!(CheckText(&check).to_string(), expected);
    }

    #[test]
    fn json_has_the_outcome_of_each_check_and_of_all() {
        let checks = vec![
            Check::new("token", true, "granted", "log in"),
            Check::unknown("blobs", "no image is named", "name one"),
        ];
        let report = RegistryReport {
            registry: "contoso.azurecr.io".parse().unwrap(),
            outcome: overall(&checks),
            checks,
        };
        let json = serde_json::to_value(&report).unwrap();
        assert_eq!(json["registry"], "contoso.azurecr.io");
        assert_eq!(json["outcome"], "ok");
        for (index, outcome, fix) in [(0, "ok", ""), (1, "unknown", "name one")] {
            assert_eq!(json["checks"][index]["outcome"], outcome);
            assert_eq!(json["checks"][index]["fix"], fix);
        }
    }
}
