//! The capabilities of this process.

use super::facts::Facts;
use crate::doctor::check::Check;

/// A capability (capability.h): its bit, its name, and its purpose.
type Capability = (u32, &'static str, &'static str);

const CAPABILITIES: [Capability; 3] = [
    (39, "CAP_BPF", "loading programs and maps"),
    (
        12,
        "CAP_NET_ADMIN",
        "loading and attaching programs that filter packets",
    ),
    (
        38,
        "CAP_PERFMON",
        "programs that the verifier accepts only with it",
    ),
];
/// `CAP_SYS_ADMIN` includes `CAP_BPF` and `CAP_PERFMON`; mounting needs it.
pub(super) const SYS_ADMIN: u32 = 21;
/// `CAP_NET_ADMIN`, which `CAP_SYS_ADMIN` does not include.
const NET_ADMIN: u32 = 12;

/// Returns one check for each capability.
pub(super) fn check(facts: &Facts) -> Vec<Check> {
    let check_one = |(bit, name, purpose): &Capability| {
        let counts = has(facts, "CapEff", *bit) && !facts.in_user_namespace;
        let message = if !has(facts, "CapEff", *bit) {
            format!("missing, for {purpose}")
        } else if facts.in_user_namespace {
            "only in a user namespace, where it does not count for BPF".to_owned()
        } else {
            "present".to_owned()
        };
        Check::new(name, counts, message, &fix(facts, *bit, name))
    };
    CAPABILITIES.iter().map(check_one).collect()
}

/// Returns the names of the missing capabilities.
pub(super) fn missing(facts: &Facts) -> Vec<&'static str> {
    let missing = CAPABILITIES
        .iter()
        .filter(|(bit, _, _)| !has(facts, "CapEff", *bit));
    missing.map(|(_, name, _)| *name).collect()
}

fn has(facts: &Facts, set: &str, bit: u32) -> bool {
    let set = facts.capabilities(set);
    let is_included = bit != NET_ADMIN && set >> SYS_ADMIN & 1 == 1;
    set >> bit & 1 == 1 || is_included
}

fn fix(facts: &Facts, bit: u32, name: &str) -> String {
    if facts.in_user_namespace {
        return "run outside of the user namespace: it does not work in a rootless container or with PrivateUsers=".to_owned();
    }
    if has(facts, "CapBnd", bit) {
        return "run as root".to_owned();
    }
    let short = name.trim_start_matches("CAP_");
    format!(
        "the container or unit does not grant it: docker run --cap-add={short}, podman run --cap-add={short}, or CapabilityBoundingSet={name} in a unit"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn facts(effective: u64, bounding: u64) -> Facts {
        Facts {
            status: format!("CapEff:\t{effective:016x}\nCapBnd:\t{bounding:016x}\n"),
            ..Facts::default()
        }
    }

    #[test]
    fn each_missing_capability_has_its_fix() {
        let all = 1 << 39 | 1 << 12 | 1 << 38;
        assert!(check(&facts(all, all)).iter().all(Check::is_ok));
        let user = check(&facts(0, all));
        assert!(
            user.iter()
                .all(|check| !check.is_ok() && check.fix == "run as root")
        );
        let container = check(&facts(1 << 12, 1 << 12));
        let failed: Vec<&str> = container
            .iter()
            .filter(|check| !check.is_ok())
            .map(|check| check.id.as_str())
            .collect();
        assert_eq!(failed, ["CAP_BPF", "CAP_PERFMON"]);
        assert!(container[0].fix.contains("--cap-add=BPF"), "{container:?}");
        assert_eq!(missing(&facts(1 << 12, 1 << 12)), failed);
    }

    #[test]
    fn sys_admin_includes_bpf_and_perfmon_but_not_net_admin() {
        let checks = check(&facts(1 << SYS_ADMIN, 0));
        let ok: Vec<bool> = checks.iter().map(Check::is_ok).collect();
        assert_eq!(ok, [true, false, true]);
    }

    #[test]
    fn capabilities_of_a_user_namespace_do_not_count() {
        let facts = Facts {
            in_user_namespace: true,
            ..facts(u64::MAX, u64::MAX)
        };
        assert!(check(&facts).iter().all(|check| !check.is_ok()));
        assert!(check(&facts)[0].fix.contains("rootless"));
    }
}
