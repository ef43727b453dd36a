//! The cgroup tree, and whether this process sees the whole of it.

use super::facts::Facts;
use crate::doctor::check::Check;
use crate::sys::ROOT_INODE;

/// First kernel on which a socket has both its cgroup v2 and its v1 class (commit 8520e224f547, also in some older stable kernels).
const CLASS_AND_CGROUP: (u32, u32) = (5, 15);

/// Checks that cgroup v2 is mounted, from its root.
pub(super) fn tree(facts: &Facts) -> Check {
    let id = "cgroup v2";
    let mount = "boot with systemd.unified_cgroup_hierarchy=1, or mount -t cgroup2 none /sys/fs/cgroup; \
        in a container, give it the host's tree: -v /sys/fs/cgroup:/sys/fs/cgroup:ro";
    let Some(tree) = facts.tree() else {
        return Check::new(id, false, "not mounted", mount);
    };
    let path = tree.display();
    if facts.tree_inode != Some(ROOT_INODE) {
        let message = format!("{path} is a part of the tree, as in a cgroup namespace");
        let fix = "run outside of the cgroup namespace: docker run --cgroupns=host, podman run --cgroupns=host, and the host's /sys/fs/cgroup";
        return Check::new(id, false, message, fix);
    }
    let is_hybrid = facts.mounts().any(|mount| mount.kind == "cgroup");
    let mut message = path.to_string();
    if is_hybrid {
        message.push_str(", hybrid: controllers are on v1, processes are on both");
    }
    if facts
        .mounts()
        .any(|mount| mount.kind == "cgroup2" && mount.has("ro"))
    {
        message.push_str(", read-only, which is enough");
    }
    Check::new(id, true, message, "")
}

/// Checks that no v1 controller classifies sockets, on kernels where the class replaces the socket's cgroup v2.
pub(super) fn socket_classes(facts: &Facts) -> Check {
    let names = ["net_cls", "net_prio"];
    let is_mounted = |name: &&str| {
        facts
            .mounts()
            .any(|mount| mount.kind == "cgroup" && mount.has(name))
    };
    let mounted: Vec<&str> = names.into_iter().filter(is_mounted).collect();
    let id = "cgroup v1 socket classes";
    if mounted.is_empty() {
        return Check::new(id, true, "none", "");
    }
    let message = format!("{} mounted", mounted.join(" and "));
    let fix = "use kernel 5.15 or newer, or keep net_cls and net_prio unmounted (cgroup_no_v1=net_cls,net_prio at boot): with a class \
        set, sockets lose their cgroup, and neither exceptions nor a narrower scope apply to them";
    Check::new(id, facts.version() >= CLASS_AND_CGROUP, message, fix)
}

/// Checks that this process sees the host's process ids, which the kernel reports.
pub(super) fn pid_namespace(facts: &Facts) -> Check {
    let id = "process ids";
    let fix = "share the host's: docker run --pid=host, podman run --pid=host; otherwise `events` names the wrong processes";
    let message = if facts.in_pid_namespace {
        "those of a PID namespace"
    } else {
        "the host's"
    };
    Check::new(id, !facts.in_pid_namespace, message, fix)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn facts(mounts: &str, tree_inode: u64) -> Facts {
        Facts {
            release: "5.10.0-28-amd64".to_owned(),
            mounts: mounts.to_owned(),
            tree_inode: Some(tree_inode),
            ..Facts::default()
        }
    }

    const UNIFIED: &str = "cgroup2 /sys/fs/cgroup cgroup2 rw,nosuid 0 0\n";
    const HYBRID: &str = "cgroup /sys/fs/cgroup/cpu cgroup rw,cpu 0 0\ncgroup2 /sys/fs/cgroup/unified cgroup2 ro 0 0\n";

    #[test]
    fn unified_hybrid_and_read_only_trees_pass() {
        assert_eq!(tree(&facts(UNIFIED, 1)).message, "/sys/fs/cgroup");
        let hybrid = tree(&facts(HYBRID, 1));
        assert!(hybrid.is_ok(), "{hybrid:?}");
        for words in [
            "/sys/fs/cgroup/unified, hybrid",
            "read-only, which is enough",
        ] {
            assert!(hybrid.message.contains(words), "{hybrid:?}");
        }
    }

    #[test]
    fn a_missing_tree_and_a_part_of_it_fail() {
        let v1_only = tree(&facts("cgroup /sys/fs/cgroup/cpu cgroup rw,cpu 0 0\n", 1));
        assert!(!v1_only.is_ok() && v1_only.fix.contains("unified_cgroup_hierarchy"));
        let part = tree(&facts(UNIFIED, 4711));
        assert!(!part.is_ok() && part.fix.contains("--cgroupns=host"));
    }

    #[test]
    fn socket_classes_fail_on_old_kernels_only() {
        let mounts = format!("{HYBRID}cgroup /sys/fs/cgroup/net cgroup rw,net_cls,net_prio 0 0\n");
        let old = socket_classes(&facts(&mounts, 1));
        assert!(
            !old.is_ok() && old.message == "net_cls and net_prio mounted",
            "{old:?}"
        );
        let new = Facts {
            release: "6.1.0".to_owned(),
            ..facts(&mounts, 1)
        };
        assert!(socket_classes(&new).is_ok());
        assert!(socket_classes(&facts(HYBRID, 1)).is_ok());
    }

    #[test]
    fn process_ids_of_a_container_fail() {
        let facts = Facts {
            in_pid_namespace: true,
            ..facts(UNIFIED, 1)
        };
        assert!(pid_namespace(&facts).fix.contains("--pid=host"));
        assert!(pid_namespace(&self::facts(UNIFIED, 1)).is_ok());
    }
}
