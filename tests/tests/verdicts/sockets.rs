//! Every way that a socket has to get a packet out, first with nothing enforced, then with everything.
//! What counts is what reaches the other end of the link.

mod ways;

use std::{
    collections::BTreeSet,
    net::{IpAddr, SocketAddr},
};

use anyhow::Result;
use enforcer::policy::Inputs;
use ipnet::IpNet;
use lab::wire::Wire;
use socket2::{Domain, Socket, Type};

use crate::stage::{EPERM, Outcome, Stage, Try, await_true, protected};
use ways::{Case, Target, cases};

/// More connections than there are cases: nobody accepts them.
const BACKLOG: i32 = 4096;

/// Packets that arrived for either address of a case.
fn arrived(wire: &Wire, case: &Case) -> Result<u64> {
    let [to, via] = case.counted.map(|address| IpNet::from(address).to_string());
    wire.packets_to(&[&to, &via])
}

/// A server behind every address of the cloud, so that connections come about.
fn listen(stage: &Stage) -> Result<Socket> {
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
    let mut wrong = Vec::new();
    let mut lacking = BTreeSet::new();
    let (mut denied, mut passed) = (0, 0);
    for ((case, free), (outcome, count)) in cases.iter().zip(&free).zip(&enforced) {
        if case.may_lack && free.0.errno.is_some() && free.1 == 0 {
            lacking.insert((case.way, free.0.errno));
        } else if !case.is_blind && free.1 == 0 {
            wrong.push(format!(
                "{}: does not get out even when nothing is enforced: {free:?}",
                case.name()
            ));
        }
        if case.passes {
            passed += 1;
            if *count == 0 && free.1 > 0 {
                wrong.push(format!("{}: is to pass: {outcome:?}", case.name()));
            }
            continue;
        }
        denied += 1;
        if *count > 0 {
            wrong.push(format!(
                "{}: NOT DENIED: {count} packets, {outcome:?}",
                case.name()
            ));
        }
        if !case.is_silent && free.0.errno.is_none() && outcome.errno != EPERM {
            wrong.push(format!(
                "{}: denied, but the call says {outcome:?}",
                case.name()
            ));
        }
    }
    let connects = cases
        .iter()
        .zip(&enforced)
        .filter(|(case, _)| case.way == "tcp" && !case.passes);
    let times: Vec<f64> = connects
        .map(|(_, (outcome, _))| outcome.milliseconds)
        .collect();
    let fastest = times.iter().copied().fold(f64::MAX, f64::min);
    let slowest = times.iter().copied().fold(0.0, f64::max);
    eprintln!(
        "{denied} cases denied, {passed} pass; connect is refused in {fastest:.2} to {slowest:.2} ms"
    );
    for (way, errno) in lacking {
        eprintln!("NOT RUN: {way}: this kernel lacks it (errno {errno:?})");
    }
    assert_eq!(wrong, [""; 0]);
    assert!(fastest < 10.0, "refused at once, not by a timeout");
    Ok(())
}
