//! Who answers: the loaded kernel program, or its rule over the live maps where it cannot stand in a unit's cgroup.

use std::net::IpAddr;
use std::path::{Path, PathBuf};

use anyhow::{Result, bail};
use enforcer_common::{Address, Flow, Reason, Transport, decide};
use serde::Serialize;

use crate::cli::args::Protocol;
use crate::control::Status;
use crate::kernel::{Cgroup, LivePolicy, Maps, Pins, Question, cgroup_root, unit_cgroups};
use crate::policy::address;

/// IP protocol numbers (IANA).
const TCP: u8 = 6;
const UDP: u8 = 17;
const ICMP: u8 = 1;
const ICMPV6: u8 = 58;

/// Who answers.
pub(super) enum Judge {
    /// The loaded program.
    Program(Box<Question>),
    /// The rule over the live maps, for each cgroup of a unit.
    Rule(Box<Maps>, Vec<Seat>),
}

/// Whose connection is meant; neither: that of this process.
#[derive(Clone, Debug, Default, Serialize)]
pub(super) struct Whose {
    /// A systemd unit.
    pub(super) unit: Option<String>,
    /// A cgroup, by its path below the root or its directory.
    pub(super) cgroup: Option<PathBuf>,
}

impl Whose {
    pub(super) fn is_own(&self) -> bool {
        self.unit.is_none() && self.cgroup.is_none()
    }

    fn cgroups(&self, root: &Path) -> Result<Vec<Cgroup>> {
        if let Some(path) = &self.cgroup {
            return Ok(vec![Cgroup::open(root, path)?]);
        }
        let unit = self.unit.as_deref().unwrap_or_default();
        let cgroups = unit_cgroups(root, unit)?;
        if cgroups.is_empty() {
            bail!(
                "{unit} has no cgroup: start it first, or check its name (in full, such as agent.service)"
            );
        }
        Ok(cgroups)
    }
}

/// A cgroup as the rule sees it.
pub(super) enum Seat {
    /// Governed; its ancestors' ids and its own, outermost first.
    Inside(Vec<u64>),
    /// Not below the cgroup that is governed.
    Outside,
}

/// The verdict on one address.
#[derive(Debug, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(super) struct Judged {
    /// "allow" or "deny": what the rule says.
    pub(super) verdict: &'static str,
    /// A stable word.
    pub(super) reason: &'static str,
    /// The same for people.
    pub(super) sentence: &'static str,
    /// Whether it leaves all the same: audit mode drops nothing.
    pub(super) passes: bool,
}

impl Judge {
    /// The program, or for another cgroup the rule as the processes in it see it.
    ///
    /// # Errors
    /// Where nothing is loaded, the maps cannot be read, or the cgroup is not there.
    pub(super) fn open(pins: &Pins, whose: &Whose, status: Option<&Status>) -> Result<Self> {
        if whose.is_own() {
            return Ok(Self::Program(Box::new(Question::open(pins)?)));
        }
        let root = cgroup_root()?;
        let cgroups = whose.cgroups(&root)?;
        let scope = status.map_or(root.as_path(), |status| status.scope.as_path());
        let seats: Result<_> = cgroups
            .iter()
            .map(|cgroup| seat(&root, scope, &cgroup.path))
            .collect();
        Ok(Self::Rule(Box::new(Maps::open(pins)?), seats?))
    }

    /// Who answers, in words.
    pub(super) fn word(&self) -> &'static str {
        match self {
            Self::Program(_) => "the loaded kernel program on the live maps",
            Self::Rule(..) => {
                "the kernel program's rule, run here over the live maps for that cgroup"
            }
        }
    }

    /// The verdict on one address; of several cgroups, the strictest.
    ///
    /// # Errors
    /// Where the kernel does not answer.
    pub(super) fn ask(&self, to: IpAddr, protocol: Protocol, port: u16) -> Result<Judged> {
        match self {
            Self::Program(question) => {
                let answer = question.ask(to, number(protocol, to), port)?;
                Ok(Judged::new(answer.reason, answer.passes))
            }
            Self::Rule(maps, seats) => {
                let flow = Flow {
                    destination: address(to),
                    transport: transport(protocol, to, port),
                };
                let judged: Result<Vec<_>> =
                    seats.iter().map(|seat| seat.judge(maps, &flow)).collect();
                Ok(strictest(judged?))
            }
        }
    }

    /// The verdict on the first bytes of a TLS connection.
    ///
    /// # Errors
    /// Where the kernel does not answer.
    pub(super) fn ask_hello(&self, to: IpAddr, server_name: &str) -> Result<Judged> {
        match self {
            Self::Program(question) => {
                let answer = question.ask_hello(to, server_name)?;
                Ok(Judged::new(answer.reason, answer.passes))
            }
            Self::Rule(maps, seats) => {
                let judged: Result<Vec<_>> = seats
                    .iter()
                    .map(|seat| seat.judge_hello(maps, address(to), server_name))
                    .collect();
                Ok(strictest(judged?))
            }
        }
    }
}

fn strictest(judged: Vec<Judged>) -> Judged {
    let strictest = judged.into_iter().max_by_key(Judged::is_denied);
    strictest.unwrap_or_else(Judged::outside)
}

impl Seat {
    fn judge(&self, maps: &Maps, flow: &Flow) -> Result<Judged> {
        let Self::Inside(cgroups) = self else {
            return Ok(Judged::outside());
        };
        let decision = decide(flow, &LivePolicy::new(maps, cgroups.clone())?);
        judged(maps, decision.reason)
    }

    fn judge_hello(&self, maps: &Maps, destination: Address, server_name: &str) -> Result<Judged> {
        let Self::Inside(cgroups) = self else {
            return Ok(Judged::outside());
        };
        let policy = LivePolicy::new(maps, cgroups.clone())?;
        let transport = Transport::Tcp(443);
        let flow = Flow {
            destination,
            transport,
        };
        let decision = decide(&flow, &policy);
        judged(maps, policy.judge_hello(&flow, decision, server_name))
    }
}

fn judged(maps: &Maps, reason: Reason) -> Result<Judged> {
    let audits = maps.settings()?.switches.audits();
    Ok(Judged::new(reason, !reason.denies() || audits))
}

impl Judged {
    pub(super) fn new(reason: Reason, passes: bool) -> Self {
        Self {
            verdict: if reason.denies() { "deny" } else { "allow" },
            reason: reason.word(),
            sentence: reason.sentence(),
            passes,
        }
    }

    fn outside() -> Self {
        Self {
            verdict: "allow",
            reason: "out-of-scope",
            sentence: "it runs outside the enforced cgroup, so no rule applies to it",
            passes: true,
        }
    }

    pub(super) fn is_denied(&self) -> bool {
        self.verdict == "deny"
    }

    /// The verdict for people.
    pub(super) fn word(&self) -> &'static str {
        match (self.is_denied(), self.passes) {
            (true, true) => "would be denied, audit lets it pass",
            (true, false) => "denied",
            (false, _) => "allowed",
        }
    }
}

fn seat(root: &Path, scope: &Path, cgroup: &Path) -> Result<Seat> {
    if !cgroup.starts_with(scope) {
        return Ok(Seat::Outside);
    }
    let below = cgroup.ancestors().filter(|path| path.starts_with(root));
    let mut lineage: Vec<&Path> = below.collect();
    lineage.reverse();
    let ids: Result<_, _> = lineage
        .into_iter()
        .map(|path| Cgroup::open(root, path).map(|cgroup| cgroup.id))
        .collect();
    Ok(Seat::Inside(ids?))
}

fn number(protocol: Protocol, to: IpAddr) -> u8 {
    match (protocol, to) {
        (Protocol::Tcp, _) => TCP,
        (Protocol::Udp, _) => UDP,
        (Protocol::Icmp, IpAddr::V4(_)) => ICMP,
        (Protocol::Icmp, IpAddr::V6(_)) => ICMPV6,
    }
}

fn transport(protocol: Protocol, to: IpAddr, port: u16) -> Transport {
    match protocol {
        Protocol::Tcp => Transport::Tcp(port),
        Protocol::Udp => Transport::Udp(port),
        Protocol::Icmp => Transport::Other(number(protocol, to)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn audit_says_that_a_denial_passes() {
        assert_eq!(Judged::new(Reason::Storage, false).word(), "denied");
        assert_eq!(
            Judged::new(Reason::Storage, true).word(),
            "would be denied, audit lets it pass"
        );
        assert_eq!(Judged::new(Reason::AllowedName, true).word(), "allowed");
    }

    #[test]
    fn a_cgroup_beside_the_scope_is_outside() {
        let root = Path::new("/sys/fs/cgroup");
        let scope = Path::new("/sys/fs/cgroup/plant.slice");
        for outside in [
            "/sys/fs/cgroup/plant.slice2/a.service",
            "/sys/fs/cgroup/system.slice",
        ] {
            let seat = seat(root, scope, Path::new(outside)).unwrap();
            assert!(matches!(seat, Seat::Outside), "{outside}");
        }
    }

    #[test]
    fn the_rule_and_the_program_are_asked_about_the_same_protocol() {
        let addresses: [IpAddr; 2] = ["20.38.98.100", "2603::1"].map(|text| text.parse().unwrap());
        for to in addresses {
            for protocol in [Protocol::Tcp, Protocol::Udp, Protocol::Icmp] {
                let transport = transport(protocol, to, 443);
                assert_eq!(transport.protocol(), number(protocol, to));
            }
        }
    }
}
