//! Package tests on a Debian machine with systemd: install, upgrade, restart, remove and purge.
//!
//! The guest's half is in `tests/vm/systemd`; it prints a line for each step.

mod image;
mod packages;

use std::{ffi::OsString, path::Path, time::Duration};

use anyhow::{Context as _, Result, bail, ensure};

use super::{
    kernel::Kernel,
    qemu::{Guest, Ran},
    script::Extent,
};
use crate::{arch::Arch, build, setup};

/// A widely used kernel with all features that the enforcer uses.
const KERNEL: &str = "6.1";
/// Steps that a brief run omits, because they take long on an emulated processor: the lab's tests do the same on this machine.
const WHOLE_RUN_STEPS: [&str; 5] = [
    "watchdog-restarts-a-hung-daemon-without-a-gap",
    "kills-lose-and-leak-nothing",
    "a-program-from-before-frames-finds-no-filters",
    "rollout-from-audit-to-report",
    "idle-uses-no-processor-time",
];
/// Steps of each boot, in order. A step without a result counts as failed.
const BOOTS: [Boot; 2] = [
    Boot {
        name: "systemd-first-boot",
        limit: Duration::from_secs(2400),
        steps: &[
            "without-the-package-connections-succeed",
            "install-enables-and-starts",
            "ready-means-enforced",
            "doctor-passes",
            "sandbox-restrictions-apply",
            "events-name-process-and-unit",
            "status-is-for-the-group",
            "reload-applies-a-new-region",
            "reload-rejects-an-invalid-configuration",
            "container-is-judged-like-any-process",
            "watchdog-restarts-a-hung-daemon-without-a-gap",
            "kills-lose-and-leak-nothing",
            "upgrades-lose-and-leak-nothing",
            "a-program-from-before-frames-finds-no-filters",
            "rollout-from-audit-to-report",
            "stop-keeps-enforcing",
            "idle-uses-no-processor-time",
        ],
    },
    Boot {
        name: "systemd-second-boot",
        limit: Duration::from_secs(1500),
        steps: &[
            "boot-enforces-before-the-first-interface-is-up",
            "boot-enforces-before-network-pre-target",
            "boot-without-a-resolver-starts-from-the-state-file",
            "doctor-still-passes",
            "remove-ends-enforcement-and-keeps-the-configuration",
            "purge-leaves-nothing",
            "lockdown-is-reported-correctly",
        ],
    },
];
/// Kernel parameters: no terminals, and no mitigations for processor bugs that an emulated processor does not have.
const PARAMETERS: &str = "root=/dev/nvme0n1 rw quiet loglevel=4 mitigations=off no5lvl init_on_alloc=0 systemd.show_status=0 \
     systemd.mask=getty@tty1.service systemd.mask=serial-getty@ttyS0.service";

/// One start of the machine.
struct Boot {
    name: &'static str,
    limit: Duration,
    steps: &'static [&'static str],
}

impl Boot {
    fn steps(&self, extent: Extent) -> Vec<&'static str> {
        let is_run = |step: &&str| extent == Extent::Whole || !WHOLE_RUN_STEPS.contains(step);
        self.steps.iter().copied().filter(is_run).collect()
    }
}

/// Makes the machine, boots it and checks every step. With `from`, it changes to the release of that commit and back.
///
/// # Errors
/// When something cannot be made, or with every step that failed or has no result.
pub(crate) fn task(extent: Extent, from: Option<&str>) -> Result<()> {
    ensure!(
        Arch::OWN == Arch::Amd64,
        "the machine with systemd is an x86_64 one, and runs programs that are built for this machine"
    );
    setup::for_vm_systemd()?;
    let kernel = Kernel::named(KERNEL)?.fetch()?;
    let mut files = packages::all(from)?;
    files.push((build::lab_program("egress-guest")?, "egress-guest"));
    let disk = image::of_a_run(&kernel, &files)?;
    let mut wrong = Vec::new();
    for boot in &BOOTS {
        let ran = start(boot, extent, &kernel.image, &disk)?;
        let steps = boot.steps(extent);
        let found = judge(&steps, &ran.console);
        if found.is_empty() && ran.result == Some(0) {
            println!(
                "    {}: {} steps in {:.0} s",
                boot.name,
                steps.len(),
                ran.seconds
            );
            continue;
        }
        ran.print_tail(boot.name);
        wrong.extend(
            found
                .into_iter()
                .map(|what| format!("{}: {what}", boot.name)),
        );
        if ran.result.is_none() {
            bail!(
                "{} stopped before its result:\n{}",
                boot.name,
                wrong.join("\n")
            );
        }
    }
    ensure!(
        wrong.is_empty(),
        "{} steps failed or have no result:\n{}",
        wrong.len(),
        wrong.join("\n")
    );
    Ok(())
}

fn start(boot: &Boot, extent: Extent, kernel: &Path, disk: &Path) -> Result<Ran> {
    let mut drive = OsString::from("if=none,id=root,format=raw,cache=unsafe,file=");
    drive.push(disk);
    // Debian's kernels have a driver for these disks, and for no others, before any module is loaded.
    let arguments = [
        "-drive".into(),
        drive,
        "-device".into(),
        "nvme,serial=root,drive=root".into(),
    ];
    Guest {
        name: boot.name,
        arch: Arch::Amd64,
        kernel,
        initrd: None,
        parameters: &format!("{PARAMETERS} lab.extent={}", extent.word()),
        memory_mib: 768,
        drives: &[],
        arguments: &arguments,
        limit: boot.limit,
        shown: is_step,
    }
    .run()
    .with_context(|| format!("{} did not finish", boot.name))
}

fn is_step(line: &str) -> bool {
    let line = line.trim_start();
    ["ok ", "not ok ", "info: "]
        .iter()
        .any(|start| line.starts_with(start))
}

/// Steps that failed or are missing on a boot's console.
fn judge(steps: &[&str], console: &str) -> Vec<String> {
    let mut wrong = Vec::new();
    for step in steps {
        let is_ok = |line: &str| {
            let rest = line
                .strip_prefix("ok ")
                .and_then(|rest| rest.strip_prefix(step));
            rest.is_some_and(|rest| rest.is_empty() || rest.starts_with(' '))
        };
        if !console.lines().any(is_ok) {
            wrong.push(failure(step, console));
        }
    }
    wrong
}

fn failure(step: &str, console: &str) -> String {
    let line = format!("not ok {step}:");
    let said = console.lines().find(|said| said.starts_with(&line));
    said.map_or_else(|| format!("{step} has no result"), str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_step_must_have_passed() {
        let console = "[ 1.0] noise\nok one (2.0 s)\nnot ok two: no reason\nok threefold\n";
        assert_eq!(judge(&["one"], console), [""; 0]);
        assert_eq!(
            judge(&["one", "two", "three"], console),
            ["not ok two: no reason", "three has no result"]
        );
    }

    #[test]
    fn the_steps_are_those_of_the_scenario() {
        let dir = crate::env::root().join("tests/vm/systemd");
        let (brief, whole) = (
            ["step "].as_slice(),
            ["step ", "whole_run_step "].as_slice(),
        );
        for (boot, script) in BOOTS.iter().zip(["first-boot.sh", "second-boot.sh"]) {
            let text = std::fs::read_to_string(dir.join(script)).unwrap();
            for (extent, words) in [(Extent::Brief, brief), (Extent::Whole, whole)] {
                let steps: Vec<&str> = text
                    .lines()
                    .filter_map(|line| words.iter().find_map(|word| line.strip_prefix(word)))
                    .filter_map(|rest| rest.split(' ').next())
                    .collect();
                assert_eq!(steps, boot.steps(extent), "{script}");
            }
        }
    }
}
