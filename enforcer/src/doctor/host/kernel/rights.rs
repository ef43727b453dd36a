//! What this process may do.

use super::facts::Facts;
use crate::doctor::check::Check;

/// A capability (capability.h): its bit, its name, and what it is for.
type Capability = (u32, &'static str, &'static str);

const CAPABILITIES: [Capability; 3] = [
    (39, "CAP_BPF", "loading programs and maps"),
    (
        12,
        "CAP_NET_ADMIN",
        "programs that judge packets, and attaching them",
    ),
    (
        38,
        "CAP_PERFMON",
        "programs as the kernel's verifier takes them",
    ),
];
/// `CAP_SYS_ADMIN` stands in for the first and the last; mounting takes it.
pub(super) const SYS_ADMIN: u32 = 21;
/// `CAP_NET_ADMIN` has no stand-in.
const NET_ADMIN: u32 = 12;

/// One check for each capability.
pub(super) fn capabilities(facts: &Facts) -> Vec<Check> {
    let check = |(bit, name, purpose): &Capability| {
        let fit = has(facts, "CapEff", *bit) && !facts.in_user_namespace;
        let found = if !has(facts, "CapEff", *bit) {
            format!("missing, for {purpose}")
        } else if facts.in_user_namespace {
            "of a user namespace, where it does not count for BPF".to_owned()
        } else {
            "present".to_owned()
        };
        Check::new(name, fit, found, &fix(facts, *bit, name))
    };
    CAPABILITIES.iter().map(check).collect()
}

/// The names of the capabilities that are missing.
pub(super) fn missing(facts: &Facts) -> Vec<&'static str> {
    let missing = CAPABILITIES
        .iter()
        .filter(|(bit, _, _)| !has(facts, "CapEff", *bit));
    missing.map(|(_, name, _)| *name).collect()
}

fn has(facts: &Facts, set: &str, bit: u32) -> bool {
    let set = facts.capabilities(set);
    let stand_in = bit != NET_ADMIN && set >> SYS_ADMIN & 1 == 1;
    set >> bit & 1 == 1 || stand_in
}

fn fix(facts: &Facts, bit: u32, name: &str) -> String {
    if facts.in_user_namespace {
        return "run outside of the user namespace: a rootless container or PrivateUsers= cannot do it".to_owned();
    }
    if has(facts, "CapBnd", bit) {
        return "run as root".to_owned();
    }
    let short = name.trim_start_matches("CAP_");
    format!(
        "whatever started this took it away: docker run --cap-add={short}, podman run --cap-add={short}, or CapabilityBoundingSet={name} in a unit"
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
    fn each_missing_capability_is_named_with_who_can_give_it() {
        let all = 1 << 39 | 1 << 12 | 1 << 38;
        assert!(
            capabilities(&facts(all, all))
                .iter()
                .all(|check| check.is_ok())
        );
        let user = capabilities(&facts(0, all));
        assert!(
            user.iter()
                .all(|check| !check.is_ok() && check.fix == "run as root")
        );
        let container = capabilities(&facts(1 << 12, 1 << 12));
        let unfit: Vec<&str> = container
            .iter()
            .filter(|check| !check.is_ok())
            .map(|check| check.id.as_str())
            .collect();
        assert_eq!(unfit, ["CAP_BPF", "CAP_PERFMON"]);
        assert!(container[0].fix.contains("--cap-add=BPF"), "{container:?}");
        assert_eq!(missing(&facts(1 << 12, 1 << 12)), unfit);
    }

    #[test]
    fn the_administrator_of_the_system_stands_in_for_bpf_and_not_for_the_network() {
        let found = capabilities(&facts(1 << SYS_ADMIN, 0));
        let fit: Vec<bool> = found.iter().map(|check| check.is_ok()).collect();
        assert_eq!(fit, [true, false, true]);
    }

    #[test]
    fn capabilities_of_a_user_namespace_do_not_count() {
        let facts = Facts {
            in_user_namespace: true,
            ..facts(u64::MAX, u64::MAX)
        };
        assert!(capabilities(&facts).iter().all(|check| !check.is_ok()));
        assert!(capabilities(&facts)[0].fix.contains("rootless"));
    }
}
