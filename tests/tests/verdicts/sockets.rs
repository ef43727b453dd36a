//! Every way that a socket has to get a packet out, first with nothing enforced, then with everything.
//! What counts is what reaches the other end of the link.

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

/// More connections than there are cases: nobody accepts them.
const BACKLOG: i32 = 4096;

/// Packets that arrived for either address of a case.
fn arrived(counter: &PacketCounter, case: &Case) -> Result<u64> {
    let [to, via] = case.counted.map(|address| IpNet::from(address).to_string());
    counter.packets_to(&[&to, &via])
}

/// A server behind every address of the cloud, so that connections come about.
pub(crate) fn listen(fixture: &Fixture) -> Result<Socket> {
    fixture.network.cloud().run(|| {
        let server = Socket::new(Domain::IPV6, Type::STREAM, None)?;
        server.set_only_v6(false)?;
        server.bind(&"[::]:443".parse::<SocketAddr>()?.into())?;
        server.listen(BACKLOG)?;
        Ok(server)
    })
}

/// What each case came to: how its calls ended, and how many of its packets arrived.
fn run(fixture: &mut Fixture, cases: &[Case], enforce: bool) -> Result<Vec<(Outcome, u64)>> {
    let procs = fixture
        .outside
        .path()
        .join("cgroup.procs")
        .display()
        .to_string();
    let probes: Vec<Probe> = cases.iter().map(|case| case.attempt(&procs)).collect();
    let begun = fixture.start(&fixture.device, &probes)?;
    if enforce {
        fixture.attach()?;
    }
    let counter = PacketCounter::watch(&fixture.network)?;
    let outcomes = begun.go(|| Ok(()))?;
    // Behind everything else on the link: when this is there, so is all that came before.
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
fn no_way_leads_to_a_closed_address_and_https_to_allowed_ones() -> Result<()> {
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

    let free = run(&mut fixture, &cases, false)?;
    let enforced = run(&mut fixture, &cases, true)?;
    let results: Vec<Tried> = cases
        .iter()
        .zip(free)
        .zip(enforced)
        .map(|((case, free), enforced)| Tried {
            case,
            free,
            enforced,
        })
        .collect();
    let passing = cases.iter().filter(|case| case.passes).count();
    let unsupported = results.iter().filter(|tried| tried.is_unsupported());
    let unsupported: BTreeSet<&str> = unsupported.map(|tried| tried.case.method).collect();
    eprintln!("{} cases denied, {passing} pass", cases.len() - passing);
    for method in unsupported {
        eprintln!("NOT RUN: {method}: this kernel lacks it");
    }
    let wrong: Vec<String> = results.iter().filter_map(Tried::complaint).collect();
    assert_eq!(wrong, [""; 0]);
    let fastest = refusal_times(&results).fold(f64::MAX, f64::min);
    let slowest = refusal_times(&results).fold(0.0, f64::max);
    eprintln!("connect is refused in {fastest:.2} to {slowest:.2} ms");
    assert!(fastest < 10.0, "refused at once, not by a timeout");
    Ok(())
}

/// A case without and with enforcement: how its calls ended, and how many of its packets arrived.
struct Tried<'a> {
    case: &'a Case,
    free: (Outcome, u64),
    enforced: (Outcome, u64),
}

impl Tried<'_> {
    fn is_unsupported(&self) -> bool {
        self.case.is_optional && self.free.0.errno.is_some() && self.free.1 == 0
    }

    /// What is not as it should be.
    fn complaint(&self) -> Option<String> {
        let (outcome, arrived) = self.enforced;
        let gets_out = self.free.1 > 0;
        let tells = !self.case.is_silent && self.free.0.errno.is_none();
        let problem = if !gets_out && !self.case.is_uncounted && !self.is_unsupported() {
            "does not get out even when nothing is enforced"
        } else if self.case.passes && gets_out && arrived == 0 {
            "is to pass"
        } else if !self.case.passes && arrived > 0 {
            "NOT DENIED"
        } else if !self.case.passes && tells && outcome.errno != EPERM {
            "denied, but the call does not say so"
        } else {
            return None;
        };
        let name = self.case.name();
        Some(format!(
            "{name}: {problem}: {:?}, enforced {:?}",
            self.free, self.enforced
        ))
    }
}

/// How long `connect` to a closed address took, in milliseconds.
fn refusal_times(results: &[Tried<'_>]) -> impl Iterator<Item = f64> {
    let connects = results
        .iter()
        .filter(|tried| tried.case.method == "tcp" && !tried.case.passes);
    connects.map(|tried| tried.enforced.0.milliseconds)
}
