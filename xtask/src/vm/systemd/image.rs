//! The machine's disk: Debian, made once and cached, and for each run a copy with the lab's files in it. Nothing is mounted.

use std::{
    fs,
    path::{Path, PathBuf},
    time::Duration,
};

use anyhow::{Context as _, Result, ensure};

use crate::{
    arch::Arch,
    build, env,
    step::{Step, output_of},
    vm::{
        apt::{self, Bootstrap, Suite},
        kernel::Unpacked,
    },
};

const SUITE: &str = "bookworm";
/// In addition to Debian's essential packages.
const PACKAGES: &str = "usr-is-merged,systemd-sysv,udev,iproute2,runc,busybox-static,kmod,passwd";
/// Outside the new system, which is `$1`. A machine that has an id already is not set up for the first time.
const CUSTOMIZE: &str = r#"cd "$1"
echo 0123456789abcdef0123456789abcdef >etc/machine-id
echo lab >etc/hostname
printf '127.0.0.1 localhost lab\n::1 localhost\n' >etc/hosts
echo 'nameserver 10.53.0.53' >etc/resolv.conf
rm -rf var/cache/apt var/lib/apt/lists"#;
const SIZE: u64 = 768 << 20;
/// After this, Debian's updates are wanted in it.
const FRESH: Duration = Duration::from_secs(30 * 24 * 60 * 60);
/// To be raised when anything above changes.
const VERSION: u32 = 1;
/// Where the scenario's files are, in the guest's `/lab`.
const SCENARIO: [&str; 7] = [
    "scenario.sh",
    "steps.sh",
    "first-boot.sh",
    "second-boot.sh",
    "start-cloud.sh",
    "config.toml",
    "container.json",
];
/// Units, each with what starts it.
const UNITS: [(&str, &str); 3] = [
    ("lab-cloud.service", "sysinit.target"),
    ("lab-first-try.service", "sysinit.target"),
    ("lab-scenario.service", "graphical.target"),
];

/// Debian, as an ext4 image; made when the cache has none of the last 30 days, or of another version of this file.
///
/// # Errors
/// When mmdebstrap or mke2fs fails.
pub(super) fn base() -> Result<PathBuf> {
    let image = apt::cache()?.join(format!("systemd-{SUITE}-{VERSION}.ext4"));
    if apt::is_younger(&image, FRESH) {
        return Ok(image);
    }
    let tree = image.with_extension("root");
    debian(&tree)?;
    let partial = image.with_extension("partial");
    fs::File::create(&partial)
        .and_then(|file| file.set_len(SIZE))
        .with_context(|| format!("cannot write {}", partial.display()))?;
    Step {
        title: "ext4 image of Debian with systemd",
        usual: "5 s",
        log: "vm-systemd-mke2fs",
    }
    .run(
        env::command("mke2fs")
            .args(["-q", "-F", "-t", "ext4", "-O", "^has_journal", "-d"])
            .args([&tree, &partial]),
    )?;
    fs::remove_dir_all(&tree).with_context(|| format!("cannot remove {}", tree.display()))?;
    fs::rename(&partial, &image).with_context(|| format!("cannot make {}", image.display()))?;
    Ok(image)
}

/// The disk of a run: the base with the scenario, the kernel's modules and `files`, which are named as in `/lab`.
///
/// # Errors
/// When it cannot be written.
pub(super) fn of_a_run(
    base: &Path,
    kernel: &Unpacked,
    files: &[(PathBuf, &'static str)],
) -> Result<PathBuf> {
    let dir = apt::made(env::target().join("vm"))?;
    let disk = dir.join("systemd.ext4");
    output_of(
        env::command("cp")
            .arg("--sparse=always")
            .args([base, &disk]),
    )?;
    let mut orders = Orders::default();
    orders.directory("/lab");
    orders.directory("/lab/modules");
    for (index, module) in kernel.modules(&["veth", "udp_diag"])?.iter().enumerate() {
        let path = dir.join(format!("{index}-{}.ko", module.name));
        fs::write(&path, &module.contents)
            .with_context(|| format!("cannot write {}", path.display()))?;
        orders.file(&path, &format!("/lab/modules/{index}-{}.ko", module.name));
    }
    for (path, name) in files {
        orders.file(&executable(path, &dir, name)?, &format!("/lab/{name}"));
    }
    orders.scenario(&env::root().join("tests/vm/systemd"));
    orders.give(&disk)?;
    Ok(disk)
}

/// Orders for debugfs(8), which writes to an ext4 image without mounting it.
#[derive(Default)]
struct Orders(String);

impl Orders {
    fn scenario(&mut self, dir: &Path) {
        for name in SCENARIO {
            self.file(&dir.join(name), &format!("/lab/{name}"));
        }
        self.file(
            &dir.join("eth0.network"),
            "/etc/systemd/network/eth0.network",
        );
        self.directory("/etc/systemd/system/graphical.target.wants");
        for (unit, target) in UNITS {
            let installed = format!("/etc/systemd/system/{unit}");
            self.file(&dir.join(unit), &installed);
            self.link(
                &format!("/etc/systemd/system/{target}.wants/{unit}"),
                &installed,
            );
        }
        self.link(
            "/etc/systemd/system/multi-user.target.wants/systemd-networkd.service",
            "/lib/systemd/system/systemd-networkd.service",
        );
    }

    fn directory(&mut self, path: &str) {
        self.0.push_str(&format!("mkdir {path}\n"));
    }

    fn file(&mut self, from: &Path, to: &str) {
        self.0
            .push_str(&format!("write \"{}\" {to}\n", from.display()));
    }

    fn link(&mut self, path: &str, target: &str) {
        self.0.push_str(&format!("symlink {path} {target}\n"));
    }

    /// debugfs ends well whatever became of its orders: what it complains of is all that it says beside them.
    fn give(&self, disk: &Path) -> Result<()> {
        let orders = disk.with_extension("orders");
        fs::write(&orders, &self.0).context("cannot write orders for debugfs")?;
        let output = env::command("debugfs")
            .args(["-w", "-f"])
            .args([&orders, disk])
            .output()
            .context("cannot start debugfs")?;
        let said = [output.stdout, output.stderr].concat();
        let said = String::from_utf8_lossy(&said).into_owned();
        let complaints: Vec<&str> = said.lines().filter(|line| is_complaint(line)).collect();
        ensure!(
            output.status.success() && complaints.is_empty(),
            "debugfs cannot write to {}: {}",
            disk.display(),
            complaints.join("; ")
        );
        Ok(())
    }
}

fn is_complaint(line: &str) -> bool {
    let expected = ["debugfs:", "debugfs ", "Allocated inode:"];
    !line.trim().is_empty() && !expected.iter().any(|start| line.starts_with(start))
}

/// A copy without symbols that may be executed: an emulated machine reads every byte.
fn executable(path: &Path, dir: &Path, name: &str) -> Result<PathBuf> {
    if path.extension().is_some() {
        return Ok(path.to_owned());
    }
    let stripped = dir.join(name);
    build::strip(path, &stripped)?;
    Ok(stripped)
}

fn debian(tree: &Path) -> Result<()> {
    Bootstrap {
        suite: SUITE,
        variant: "essential",
        packages: PACKAGES,
        options: &[format!("--customize-hook={CUSTOMIZE}")],
        sources: &Suite::open(SUITE, Arch::Amd64)?.sources()?,
    }
    .make(
        tree,
        &Step {
            title: "mmdebstrap makes Debian with systemd",
            usual: "45 s",
            log: "vm-systemd-mmdebstrap",
        },
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_debugfs_says_beside_its_orders_is_a_complaint() {
        assert!(is_complaint("write: File not found by ext2_lookup"));
        assert!(!is_complaint("debugfs: mkdir /lab"));
        assert!(!is_complaint("debugfs 1.47.0 (5-Feb-2023)"));
        assert!(!is_complaint("Allocated inode: 12"));
        assert!(!is_complaint(""));
    }
}
