//! What reviews found, each as a case that must be denied.

use std::{
    fs,
    os::unix::fs::{DirBuilderExt, MetadataExt, chown},
    time::{Duration, Instant},
};

use anyhow::{Result, ensure};
use enforcer::sys::cgroup_root;
use lab::{
    Lab,
    fixtures::{
        enforcer::{Enforcer, binary},
        process::run,
    },
};

const LIMIT: Duration = Duration::from_secs(20);

#[test]
fn a_governed_cgroup_that_is_made_anew_is_governed_again() -> Result<()> {
    let lab = Lab::start()?;
    let _enforcer = Enforcer::start(&lab, &["eastus"], "")?;
    assert!(!lab.exfiltrate_curl(&lab.device())?.ok);
    let governed = lab.device_cgroup().path();
    fs::remove_dir(governed)?;
    fs::create_dir(governed)?;
    let deadline = Instant::now() + LIMIT;
    while lab.exfiltrate_curl(&lab.device())?.ok {
        ensure!(
            Instant::now() < deadline,
            "the new cgroup is never governed"
        );
    }
    Ok(())
}

#[test]
fn pins_are_roots_alone_or_not_used() -> Result<()> {
    let lab = Lab::start()?;
    let mut enforcer = Enforcer::prepare(&lab, &["eastus"], "")?;
    let pins = lab.bpffs().join("pins");
    fs::DirBuilder::new().mode(0o700).create(&pins)?;
    chown(&pins, Some(65534), None)?;
    let refused = enforcer.cli(["run"])?;
    assert_eq!(refused.status.code(), Some(2));
    assert!(
        refused.stderr.contains("is not root's alone"),
        "{}",
        refused.stderr
    );
    fs::remove_dir(&pins)?;
    enforcer.run()?;
    assert_eq!(fs::metadata(&pins)?.mode() & 0o777, 0o700);
    Ok(())
}

#[test]
fn a_part_of_the_cgroup_tree_is_not_taken_for_the_whole() -> Result<()> {
    let lab = Lab::start()?;
    let enforcer = Enforcer::prepare(&lab, &["eastus"], "")?;
    let inside = lab.cgroup().child("namespace")?;
    let mut command = lab.device_in(&inside).command("unshare");
    let script = format!(
        "umount {root} && mount -t cgroup2 none {root} && exec {binary} run --config {config}",
        root = cgroup_root()?.display(),
        binary = binary()?.display(),
        config = enforcer.config().display(),
    );
    command.args(["--cgroup", "--mount", "sh", "-c", &script]);
    let refused = run(command, LIMIT)?;
    assert_eq!(refused.status.code(), Some(2), "{}", refused.stderr);
    assert!(
        refused.stderr.contains("--cgroupns=host"),
        "{}",
        refused.stderr
    );
    Ok(())
}
