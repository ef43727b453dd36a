//! What this machine has of what is needed: the facts behind `doctor`.

use std::fs;
use std::path::Path;

use aya::util::KernelVersion;
use enforcer_common::layout::VERSION;
use serde::{Deserialize, Serialize};

use super::object::FLOOR;
use super::pins::BPFFS;
use super::{KernelError, OBJECT, Pins, cgroup_root};

/// Capabilities (capability.h) that loading and attaching take, by their bit.
const CAPABILITIES: [(u32, &str); 3] =
    [(39, "CAP_BPF"), (12, "CAP_NET_ADMIN"), (38, "CAP_PERFMON")];
/// `CAP_SYS_ADMIN` stands in for the others.
const SYS_ADMIN: u32 = 21;

/// One precondition.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Finding {
    /// What was looked at.
    pub what: String,
    /// Whether it will do.
    pub fit: bool,
    /// What was found.
    pub found: String,
    /// What to do where it is unfit; else empty.
    pub mend: String,
}

impl Finding {
    /// A precondition that is met, or not, with what was found and the mend.
    pub fn new(what: &str, fit: bool, found: impl Into<String>, mend: &str) -> Self {
        Self {
            what: what.to_owned(),
            fit,
            found: found.into(),
            mend: if fit { String::new() } else { mend.to_owned() },
        }
    }
}

/// Looks at the kernel, the file systems and this process. Changes nothing.
pub fn probe(pins: &Pins) -> Vec<Finding> {
    vec![
        program(),
        version(),
        jit(),
        cgroup2(),
        bpffs(pins.base()),
        layout(pins),
        capabilities(),
    ]
}

/// The release of the running kernel.
pub(super) fn kernel_release() -> String {
    let release = fs::read_to_string("/proc/sys/kernel/osrelease");
    release.map_or_else(|_| "unknown".to_owned(), |text| text.trim().to_owned())
}

fn program() -> Finding {
    let mend = "install a release build, or build with ./x build";
    let found = format!("{} bytes", OBJECT.len());
    Finding::new(
        "kernel program in this binary",
        !OBJECT.is_empty(),
        found,
        mend,
    )
}

fn version() -> Finding {
    let floor = KernelVersion::new(FLOOR.0, FLOOR.1, FLOOR.2);
    let fit = KernelVersion::current().is_ok_and(|version| version >= floor);
    Finding::new(
        "kernel version",
        fit,
        kernel_release(),
        "use kernel 5.10 or newer",
    )
}

fn jit() -> Finding {
    let path = "/proc/sys/net/core/bpf_jit_enable";
    let enabled =
        fs::read_to_string(path).map_or("unknown".to_owned(), |text| text.trim().to_owned());
    let mend = "sysctl net.core.bpf_jit_enable=1: without it each packet costs many times more";
    Finding::new(
        "BPF compiler (JIT)",
        enabled != "0",
        format!("bpf_jit_enable = {enabled}"),
        mend,
    )
}

fn cgroup2() -> Finding {
    let mend =
        "boot with systemd.unified_cgroup_hierarchy=1, or mount -t cgroup2 none /sys/fs/cgroup";
    match cgroup_root() {
        Ok(root) => Finding::new("cgroup v2", true, root.display().to_string(), mend),
        Err(_) => Finding::new("cgroup v2", false, "not mounted", mend),
    }
}

fn bpffs(base: &Path) -> Finding {
    let mounts = fs::read_to_string("/proc/self/mounts").unwrap_or_default();
    let mut kinds = mounts.lines().filter_map(|line| {
        let mut fields = line.split(' ').skip(1);
        Some((fields.next()?, fields.next()?))
    });
    let over = kinds.find(|(path, kind)| *kind == "bpf" && base.starts_with(path));
    let mend = "mount -t bpf -o mode=700 bpf /sys/fs/bpf, or set paths.pins to a directory on a BPF file system";
    let can_mount = base.starts_with(BPFFS) && Path::new(BPFFS).is_dir();
    let found = match over {
        Some((path, _)) => path,
        None if can_mount => "not mounted; `run` mounts it",
        None => "not mounted",
    };
    Finding::new(
        "BPF file system for the pins",
        over.is_some() || can_mount,
        found,
        mend,
    )
}

/// Pins of another version are no hindrance: `run` takes over from them.
fn layout(pins: &Pins) -> Finding {
    let (fit, found) = match pins.judge() {
        Ok(true) => (true, format!("in force, layout version {VERSION}")),
        Ok(false) => (true, "none in force".to_owned()),
        Err(KernelError::OtherVersion { version, .. }) => (
            true,
            format!("in force, layout version {version}; `run` takes over with version {VERSION}"),
        ),
        Err(error) => (false, error.to_string()),
    };
    Finding::new("pins", fit, found, "do what is said there")
}

fn capabilities() -> Finding {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("CapEff:"));
    let set = line
        .and_then(|hex| u64::from_str_radix(hex.trim(), 16).ok())
        .unwrap_or(0);
    let has = |bit: u32| set >> bit & 1 == 1 || set >> SYS_ADMIN & 1 == 1;
    let missing: Vec<&str> = CAPABILITIES
        .iter()
        .filter(|(bit, _)| !has(*bit))
        .map(|(_, name)| *name)
        .collect();
    let found = if missing.is_empty() {
        "present".to_owned()
    } else {
        format!("missing {}", missing.join(", "))
    };
    Finding::new("capabilities", missing.is_empty(), found, "run as root")
}
