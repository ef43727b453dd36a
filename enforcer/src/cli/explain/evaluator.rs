//! Evaluates a destination: with the loaded kernel program or, for a unit or cgroup, with the same rule on the live maps.

use std::net::IpAddr;

use anyhow::Result;
use enforcer_common::{Flow, PolicyView as _, Transport, decide};

use super::evaluation::Evaluation;
use super::initiator::{CgroupPosition, Initiator};
use super::places::Places;
use crate::bpf::{LivePolicy, Maps, Pins, TestRun};
use crate::cli::args::Protocol;
use crate::core::Status;
use crate::policy::address;

/// IP protocol numbers (IANA).
const TCP: u8 = 6;
const UDP: u8 = 17;
const ICMP: u8 = 1;
const ICMPV6: u8 = 58;

/// What evaluates a destination.
pub(super) enum Evaluator {
    /// The loaded kernel program.
    Program(Box<TestRun>),
    /// The rule on the live maps, for each cgroup of a unit.
    Rule(Box<RuleEvaluator>),
}

/// The rule on the live maps.
pub(super) struct RuleEvaluator {
    maps: Maps,
    cgroups: Vec<CgroupPosition>,
    judged: DevicesJudge,
}

/// Whether network devices judge, which they do regardless of the scope.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum DevicesJudge {
    No,
    /// They only report what they deny.
    Audit,
    Enforce,
}

impl Evaluator {
    /// Opens the program or, for another initiator, the rule for its cgroups.
    ///
    /// # Errors
    /// Where nothing is loaded, the maps cannot be read, or the cgroup does not exist.
    pub(super) fn open(
        pins: &Pins,
        initiator: &Initiator,
        status: Option<&Status>,
        places: &Places,
    ) -> Result<Self> {
        if initiator.is_own() {
            return Ok(Self::Program(Box::new(TestRun::open(pins)?)));
        }
        let scope = status.map(|status| status.scope.as_path());
        let rule = RuleEvaluator {
            cgroups: initiator.positions(scope)?,
            maps: Maps::open(pins)?,
            judged: DevicesJudge::of(places),
        };
        Ok(Self::Rule(Box::new(rule)))
    }

    /// Describes it for people.
    pub(super) fn description(&self) -> &'static str {
        match self {
            Self::Program(_) => "the loaded kernel program on the live maps",
            Self::Rule(_) => {
                "the kernel program's rule, evaluated here on the live maps for that cgroup"
            }
        }
    }

    /// Returns the verdict on one address, or on a TLS ClientHello with the server name `sni`; with several cgroups, the strictest.
    ///
    /// # Errors
    /// Where the program cannot be run or the maps cannot be read.
    pub(super) fn evaluate(
        &self,
        to: IpAddr,
        protocol: Protocol,
        port: u16,
        sni: Option<&str>,
    ) -> Result<Evaluation> {
        match self {
            Self::Program(question) => {
                let answer = match sni {
                    Some(server_name) => question.run_client_hello(to, server_name),
                    None => question.ask(to, protocol_number(protocol, to), port),
                }?;
                Ok(Evaluation::new(answer.reason, answer.passes))
            }
            Self::Rule(rule) => {
                let flow = flow(to, protocol, port);
                let cgroups = rule.cgroups.iter();
                let verdicts: Result<Vec<_>> = cgroups
                    .map(|cgroup| rule.evaluate(cgroup, &flow, sni))
                    .collect();
                Ok(strictest(verdicts?))
            }
        }
    }
}

fn strictest(verdicts: Vec<Evaluation>) -> Evaluation {
    let strictest = verdicts.into_iter().max_by_key(Evaluation::is_denied);
    strictest.unwrap_or_else(Evaluation::outside)
}

impl DevicesJudge {
    fn of(places: &Places) -> Self {
        match (places.has_devices(), places.enforce()) {
            (_, true) => Self::Enforce,
            (true, false) => Self::Audit,
            (false, false) => Self::No,
        }
    }
}

impl RuleEvaluator {
    fn evaluate(
        &self,
        cgroup: &CgroupPosition,
        flow: &Flow,
        sni: Option<&str>,
    ) -> Result<Evaluation> {
        match (cgroup, self.judged) {
            (CgroupPosition::Inside(ids), _) => {
                let policy = LivePolicy::new(&self.maps, ids.clone())?;
                Ok(evaluate(&policy, flow, sni))
            }
            (CgroupPosition::Outside(_), DevicesJudge::No) => Ok(Evaluation::outside()),
            (CgroupPosition::Outside(ids), judged) => {
                let policy = LivePolicy::new(&self.maps, ids.clone())?;
                Ok(evaluate_at_devices(&policy, flow, sni, judged))
            }
        }
    }
}

/// The rule at network devices, for packets without a socket.
pub(super) struct WithoutSocket {
    maps: Maps,
    judged: DevicesJudge,
}

impl WithoutSocket {
    /// Opens the maps; `None` if no network device judges.
    ///
    /// # Errors
    /// Where the maps cannot be read.
    pub(super) fn open(pins: &Pins, places: &Places) -> Result<Option<Self>> {
        let judged = DevicesJudge::of(places);
        if judged == DevicesJudge::No {
            return Ok(None);
        }
        let maps = Maps::open(pins)?;
        Ok(Some(Self { maps, judged }))
    }

    /// As [`Evaluator::evaluate`].
    ///
    /// # Errors
    /// Where the maps cannot be read.
    pub(super) fn evaluate(
        &self,
        to: IpAddr,
        protocol: Protocol,
        port: u16,
        sni: Option<&str>,
    ) -> Result<Evaluation> {
        let policy = LivePolicy::without_socket(&self.maps)?;
        let flow = flow(to, protocol, port);
        Ok(evaluate_at_devices(&policy, &flow, sni, self.judged))
    }
}

fn evaluate_at_devices(
    policy: &LivePolicy<'_>,
    flow: &Flow,
    sni: Option<&str>,
    judged: DevicesJudge,
) -> Evaluation {
    let mut evaluation = evaluate(policy, flow, sni);
    evaluation.passes |= judged == DevicesJudge::Audit;
    evaluation
}

fn evaluate(policy: &LivePolicy<'_>, flow: &Flow, sni: Option<&str>) -> Evaluation {
    let decision = decide(flow, policy);
    let reason = match sni {
        Some(server_name) => policy.check_client_hello(flow, decision, server_name),
        None => decision.reason,
    };
    let audits = policy.switches().audits();
    Evaluation::new(reason, !reason.denies() || audits)
}

fn flow(to: IpAddr, protocol: Protocol, port: u16) -> Flow {
    Flow {
        destination: address(to),
        transport: transport(protocol, to, port),
    }
}

/// Returns the IP protocol number.
pub(super) fn protocol_number(protocol: Protocol, to: IpAddr) -> u8 {
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
        Protocol::Icmp => Transport::Other(protocol_number(protocol, to)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_rule_and_the_program_get_the_same_protocol() {
        let addresses: [IpAddr; 2] = ["20.38.98.100", "2603::1"].map(|text| text.parse().unwrap());
        for to in addresses {
            for protocol in [Protocol::Tcp, Protocol::Udp, Protocol::Icmp] {
                let transport = transport(protocol, to, 443);
                assert_eq!(transport.protocol(), protocol_number(protocol, to));
            }
        }
    }
}
