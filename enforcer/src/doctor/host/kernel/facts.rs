//! Facts about this host, read once, so that tests can run the checks with the facts of any host.

use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use crate::bpf::OBJECT;
use crate::file::read_within;
use crate::sys::{find_cgroup2, kernel_release};

/// Maximum length of each file, in bytes; a host with many containers has a long mount table.
const MAX_TEXT: u64 = 4 << 20;

/// The facts that the checks depend on.
#[derive(Clone, Debug, Default)]
pub(super) struct Facts {
    /// Bytes of the kernel programs in this binary.
    pub(super) object: usize,
    /// `/proc/sys/kernel/osrelease`.
    pub(super) release: String,
    /// `/proc/sys/net/core/bpf_jit_enable`; only the initial network namespace has it.
    pub(super) jit: Option<String>,
    /// `/proc/sys/net/core/optmem_max`.
    pub(super) optmem: Option<String>,
    /// `/proc/sys/kernel/unprivileged_bpf_disabled`.
    pub(super) unprivileged: Option<String>,
    /// `/sys/kernel/security/lockdown`: the levels, the one in force in brackets.
    pub(super) lockdown: Option<String>,
    /// `/sys/kernel/security/lsm`.
    pub(super) modules: Option<String>,
    /// Whether the kernel has type information (BTF).
    pub(super) types: bool,
    /// `Max locked memory` of `/proc/self/limits`, in bytes; `None` is unlimited.
    pub(super) locked_memory: Option<u64>,
    /// `/proc/self/mounts`.
    pub(super) mounts: String,
    /// The inode of the first cgroup v2 mount point.
    pub(super) tree_inode: Option<u64>,
    /// `/proc/self/status`.
    pub(super) status: String,
    /// Whether this process is in a user namespace other than the initial one.
    pub(super) in_user_namespace: bool,
    /// Whether this process is in a PID namespace other than the initial one.
    pub(super) in_pid_namespace: bool,
}

/// The inodes of the initial namespaces (linux/proc_ns.h).
const INITIAL_USER: u64 = 0xEFFF_FFFD;
const INITIAL_PID: u64 = 0xEFFF_FFFC;

impl Facts {
    /// Reads the facts of this host.
    pub(super) fn gather() -> Self {
        let mounts = text("/proc/self/mounts").unwrap_or_default();
        let tree = find_cgroup2(&mounts);
        Self {
            object: OBJECT.len(),
            release: kernel_release(),
            jit: text("/proc/sys/net/core/bpf_jit_enable"),
            optmem: text(crate::sys::OPTMEM_MAX),
            unprivileged: text("/proc/sys/kernel/unprivileged_bpf_disabled"),
            lockdown: text("/sys/kernel/security/lockdown"),
            modules: text("/sys/kernel/security/lsm"),
            types: Path::new("/sys/kernel/btf/vmlinux").exists(),
            locked_memory: locked_memory(&text("/proc/self/limits").unwrap_or_default()),
            tree_inode: tree.and_then(|tree| Some(fs::metadata(tree).ok()?.ino())),
            mounts,
            status: text("/proc/self/status").unwrap_or_default(),
            in_user_namespace: is_other("/proc/self/ns/user", INITIAL_USER),
            in_pid_namespace: is_other("/proc/self/ns/pid", INITIAL_PID),
        }
    }

    /// Returns the major and minor version of the kernel; zeros if they cannot be read.
    pub(super) fn version(&self) -> (u32, u32) {
        let mut numbers = self.release.split(|letter: char| !letter.is_ascii_digit());
        let mut next = || {
            numbers
                .next()
                .and_then(|text| text.parse().ok())
                .unwrap_or(0)
        };
        (next(), next())
    }

    /// Returns the mounts in order.
    pub(super) fn mounts(&self) -> impl Iterator<Item = Mount<'_>> {
        self.mounts.lines().filter_map(|line| {
            let mut fields = line.split(' ').skip(1);
            Some(Mount {
                point: fields.next()?,
                kind: fields.next()?,
                options: fields.next()?,
            })
        })
    }

    /// Returns the mount point of cgroup v2.
    pub(super) fn tree(&self) -> Option<PathBuf> {
        find_cgroup2(&self.mounts)
    }

    /// Returns the value of `key` in `/proc/self/status`.
    pub(super) fn status(&self, key: &str) -> Option<&str> {
        let mut lines = self.status.lines();
        let value = lines.find_map(|line| line.strip_prefix(key)?.strip_prefix(':'))?;
        Some(value.trim())
    }

    /// Returns a set of capabilities in `/proc/self/status`; empty if there is none.
    pub(super) fn capabilities(&self, key: &str) -> u64 {
        let set = self.status(key);
        set.and_then(|hex| u64::from_str_radix(hex, 16).ok())
            .unwrap_or(0)
    }
}

/// A row of the mount table.
#[derive(Clone, Copy, Debug)]
pub(super) struct Mount<'a> {
    pub(super) point: &'a str,
    pub(super) kind: &'a str,
    options: &'a str,
}

impl Mount<'_> {
    /// Whether the mount has this option.
    pub(super) fn has(&self, option: &str) -> bool {
        self.options.split(',').any(|found| found == option)
    }
}

fn text(path: &str) -> Option<String> {
    let bytes = read_within(Path::new(path), MAX_TEXT).ok()?;
    Some(String::from_utf8_lossy(&bytes).trim().to_owned())
}

fn is_other(namespace: &str, first: u64) -> bool {
    fs::metadata(namespace).is_ok_and(|found| found.ino() != first)
}

/// Returns the soft limit of locked memory in the text of `/proc/self/limits`.
fn locked_memory(limits: &str) -> Option<u64> {
    let row = limits
        .lines()
        .find_map(|line| line.strip_prefix("Max locked memory"))?;
    row.split_ascii_whitespace().next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_machine_is_read() {
        let facts = Facts::gather();
        assert!(facts.version() >= (5, 10), "{}", facts.release);
        assert!(facts.mounts().any(|mount| mount.kind == "proc"));
        assert!(facts.status("CapEff").is_some());
    }

    #[test]
    fn numbers_are_taken_from_their_texts() {
        let facts = |release: &str| Facts {
            release: release.to_owned(),
            ..Facts::default()
        };
        assert_eq!(facts("5.10.0-28-amd64").version(), (5, 10));
        assert_eq!(facts("6.18+").version(), (6, 18));
        assert_eq!(facts("unknown").version(), (0, 0));
        let limits = "Max open files            1024    4096    files\nMax locked memory         65536   65536   bytes\n";
        assert_eq!(locked_memory(limits), Some(65536));
        assert_eq!(
            locked_memory("Max locked memory  unlimited  unlimited  bytes"),
            None
        );
    }
}
