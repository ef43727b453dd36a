//! A daemon that cannot start prints one line per error and exits with 2.

use std::{
    fs::{self, Permissions},
    os::unix::fs::PermissionsExt as _,
    process::Command,
};

use anyhow::Result;
use enforcer::control::Status;
use lab::{
    Lab,
    fixtures::{
        enforcer::{Enforcer, binary},
        process::{Finished, run},
    },
};

use crate::{
    MINUTE,
    cases::{CASES, Input, TWO_FAULTS},
    edits::restore,
};

#[test]
fn invalid_input_prevents_the_start_and_is_reported_with_its_fix() -> Result<()> {
    let lab = Lab::start()?;
    let enforcer = Enforcer::prepare(&lab, &["eastus"], "")?;
    let good = fs::read_to_string(enforcer.config())?;
    let input = Input {
        lab: &lab,
        enforcer: &enforcer,
    };
    for case in &CASES {
        (case.invalidate)(&input)?;
        let finished = enforcer.cli(["run"])?;
        assert_refused(case.what, &finished, case.says);
        let faults = if case.what == TWO_FAULTS { 2 } else { 1 };
        assert_eq!(finished.stderr.lines().count(), faults, "{}", case.what);
        restore(&input, &good)?;
    }
    assert!(!lab.bpffs().join("pins").exists(), "something was pinned");

    enforcer.edit(&format!("{:?}", lab.device_cgroup().path()), "\"/nowhere\"")?;
    let says = ["/nowhere is not a cgroup", "name a directory below"];
    assert_refused("a missing scope", &enforcer.cli(["run"])?, &says);
    enforcer.configure(&good)?;

    enforcer.edit(
        &format!("pins = {:?}", lab.bpffs().join("pins")),
        &format!("pins = {:?}", lab.dir().join("pins")),
    )?;
    let says = ["is not on a BPF file system", "mount -t bpf"];
    assert_refused("pins elsewhere", &enforcer.cli(["run"])?, &says);
    assert!(!lab.dir().join("pins").exists());
    Ok(())
}

/// After a reboot nothing is pinned: the policy can only come from the copy of the last accepted configuration.
#[test]
fn a_start_with_an_invalid_configuration_enforces_the_last_accepted_one_with_an_alarm() -> Result<()>
{
    let lab = Lab::start()?;
    let mut enforcer = Enforcer::start(&lab, &["eastus"], "")?;
    let good = fs::read_to_string(enforcer.config())?;
    enforcer.end(libc::SIGTERM)?;
    enforcer.cli(["unload"])?.success()?;
    enforcer.edit("[protect]", "[protekt]")?;
    assert_eq!(enforcer.cli(["check"])?.code(), Some(1));
    enforcer.run()?;
    assert!(
        !lab.exfiltrate_curl(&lab.device())?.ok,
        "enforcement is in force"
    );
    let is_refused = |status: &Status| {
        let mut alarms = status.alarms.iter();
        alarms.find(|alarm| alarm.kind == "config-refused").cloned()
    };
    let message = is_refused(&enforcer.api_status()?)
        .map(|alarm| alarm.message)
        .unwrap_or_default();
    for words in ["protekt", "the last accepted one", "is in force"] {
        assert!(message.contains(words), "no {words:?} in {message}");
    }
    assert!(enforcer.metrics()?.contains("config-refused"));
    lab.pull()?;
    enforcer.configure(&good)?;
    enforcer.signal(libc::SIGHUP)?;
    enforcer.await_api_status("the alarm ends", MINUTE, |status| {
        is_refused(status).is_none()
    })?;
    Ok(())
}

#[test]
fn an_unsuitable_environment_prevents_the_start_and_is_reported_with_its_fix() -> Result<()> {
    let lab = Lab::start()?;
    let mut enforcer = Enforcer::prepare(&lab, &["eastus"], "")?;
    let says = ["not permitted", "run as root", "CAP_BPF"];
    assert_refused(
        "root without capabilities",
        &unprivileged(&lab, &enforcer, &["--bounding-set=-all"])?,
        &says,
    );
    let nobody = ["--reuid=65534", "--regid=65534", "--clear-groups"];
    assert_refused(
        "another user",
        &unprivileged(&lab, &enforcer, &nobody)?,
        &says,
    );

    let pins = lab.bpffs().join("pins");
    let other = pins.join("v01");
    fs::create_dir_all(&other)?;
    fs::set_permissions(&pins, Permissions::from_mode(0o700))?;
    let says = ["v01 is not a pin of any version", "remove it"];
    assert_refused(
        "an unknown directory among the pins",
        &enforcer.cli(["run"])?,
        &says,
    );
    assert!(other.exists(), "it is not removed");
    fs::remove_dir(other)?;

    enforcer.run()?;
    let first = enforcer.api_status()?;
    let says = ["another egress-enforcer runs", "paths.pins"];
    assert_refused("another instance", &enforcer.cli(["run"])?, &says);
    let still = enforcer.api_status()?;
    assert_eq!((still.pid, still.started), (first.pid, first.started));
    lab.pull()?;
    Ok(())
}

/// Runs the daemon without required privileges.
fn unprivileged(lab: &Lab, enforcer: &Enforcer, less: &[&str]) -> Result<Finished> {
    let mut command: Command = lab.network().device_env().command("setpriv");
    command.args(less).arg(binary()?);
    command.args(["run", "--config"]).arg(enforcer.config());
    run(command, MINUTE)
}

/// Asserts that the start failed with an error on each line of standard error, and that these contain all of `says`.
fn assert_refused(what: &str, finished: &Finished, says: &[&str]) {
    assert_eq!(finished.status.code(), Some(2), "{what}: {finished:?}");
    assert_eq!(finished.stdout, "", "{what}");
    let mut lines = finished.stderr.lines();
    assert!(
        lines.all(|line| line.starts_with("egress-enforcer: ")),
        "{what}: {}",
        finished.stderr
    );
    for words in says {
        assert!(
            finished.stderr.contains(words),
            "{what}: no {words:?} in {}",
            finished.stderr
        );
    }
}
