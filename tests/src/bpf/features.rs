//! Kernel features that matter here: the first release with each feature, and a probe for it.
//!
//! The `kernels` suite compares this table with every kernel it runs on, in both directions, so a wrong minimum version fails a test.

mod probes;

use std::fs;

use anyhow::{Context, Result};

pub use self::probes::ProbeEnv;

/// A kernel feature.
#[derive(Debug)]
pub struct Feature {
    /// Its name, with the kernel's identifier.
    pub name: &'static str,
    /// What the enforcer uses it for, or could.
    pub purpose: &'static str,
    /// The first release with the feature, `(major, minor)`.
    pub since: (u32, u32),
    /// Older series to whose stable releases it was backported.
    pub also: &'static [(u32, u32)],
}

/// Tests by trying whether this kernel has a feature.
pub type Probe = fn(&ProbeEnv) -> Result<bool>;

/// All features, oldest first. Releases are those of the introducing commits; `also` is what the tests found in Debian's stable kernels.
pub const ALL: &[(Feature, Probe)] = &[
    (
        Feature {
            name: "coarse clock (bpf_ktime_get_coarse_ns)",
            purpose: "cheaper time stamps of events",
            since: (5, 11),
            also: &[],
        },
        probes::coarse_clock,
    ),
    (
        Feature {
            name: "number of verified instructions (verified_insns)",
            purpose: "measuring what a start costs the verifier",
            since: (5, 16),
            also: &[],
        },
        probes::verified_instructions,
    ),
    (
        Feature {
            name: "loops by call (bpf_loop)",
            purpose: "longer headers with less verification",
            since: (5, 17),
            also: &[],
        },
        probes::loop_by_call,
    ),
    (
        Feature {
            name: "string comparison (bpf_strncmp)",
            purpose: "names in handshakes",
            since: (5, 17),
            also: &[],
        },
        probes::compare_strings,
    ),
    (
        Feature {
            name: "own errors from connect (bpf_set_retval)",
            purpose: "EACCES or ECONNREFUSED instead of EPERM",
            since: (5, 18),
            also: &[],
        },
        probes::set_return,
    ),
    (
        Feature {
            name: "programs on interfaces through links (tcx)",
            purpose: "frames of packet sockets and virtual machines",
            since: (6, 6),
            also: &[],
        },
        probes::tcx,
    ),
    (
        Feature {
            name: "process of a packet (bpf_get_current_pid_tgid in cgroup_skb)",
            purpose: "events of raw sockets without a map of socket owners",
            since: (6, 10),
            also: &[],
        },
        probes::process_of_packet,
    ),
    (
        Feature {
            name: "rewriting an entry of a full trie",
            purpose: "exceptions by prefix up to the last entry",
            since: (6, 13),
            also: &[(6, 1), (6, 12)],
        },
        probes::full_trie,
    ),
    (
        Feature {
            name: "network namespace of a packet (bpf_get_netns_cookie in cgroup_skb)",
            purpose: "exceptions for a network namespace",
            since: (6, 15),
            also: &[],
        },
        probes::network_of_packet,
    ),
    (
        Feature {
            name: "programs before those of child cgroups (BPF_F_PREORDER)",
            purpose: "a verdict that comes first",
            since: (6, 15),
            also: &[(6, 12)],
        },
        probes::preorder,
    ),
    (
        Feature {
            name: "order and revision of a cgroup's programs (mprog)",
            purpose: "noticing other programs on the cgroup",
            since: (6, 17),
            also: &[(6, 12)],
        },
        probes::revision,
    ),
];

/// Egress programs run for the SYN-ACK of an IPv6 connection. Without this, the SYN-ACK leaves on behalf of the listening socket and no
/// program runs; data on the connection is still judged. Not in [`ALL`], because it takes a connection to test it. Found by experiment:
/// Linux 5.10 lacks it, 6.12 has it.
pub const SYN_ACK_JUDGED: Feature = Feature {
    name: "answers to connections over IPv6 judged",
    purpose: "a denied address cannot open a connection to a server here",
    since: (6, 12),
    also: &[],
};

impl Feature {
    /// Returns the output line from which `./x vm` reads whether this kernel has the feature.
    #[must_use]
    pub fn line(&self, is_there: bool) -> String {
        let word = if is_there { "present" } else { "absent" };
        let (major, minor) = self.since;
        let Self { name, purpose, .. } = self;
        format!("EGRESS-FEATURE {word}\t{major}.{minor}\t{name}\t{purpose}")
    }

    /// Whether a kernel of `release`, `(major, minor)`, has it according to the table.
    #[must_use]
    pub fn belongs_to(&self, release: (u32, u32)) -> bool {
        release >= self.since || self.also.contains(&release)
    }
}

/// Returns the running kernel's release, as `uname -r` prints it, and its series.
///
/// # Errors
/// When it has another format.
pub fn release() -> Result<(String, (u32, u32))> {
    let text = fs::read_to_string("/proc/sys/kernel/osrelease").context("read the release")?;
    let text = text.trim().to_owned();
    let series = series(&text).with_context(|| format!("the release {text}"))?;
    Ok((text, series))
}

fn series(release: &str) -> Option<(u32, u32)> {
    let mut numbers = release.split(|char: char| !char.is_ascii_digit());
    Some((numbers.next()?.parse().ok()?, numbers.next()?.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn series_parses_the_first_two_numbers_of_a_release() {
        assert_eq!(series("6.12.117+deb13-cloud-amd64"), Some((6, 12)));
        assert_eq!(series("5.10.0-46-cloud-amd64"), Some((5, 10)));
        assert_eq!(series("none"), None);
    }

    #[test]
    fn a_feature_is_expected_from_its_first_release_on() {
        let tcx = ALL
            .iter()
            .find(|(feature, _)| feature.since == (6, 6))
            .unwrap();
        let (tcx, _) = tcx;
        assert!(!tcx.belongs_to((6, 5)) && !tcx.belongs_to((5, 19)));
        assert!(tcx.belongs_to((6, 6)) && tcx.belongs_to((7, 0)));
    }
}
