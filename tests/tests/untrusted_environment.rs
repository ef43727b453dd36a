//! Cgroups and pin directories that are not what the daemon expects must not weaken enforcement.

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
fn a_recreated_scope_is_enforced_again() -> Result<()> {
    let lab = Lab::start()?;
    let _enforcer = Enforcer::start(&lab, &["eastus"], "")?;
    assert!(!lab.exfiltrate_curl(&lab.device())?.ok);
    let scope = lab.device_cgroup().path();
    fs::remove_dir(scope)?;
    fs::create_dir(scope)?;
    let deadline = Instant::now() + LIMIT;
    while lab.exfiltrate_curl(&lab.device())?.ok {
        ensure!(Instant::now() < deadline, "the new cgroup is not enforced");
    }
    Ok(())
}

#[test]
fn a_pin_directory_of_another_user_is_rejected() -> Result<()> {
    let lab = Lab::start()?;
    let mut enforcer = Enforcer::prepare(&lab, &["eastus"], "")?;
    let pins = lab.bpffs().join("pins");
    fs::DirBuilder::new().mode(0o700).create(&pins)?;
    chown(&pins, Some(65534), None)?;
    let refused = enforcer.cli(["run"])?;
    assert_eq!(refused.status.code(), Some(2));
    assert!(
        refused
            .stderr
            .contains("is accessible to users other than root"),
        "{}",
        refused.stderr
    );
    fs::remove_dir(&pins)?;
    enforcer.run()?;
    assert_eq!(fs::metadata(&pins)?.mode() & 0o777, 0o700);
    Ok(())
}

#[test]
fn a_cgroup_namespace_is_not_mistaken_for_the_whole_tree() -> Result<()> {
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
