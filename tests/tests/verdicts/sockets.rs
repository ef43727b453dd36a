//! Every method by which a socket can send a packet, first without and then with enforcement. The tests
//! count the packets that reach the other end of the link.

mod send_methods;

use std::{
    collections::BTreeSet,
    net::{IpAddr, SocketAddr},
};

use anyhow::Result;
use enforcer::policy::Inputs;
use ipnet::IpNet;
use lab::topology::packet_counter::PacketCounter;
use socket2::{Domain, Socket, Type};

use crate::fixture::{EPERM, Fixture, Outcome, Probe, await_true, protected};
use send_methods::{Case, Target, cases};

/// More connections than there are cases; they are never accepted.
const BACKLOG: i32 = 4096;

/// Returns the number of packets that arrived for either address of a case.
fn arrived(counter: &PacketCounter, case: &Case) -> Result<u64> {
    let [to, via] = case.counted.map(|address| IpNet::from(address).to_string());
    counter.packets_to(&[&to, &via])
}

/// Opens a server at every address of the cloud, so that connections succeed.
pub(crate) fn listen(fixture: &Fixture) -> Result<Socket> {
    fixture.network.cloud().run(|| {
        let server = Socket::new(Domain::IPV6, Type::STREAM, None)?;
        server.set_only_v6(false)?;
        server.bind(&"[::]:443".parse::<SocketAddr>()?.into())?;
        server.listen(BACKLOG)?;
        Ok(server)
    })
}

/// Runs every case; returns the outcomes of its calls and the number of packets that arrived.
fn run(fixture: &mut Fixture, cases: &[Case], enforce: bool) -> Result<Vec<(Outcome, u64)>> {
    let procs = fixture
        .outside
        .path()
        .join("cgroup.procs")
        .display()
        .to_string();
    let probes: Vec<Probe> = cases.iter().map(|case| case.attempt(&procs)).collect();
    let pending = fixture.start(&fixture.device, &probes)?;
    if enforce {
        fixture.attach()?;
    }
    let counter = PacketCounter::watch(&fixture.network)?;
    let outcomes = pending.go(|| Ok(()))?;
    // The link preserves order: when this packet has arrived, so have all packets before it.
    let last: IpAddr = "198.18.255.255".parse()?;
    fixture.run(&fixture.outside, &[Probe::plain("udp-sendto", last)])?;
    await_true("the last packet arrives", || {
        Ok(counter.packets_to(&["198.18.255.255/32"])? > 0)
    })?;
    let counts = cases.iter().map(|case| arrived(&counter, case));
    let counts: Result<Vec<u64>> = counts.collect();
    Ok(outcomes.into_iter().zip(counts?).collect())
}

#[test]
fn no_send_method_reaches_a_protected_address_and_https_reaches_allowed_ones() -> Result<()> {
    let mut fixture = Fixture::new()?;
    let _server = listen(&fixture)?;
    let cases = cases();
    let allowed = cases.iter().filter(|case| case.target == Target::Allowed);
    let inputs = Inputs {
        default_allow: true,
        allowed: allowed.map(|case| case.judged).collect(),
        ..Inputs::default()
    };
    fixture.loaded.apply(&protected(), &inputs)?;

    let baseline = run(&mut fixture, &cases, false)?;
    let enforced = run(&mut fixture, &cases, true)?;
    let results: Vec<Comparison> = cases
        .iter()
        .zip(baseline)
        .zip(enforced)
        .map(|((case, baseline), enforced)| Comparison {
            case,
            baseline,
            enforced,
        })
        .collect();
    let passing = cases.iter().filter(|case| case.passes).count();
    let unsupported = results
        .iter()
        .filter(|comparison| comparison.is_unsupported());
    let unsupported: BTreeSet<&str> = unsupported
        .map(|comparison| comparison.case.method)
        .collect();
    eprintln!("{} cases denied, {passing} pass", cases.len() - passing);
    for method in unsupported {
        eprintln!("NOT RUN: {method}: not supported by this kernel");
    }
    let wrong: Vec<String> = results.iter().filter_map(Comparison::complaint).collect();
    assert_eq!(wrong, [""; 0]);
    let fastest = refusal_times(&results).fold(f64::MAX, f64::min);
    let slowest = refusal_times(&results).fold(0.0, f64::max);
    eprintln!("connect is refused in {fastest:.2} to {slowest:.2} ms");
    assert!(fastest < 10.0, "the refusal is immediate, not a timeout");
    Ok(())
}

/// The results of a case without and with enforcement: outcome of its calls, and number of packets that arrived.
struct Comparison<'a> {
    case: &'a Case,
    baseline: (Outcome, u64),
    enforced: (Outcome, u64),
}

impl Comparison<'_> {
    fn is_unsupported(&self) -> bool {
        self.case.is_optional && self.baseline.0.errno.is_some() && self.baseline.1 == 0
    }

    /// Returns a description of an unexpected result.
    fn complaint(&self) -> Option<String> {
        let (outcome, arrived) = self.enforced;
        let is_sent = self.baseline.1 > 0;
        let reports_errors = !self.case.is_silent && self.baseline.0.errno.is_none();
        let problem = if !is_sent && !self.case.is_uncounted && !self.is_unsupported() {
            "sends nothing even without enforcement"
        } else if self.case.passes && is_sent && arrived == 0 {
            "must be allowed"
        } else if !self.case.passes && arrived > 0 {
            "NOT DENIED"
        } else if !self.case.passes && reports_errors && outcome.errno != EPERM {
            "denied, but the call does not fail with EPERM"
        } else {
            return None;
        };
        let name = self.case.name();
        Some(format!(
            "{name}: {problem}: {:?}, enforced {:?}",
            self.baseline, self.enforced
        ))
    }
}

/// Returns the durations of `connect` to protected addresses in milliseconds.
fn refusal_times(results: &[Comparison<'_>]) -> impl Iterator<Item = f64> {
    let connects = results
        .iter()
        .filter(|comparison| comparison.case.method == "tcp" && !comparison.case.passes);
    connects.map(|comparison| comparison.enforced.0.milliseconds)
}
