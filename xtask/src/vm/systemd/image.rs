//! The machine's disk: for each run, Debian with the lab's files in it. Nothing is mounted.

use std::{
    fs::{self, File},
    os::unix::fs::symlink,
    path::{Path, PathBuf},
};

use anyhow::{Context as _, Result};

use crate::{
    arch::Arch,
    build,
    debian::{self, System},
    env,
    step::{Step, output_of},
    vm::kernel::Unpacked,
};

const SUITE: &str = "bookworm";
/// Packages besides Debian's essential ones.
const PACKAGES: &str =
    "--include=usr-is-merged,systemd-sysv,udev,iproute2,runc,busybox-static,kmod,passwd";
/// Runs outside the new system, which is `$1`. With a machine id in place, systemd does not treat the boot as the first one.
const CUSTOMIZE: &str = r#"--customize-hook=cd "$1"
echo 0123456789abcdef0123456789abcdef >etc/machine-id
echo lab >etc/hostname
printf '127.0.0.1 localhost lab\n::1 localhost\n' >etc/hosts
echo 'nameserver 10.53.0.53' >etc/resolv.conf
rm -rf var/cache/apt var/lib/apt/lists"#;
const SIZE: u64 = 768 << 20;
/// Files of the scenario, in the guest's `/lab`.
const SCENARIO: [&str; 7] = [
    "scenario.sh",
    "steps.sh",
    "first-boot.sh",
    "second-boot.sh",
    "start-cloud.sh",
    "config.toml",
    "container.json",
];
/// Units, each with the target that starts it.
const UNITS: [(&str, &str); 3] = [
    ("lab-cloud.service", "sysinit.target"),
    ("lab-first-try.service", "sysinit.target"),
    ("lab-scenario.service", "graphical.target"),
];

/// Makes the disk of a run, an ext4 image: Debian with the scenario, the kernel's modules and `files`, which are named as in `/lab`.
///
/// # Errors
/// When mmdebstrap or mke2fs fails, or a file cannot be copied.
pub(super) fn of_a_run(kernel: &Unpacked, files: &[(PathBuf, &'static str)]) -> Result<PathBuf> {
    let dir = debian::made(env::target().join("vm"))?;
    let root = dir.join("systemd.root");
    debian::remove(&root)?;
    output_of(
        env::command("cp")
            .arg("--archive")
            .args([&debian()?, &root]),
    )?;
    let lab = debian::made(root.join("lab"))?;
    kernel.write_modules(
        &["veth", "udp_diag", "sch_ingress", "cls_bpf"],
        &debian::made(lab.join("modules"))?,
    )?;
    for (path, name) in files {
        copy(&executable(path, &dir, name)?, &lab.join(name))?;
    }
    scenario(&env::root().join("tests/vm/systemd"), &root)?;
    let disk = dir.join("systemd.ext4");
    File::create(&disk)
        .and_then(|file| file.set_len(SIZE))
        .with_context(|| format!("cannot write {}", disk.display()))?;
    Step {
        title: "ext4 image of Debian with systemd",
        usual: "5 s",
        log: "vm-systemd-mke2fs",
    }
    .run(
        env::command("mke2fs")
            .args(["-q", "-F", "-t", "ext4", "-O", "^has_journal", "-d"])
            .args([&root, &disk]),
    )?;
    debian::remove(&root)?;
    Ok(disk)
}

/// Copies the scenario from `dir` to the system in `root`, and enables its units.
fn scenario(dir: &Path, root: &Path) -> Result<()> {
    for name in SCENARIO {
        copy(&dir.join(name), &root.join("lab").join(name))?;
    }
    let etc = root.join("etc/systemd");
    copy(
        &dir.join("eth0.network"),
        &debian::made(etc.join("network"))?.join("eth0.network"),
    )?;
    copy(
        &dir.join("slow.conf"),
        &debian::made(etc.join("system/egress-enforcer.service.d"))?.join("slow.conf"),
    )?;
    for (unit, target) in UNITS {
        copy(&dir.join(unit), &etc.join("system").join(unit))?;
        enable(&etc, target, &format!("/etc/systemd/system/{unit}"))?;
    }
    let networkd = "/lib/systemd/system/systemd-networkd.service";
    enable(&etc, "multi-user.target", networkd)
}

/// Makes `target` start the unit whose file is `path` in the system.
fn enable(etc: &Path, target: &str, path: &str) -> Result<()> {
    let wants = debian::made(etc.join("system").join(format!("{target}.wants")))?;
    let link = wants.join(Path::new(path).file_name().unwrap_or_default());
    symlink(path, &link).with_context(|| format!("cannot link {}", link.display()))
}

fn copy(from: &Path, to: &Path) -> Result<()> {
    fs::copy(from, to)
        .map(drop)
        .with_context(|| format!("cannot copy {} to {}", from.display(), to.display()))
}

/// Returns an executable copy without symbols, which an emulated machine loads faster; files with an extension stay as they are.
fn executable(path: &Path, dir: &Path, name: &str) -> Result<PathBuf> {
    if path.extension().is_some() {
        return Ok(path.to_owned());
    }
    let stripped = dir.join(name);
    build::strip(path, &stripped)?;
    Ok(stripped)
}

fn debian() -> Result<PathBuf> {
    System {
        name: "systemd",
        suite: SUITE,
        arch: Arch::Amd64,
        variant: "essential",
        options: &[PACKAGES.to_owned(), CUSTOMIZE.to_owned()],
        usual: "45 s",
    }
    .tree()
}
