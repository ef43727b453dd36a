//! The shipped unit: its exposure level and its capabilities.

use std::{fs, path::Path, time::Duration};

use anyhow::{Context, Result};
use lab::{
    Lab,
    fixtures::{
        enforcer::{Enforcer, binary},
        process::{Running, run},
        process_env::ProcessEnv,
    },
};

use crate::{LIMIT, Manager};

/// The exposure level and its limit are those of `systemd-analyze security`.
#[test]
fn the_exposure_level_of_the_unit_is_within_its_limit() -> Result<()> {
    let packaging = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../packaging"));
    let unit = packaging.join("egress-enforcer.service");
    let mut analyze = ProcessEnv::default().command("systemd-analyze");
    analyze.args(["security", "--offline=true", "--no-pager", "--threshold=25"]);
    let Ok(analyzed) = run(
        {
            analyze.arg(&unit);
            analyze
        },
        LIMIT,
    ) else {
        eprintln!("NOT RUN: systemd-analyze is not available (package systemd)");
        return Ok(());
    };
    assert!(
        analyzed.status.success(),
        "{}{}",
        analyzed.stdout,
        analyzed.stderr
    );
    assert!(
        analyzed.stdout.contains("Overall exposure level"),
        "{}",
        analyzed.stdout
    );

    let mut verify = ProcessEnv::default().command("systemd-analyze");
    verify
        .args(["verify", "--man=no", "--recursive-errors=no"])
        .arg(&unit);
    let output = run(verify, LIMIT)?.stderr;
    let own = output
        .lines()
        .filter(|line| line.contains("egress-enforcer.service:"));
    let wrong: Vec<&str> = own
        .filter(|line| !line.contains("is not executable"))
        .collect();
    assert!(wrong.is_empty(), "{wrong:?}");
    Ok(())
}

/// Time limit for the failure of a daemon without a capability: without CAP_PERFMON, the verifier follows speculative paths and rejects the
/// program after about half a minute.
const REFUSED_WITHIN: Duration = Duration::from_secs(180);

/// The capabilities of the unit are sufficient, and all are necessary. Only `CAP_CHOWN`, which gives the socket to the group, is not required
/// for a start.
#[test]
fn the_capabilities_of_the_unit_are_necessary_and_sufficient() -> Result<()> {
    let lab = Lab::start()?;
    let enforcer = Enforcer::prepare(&lab, &["eastus"], "")?;
    let unit = include_str!("../../../packaging/egress-enforcer.service");
    let line = unit
        .lines()
        .find_map(|line| line.strip_prefix("CapabilityBoundingSet="));
    let granted: Vec<&str> = line.context("no bounding set")?.split(' ').collect();
    let needed = granted.iter().filter(|name| **name != "CAP_CHOWN");
    for left_out in std::iter::once(None).chain(needed.map(Some)) {
        let names = granted.iter().filter(|name| Some(*name) != left_out);
        let set: String = names
            .map(|name| format!(",+{}", name.trim_start_matches("CAP_").to_lowercase()))
            .collect();
        let mut command = lab.network().device_env().command("setpriv");
        command
            .arg(format!("--bounding-set=-all{set}"))
            .arg("--no-new-privs")
            .arg(binary()?);
        command.args(["run", "--config"]).arg(enforcer.config());
        let manager = Manager::new(&lab)?;
        let mut daemon = Running::start("enforcer", Manager::notified_by(&lab, command))?;
        match left_out {
            None => assert!(manager.receive()?.starts_with("READY=1"), "not sufficient"),
            Some(name) => {
                let ended = daemon
                    .wait(REFUSED_WITHIN)?
                    .with_context(|| format!("not needed: {name}"))?;
                assert_eq!(ended.code(), Some(2), "without {name}");
            }
        }
        drop(daemon);
        fs::remove_file(Manager::path(&lab))?;
    }
    Ok(())
}
