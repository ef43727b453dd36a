//! `./x upgrade`: the upgrade tests between this version and an earlier release.

use std::fs;

use anyhow::{Context as _, Result};

use crate::{
    build, env, released,
    report::{Outcome, Report},
    setup,
    step::Step,
};

/// Prefix of the lines with which the tests report numbers.
const NUMBERS: &str = "EGRESS-UPGRADE ";
/// Changes of version, and kills, while devices come and go.
const CHANGES: &str = "20";

/// Builds both, changes between them in the lab, and prints what the tests counted.
///
/// # Errors
/// When set-up, a build or a test fails.
pub(crate) fn task(commit: &str) -> Result<()> {
    setup::for_lab()?;
    setup::for_deb()?;
    let mut report = Report::default();
    let mut built = None;
    report.check("this version and the release", || {
        built = Some((released::build(commit)?, build::release_binary()?));
        Ok(Outcome::Passed)
    });
    if let Some((released, binary)) = built {
        let title = format!("upgrade tests with {}", released.commit);
        let step = Step {
            title: &title,
            usual: "5 min",
            log: "upgrade",
        };
        let mut cargo = env::cargo();
        cargo
            .env("EGRESS_ENFORCER_BIN", binary)
            .env("EGRESS_ENFORCER_BIN_OTHER", released.binary)
            .env("EGRESS_LAB_CHANGES", CHANGES)
            .args(["test", "--locked", "--package=enforcer-tests"])
            .args(["--test", "upgrade", "--target", &env::own_target()])
            .args(["--", "--show-output", "--test-threads=1"]);
        report.command(&step, &mut cargo);
        print_numbers(&step)?;
    }
    report.close()
}

fn print_numbers(step: &Step) -> Result<()> {
    let log = step.log_path()?;
    let text =
        fs::read_to_string(&log).with_context(|| format!("cannot read {}", log.display()))?;
    for line in text.lines().filter_map(|line| line.strip_prefix(NUMBERS)) {
        println!("    {line}");
    }
    Ok(())
}
