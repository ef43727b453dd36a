//! Evaluates a destination: with the loaded kernel program or, for a unit or cgroup, with the same rule on the live maps.

use std::net::IpAddr;

use anyhow::Result;
use enforcer_common::{Address, Flow, Reason, Transport, decide};

use super::evaluation::Evaluation;
use super::initiator::{CgroupPosition, Initiator};
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
    Rule(Box<Maps>, Vec<CgroupPosition>),
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
    ) -> Result<Self> {
        if initiator.is_own() {
            return Ok(Self::Program(Box::new(TestRun::open(pins)?)));
        }
        let scope = status.map(|status| status.scope.as_path());
        let positions = initiator.positions(scope)?;
        Ok(Self::Rule(Box::new(Maps::open(pins)?), positions))
    }

    /// Describes it for people.
    pub(super) fn description(&self) -> &'static str {
        match self {
            Self::Program(_) => "the loaded kernel program on the live maps",
            Self::Rule(..) => {
                "the kernel program's rule, evaluated here on the live maps for that cgroup"
            }
        }
    }

    /// Returns the verdict on one address; with several cgroups, the strictest.
    ///
    /// # Errors
    /// Where the program cannot be run or the maps cannot be read.
    pub(super) fn evaluate(&self, to: IpAddr, protocol: Protocol, port: u16) -> Result<Evaluation> {
        match self {
            Self::Program(question) => {
                let answer = question.ask(to, protocol_number(protocol, to), port)?;
                Ok(Evaluation::new(answer.reason, answer.passes))
            }
            Self::Rule(maps, positions) => {
                let flow = Flow {
                    destination: address(to),
                    transport: transport(protocol, to, port),
                };
                let verdicts: Result<Vec<_>> = positions
                    .iter()
                    .map(|position| position.evaluate(maps, &flow))
                    .collect();
                Ok(strictest(verdicts?))
            }
        }
    }

    /// Returns the verdict on a TLS ClientHello with `server_name`.
    ///
    /// # Errors
    /// Where the program cannot be run or the maps cannot be read.
    pub(super) fn evaluate_hello(&self, to: IpAddr, server_name: &str) -> Result<Evaluation> {
        match self {
            Self::Program(question) => {
                let answer = question.run_client_hello(to, server_name)?;
                Ok(Evaluation::new(answer.reason, answer.passes))
            }
            Self::Rule(maps, positions) => {
                let verdicts: Result<Vec<_>> = positions
                    .iter()
                    .map(|position| position.evaluate_hello(maps, address(to), server_name))
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

impl CgroupPosition {
    fn evaluate(&self, maps: &Maps, flow: &Flow) -> Result<Evaluation> {
        let Self::Inside(cgroups) = self else {
            return Ok(Evaluation::outside());
        };
        let decision = decide(flow, &LivePolicy::new(maps, cgroups.clone())?);
        verdict(maps, decision.reason)
    }

    fn evaluate_hello(
        &self,
        maps: &Maps,
        destination: Address,
        server_name: &str,
    ) -> Result<Evaluation> {
        let Self::Inside(cgroups) = self else {
            return Ok(Evaluation::outside());
        };
        let policy = LivePolicy::new(maps, cgroups.clone())?;
        let transport = Transport::Tcp(443);
        let flow = Flow {
            destination,
            transport,
        };
        let decision = decide(&flow, &policy);
        verdict(
            maps,
            policy.check_client_hello(&flow, decision, server_name),
        )
    }
}

fn verdict(maps: &Maps, reason: Reason) -> Result<Evaluation> {
    let audits = maps.settings()?.switches.audits();
    Ok(Evaluation::new(reason, !reason.denies() || audits))
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
