//! `doctor` on machines that lack a requirement.

use std::{process::Command, time::Duration};

use anyhow::{Context, Result};
use enforcer::sys::cgroup_root;
use lab::{
    Lab,
    fixtures::{
        enforcer::{Enforcer, binary},
        process::run,
    },
};
use serde_json::Value;

const LIMIT: Duration = Duration::from_secs(20);

#[test]
fn a_suitable_machine_passes_and_nothing_is_left_behind() -> Result<()> {
    let lab = Lab::start()?;
    let enforcer = Enforcer::prepare(&lab, &["eastus"], "")?;
    let report = enforcer.json(["doctor"])?;
    assert_eq!(report["outcome"], "ok", "{report:#}");
    let tree = finding(&report, "cgroup v2")?;
    let found = tree["message"].as_str().unwrap_or_default();
    assert!(
        found.starts_with(&cgroup_root()?.display().to_string()),
        "{tree}"
    );
    assert_eq!(finding(&report, "loading the programs")?["outcome"], "ok");
    assert!(!lab.bpffs().join("pins").exists());
    Ok(())
}

#[test]
fn what_a_container_or_a_user_lacks_is_reported_with_its_fix() -> Result<()> {
    let lab = Lab::start()?;
    let enforcer = Enforcer::prepare(&lab, &["eastus"], "")?;
    let inside = lab.cgroup().child("container")?;
    let env = lab.device_in(&inside);
    let (root, bpf) = (cgroup_root()?, lab.bpffs());
    let (root, bpf) = (root.display(), bpf.display());
    let own_tree = format!("umount {root} && mount -t cgroup2 -o ro none {root}");
    let cases = [
        (
            "setpriv",
            "--bounding-set=-bpf,-sys_admin",
            "CAP_BPF",
            "--cap-add=BPF",
        ),
        (
            "setpriv",
            "--bounding-set=-bpf,-sys_admin",
            "loading the programs",
            "capabilities above",
        ),
        (
            "setpriv",
            "--reuid=65534 --clear-groups",
            "CAP_NET_ADMIN",
            "run as root",
        ),
        (
            "unshare",
            "--user --map-root-user",
            "CAP_PERFMON",
            "user namespace",
        ),
        (
            "unshare",
            "--pid --fork --mount-proc",
            "process ids",
            "--pid=host",
        ),
        ("sh", own_tree.as_str(), "cgroup v2", "--cgroupns=host"),
        (
            "sh",
            &format!("umount {root}"),
            "cgroup v2",
            "-v /sys/fs/cgroup",
        ),
        (
            "sh",
            &format!("mount -o remount,bind,ro {bpf}"),
            "BPF file system for the pins",
            "remount",
        ),
        (
            "sh",
            &format!("umount -l {bpf}"),
            "BPF file system for the pins",
            "-v /sys/fs/bpf",
        ),
        (
            "sh",
            &format!("mount -o remount,bind,ro {root}"),
            "cgroup v2",
            "",
        ),
    ];
    for (tool, arguments, what, fix) in cases {
        let doctor = format!(
            "{} doctor --json --config {}",
            binary()?.display(),
            enforcer.config().display()
        );
        let mut command: Command = if tool == "sh" {
            let mut command = env.command("unshare");
            command
                .args(["--cgroup", "--mount", "sh", "-c"])
                .arg(format!("{arguments} && exec {doctor}"));
            command
        } else {
            let mut command = env.command(tool);
            command.args(arguments.split(' ')).args(doctor.split(' '));
            command
        };
        command.env("LC_ALL", "C");
        let finished = run(command, LIMIT)?;
        let report: Value = serde_json::from_str(&finished.stdout)
            .with_context(|| format!("{tool} {arguments}: {finished:?}"))?;
        let finding = finding(&report, what)?;
        let outcome = if fix.is_empty() { "ok" } else { "failed" };
        assert_eq!(finding["outcome"], outcome, "{tool} {arguments}: {finding}");
        let output = finding["fix"].as_str().unwrap_or_default();
        assert!(output.contains(fix), "{tool} {arguments}: {finding}");
    }
    Ok(())
}

fn finding(report: &Value, what: &str) -> Result<Value> {
    let mut findings = report["checks"].as_array().into_iter().flatten();
    let found = findings.find(|finding| finding["id"] == what);
    found
        .cloned()
        .with_context(|| format!("no finding on {what}: {report:#}"))
}
