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
use lab::topology::packet_counter::Wire;
use socket2::{Domain, Socket, Type};

use crate::fixture::{EPERM, Outcome, Stage, Try, await_true, protected};
use send_methods::{Case, Target, cases};

/// More connections than there are cases: nobody accepts them.
const BACKLOG: i32 = 4096;

/// Packets that arrived for either address of a case.
fn arrived(wire: &Wire, case: &Case) -> Result<u64> {
    let [to, via] = case.counted.map(|address| IpNet::from(address).to_string());
    wire.packets_to(&[&to, &via])
}

/// A server behind every address of the cloud, so that connections come about.
pub(crate) fn listen(stage: &Stage) -> Result<Socket> {
    stage.world.cloud().run(|| {
        let server = Socket::new(Domain::IPV6, Type::STREAM, None)?;
        server.set_only_v6(false)?;
        server.bind(&"[::]:443".parse::<SocketAddr>()?.into())?;
        server.listen(BACKLOG)?;
        Ok(server)
    })
}

/// What each case came to: how its calls ended, and how many of its packets arrived.
fn run(stage: &mut Stage, cases: &[Case], enforce: bool) -> Result<Vec<(Outcome, u64)>> {
    let procs = stage
        .outside
        .path()
        .join("cgroup.procs")
        .display()
        .to_string();
    let tries: Vec<Try> = cases.iter().map(|case| case.attempt(&procs)).collect();
    let begun = stage.start(&stage.device, &tries)?;
    if enforce {
        stage.attach()?;
    }
    let wire = Wire::watch(&stage.world)?;
    let outcomes = begun.go(|| Ok(()))?;
    // Behind everything else on the link: when this is there, so is all that came before.
    let last: IpAddr = "198.18.255.255".parse()?;
    stage.run(&stage.outside, &[Try::plain("udp-sendto", last)])?;
    await_true("the last packet arrives", || {
        Ok(wire.packets_to(&["198.18.255.255/32"])? > 0)
    })?;
    let counts = cases.iter().map(|case| arrived(&wire, case));
    let counts: Result<Vec<u64>> = counts.collect();
    Ok(outcomes.into_iter().zip(counts?).collect())
}

#[test]
fn no_way_leads_to_a_closed_address_and_https_to_allowed_ones() -> Result<()> {
    let mut stage = Stage::new()?;
    let _server = listen(&stage)?;
    let cases = cases();
    let allowed = cases.iter().filter(|case| case.target == Target::Allowed);
    let inputs = Inputs {
        default_allow: true,
        allowed: allowed.map(|case| case.judged).collect(),
        ..Inputs::default()
    };
    stage.loaded.apply(&protected(), &inputs)?;

    let free = run(&mut stage, &cases, false)?;
    let enforced = run(&mut stage, &cases, true)?;
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
    let lacking = results.iter().filter(|tried| tried.is_lacking());
    let lacking: BTreeSet<&str> = lacking.map(|tried| tried.case.way).collect();
    eprintln!("{} cases denied, {passing} pass", cases.len() - passing);
    for way in lacking {
        eprintln!("NOT RUN: {way}: this kernel lacks it");
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
    fn is_lacking(&self) -> bool {
        self.case.may_lack && self.free.0.errno.is_some() && self.free.1 == 0
    }

    /// What is not as it should be.
    fn complaint(&self) -> Option<String> {
        let (outcome, arrived) = self.enforced;
        let gets_out = self.free.1 > 0;
        let tells = !self.case.is_silent && self.free.0.errno.is_none();
        let problem = if !gets_out && !self.case.is_blind && !self.is_lacking() {
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
        .filter(|tried| tried.case.way == "tcp" && !tried.case.passes);
    connects.map(|tried| tried.enforced.0.milliseconds)
}
