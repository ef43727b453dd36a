//! Errors of kernel interfaces, each with its fix.

use std::io;
use std::path::PathBuf;

use enforcer_common::layout::VERSION;

/// Error of a kernel interface.
#[derive(Debug, thiserror::Error)]
pub enum KernelError {
    /// A development build without the BPF toolchain.
    #[error("this build has no kernel program in it: build with ./x build, which compiles it")]
    NoProgram,
    /// Below the kernel floor.
    #[error("kernel {found} is too old: 5.10 is the oldest supported one")]
    TooOld {
        /// The release of the running kernel.
        found: String,
    },
    /// Not root, or a capability was dropped.
    #[error("not permitted to {what}: run as root, or with CAP_BPF, CAP_NET_ADMIN and CAP_PERFMON")]
    Privilege {
        /// The operation.
        what: String,
    },
    /// A cgroup runs another program exclusively.
    #[error("cannot {what}: {program}: {fix}")]
    Exclusive {
        /// The operation.
        what: String,
        /// The program that prevents it, with its cgroup.
        program: String,
        /// The fix.
        fix: String,
    },
    /// A network device with a queueing discipline that runs no filters at egress.
    #[error(
        "the network device {device} has the queueing discipline {kind}, which takes the place of clsact and runs no filters at egress: its owner must use clsact, which runs its filters as well (tc qdisc del dev {device} {kind}; tc qdisc add dev {device} clsact)"
    )]
    NoClsact {
        /// The device.
        device: String,
        /// The kind of discipline.
        kind: String,
    },
    /// Other filters have the handles of this instance.
    #[error(
        "filters of others have this instance's handles at priority {priority} of the network device {device}: delete them (tc filter show dev {device} egress), or set paths.pins to another directory, from which the handles follow"
    )]
    TakenHandles {
        /// The device.
        device: String,
        /// The priority.
        priority: u16,
    },
    /// No cgroup v2 hierarchy.
    #[error(
        "no cgroup v2 file system is mounted: boot with systemd.unified_cgroup_hierarchy=1, or mount -t cgroup2 none /sys/fs/cgroup"
    )]
    NoCgroup2,
    /// The scope, or the cgroup of an exception, does not exist.
    #[error("{path} is not a cgroup: name a directory below {root}")]
    NotACgroup {
        /// The configured path.
        path: PathBuf,
        /// The root of the hierarchy.
        root: PathBuf,
    },
    /// The pin directory is not on a BPF file system.
    #[error(
        "{path} is not on a BPF file system: mount -t bpf -o mode=700 bpf /sys/fs/bpf, or set paths.pins to a directory on one"
    )]
    NotBpffs {
        /// The pin directory.
        path: PathBuf,
    },
    /// The pin directory belongs to, or is writable for, another user.
    #[error(
        "{path} is accessible to users other than root: remove it (rm -r), and mount BPF file systems with -o mode=700"
    )]
    ForeignPins {
        /// The directory.
        path: PathBuf,
    },
    /// This process sees only a part of the cgroup tree.
    #[error(
        "{path} is not the root of the cgroup tree but the part of it in a cgroup namespace: run outside of that (containers: --cgroupns=host)"
    )]
    PartOfTree {
        /// Mount point of the tree.
        path: PathBuf,
    },
    /// Another process holds the pins.
    #[error(
        "another egress-enforcer runs with the pins in {path}: stop it first, or give this one paths of its own (paths.pins)"
    )]
    Locked {
        /// The pin directory.
        path: PathBuf,
    },
    /// Another version enforces, and not this one.
    #[error(
        "the pins in {path} enforce layout version {version}, which this binary (layout version {VERSION}) cannot read: use the binary that made them, or let this one take over (systemctl restart egress-enforcer)"
    )]
    OtherVersion {
        /// The pin directory.
        path: PathBuf,
        /// The layout version.
        version: u32,
    },
    /// An entry of the pin directory that no version creates.
    #[error(
        "{entry} is not a pin of any version of egress-enforcer: remove it, or set paths.pins to a directory that contains nothing else"
    )]
    UnknownPins {
        /// The entry.
        entry: PathBuf,
    },
    /// A pinned map of this version with another layout.
    #[error(
        "the map {name} in {path} was pinned by a build of the same version with other layouts: end its enforcement (`egress-enforcer unload`), then start this one"
    )]
    PinLayout {
        /// The pin directory.
        path: PathBuf,
        /// The map.
        name: String,
    },
    /// Enforcement that outlives its process is in force already.
    #[error(
        "enforcement is in force from the pins in {path}: end it with `egress-enforcer unload`, or run without --ephemeral to take it over"
    )]
    Enforcing {
        /// The pin directory.
        path: PathBuf,
    },
    /// The verifier refuses the program of `explain --trace`.
    #[error("the verifier of kernel {release} refuses the trace program")]
    TraceRefused {
        /// The release of the running kernel.
        release: String,
    },
    /// No policy is loaded.
    #[error(
        "nothing is loaded: no pins in {path}; start the daemon (`egress-enforcer run`), or pass its configuration with --config"
    )]
    NotLoaded {
        /// The pin directory.
        path: PathBuf,
    },
    /// The verifier refused a program.
    #[error(
        "the kernel's verifier refused the program {program}: report this with the kernel version; its log: {log}"
    )]
    Verifier {
        /// The program.
        program: String,
        /// The end of its log.
        log: String,
    },
    /// A protected set that differs from what was written when read back.
    #[error(
        "the new protected set does not read back as it was written ({what}): the one in force stays"
    )]
    ReadBack {
        /// The first difference.
        what: &'static str,
    },
    /// Any other error.
    #[error("cannot {what}: {source}")]
    Failed {
        /// The operation.
        what: String,
        /// The cause.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
}

impl KernelError {
    /// An error of the operation `what`; [`KernelError::Privilege`] for a permission error.
    pub(crate) fn failed<E>(what: impl Into<String>) -> impl FnOnce(E) -> Self
    where
        E: std::error::Error + Send + Sync + 'static,
    {
        let what = what.into();
        move |source| {
            if is_refusal(&source) {
                return Self::Privilege { what };
            }
            Self::Failed {
                what,
                source: Box::new(source),
            }
        }
    }
}

/// Whether any error in the chain is `EPERM` or `EACCES`.
fn is_refusal(error: &(dyn std::error::Error + 'static)) -> bool {
    let mut next = Some(error);
    while let Some(error) = next {
        let kind = error.downcast_ref::<io::Error>().map(io::Error::kind);
        if kind == Some(io::ErrorKind::PermissionDenied) {
            return true;
        }
        next = error.source();
    }
    false
}
