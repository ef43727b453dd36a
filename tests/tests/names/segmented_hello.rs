//! ClientHellos that come in pieces.

use anyhow::Result;
use lab::{
    CONTOSO_LOGIN, Lab, MALLORY_LOGIN,
    clients::tls_client::{Attempt, Exchange, PULL, Payload, hello},
    fixtures::enforcer::Enforcer,
    topology::capture::{Capture, Flow},
};
use test_data::Random;

use crate::{BRIEFLY, LOGIN, LONG, REGIONS, attempt_all, holds, ip};

/// How many ways to cut a hello in three are tried, of each size.
const IN_THREE: usize = 500;

#[test]
fn a_hello_in_pieces_opens_contoso_and_no_neighbour_gets_its_whole_name() -> Result<()> {
    let lab = Lab::start()?;
    let capture = Capture::watch(lab.network())?;
    let some = ways(MALLORY_LOGIN, false, LONG)?.into_iter().step_by(7);
    let free = attempt_all(&lab, some.collect())?;
    assert_eq!(unanswered(&free), Vec::<&Exchange>::new());
    let came = capture.take()?;
    assert!(came.iter().all(|flow| holds(flow, MALLORY_LOGIN)));
    let enforcer = Enforcer::start(&lab, &REGIONS, "")?;
    enforcer.await_names()?;
    for large in [false, true] {
        let exchange = attempt_all(&lab, ways(CONTOSO_LOGIN, large, LONG)?)?;
        assert_eq!(unanswered(&exchange), Vec::<&Exchange>::new());
        capture.take()?;

        let exchange = attempt_all(&lab, ways(MALLORY_LOGIN, large, BRIEFLY)?)?;
        assert_eq!(unanswered(&exchange).len(), exchange.len());
        let flows = capture.take()?;
        assert_eq!(flows.len(), exchange.len(), "a connection is not seen");
        // Where segments end is the kernel's to say: what counts is that no name comes whole.
        let leaked: Vec<&Flow> = flows
            .iter()
            .filter(|flow| holds(flow, MALLORY_LOGIN))
            .collect();
        assert!(leaked.is_empty(), "{leaked:?}");
    }
    Ok(())
}

/// The client's attempts with a hello cut in two everywhere, over IPv4 and IPv6, and in three in some places, in turn.
fn ways(name: &str, large: bool, patience: u64) -> Result<Vec<Attempt>> {
    let length = hello(name, large)?.len();
    let in_two = (1..length).flat_map(|at| [(0, vec![at]), (1, vec![at])]);
    let in_three = places(length).take(IN_THREE).enumerate();
    let attempt = |(number, cuts): (usize, Vec<usize>)| Attempt {
        to: (ip(LOGIN[number % 2]), 443).into(),
        payload: Payload::Handshake {
            name: name.to_owned(),
            large,
            request: PULL.to_owned(),
        },
        cuts,
        patience,
    };
    Ok(in_two.chain(in_three).map(attempt).collect())
}

/// Pairs of different places below `length`, in order: the same in each run.
fn places(length: usize) -> impl Iterator<Item = Vec<usize>> {
    let mut random = Random::new(0x5eed);
    let mut next = move || 1 + random.below(length - 1);
    std::iter::repeat_with(move || vec![next(), next()])
        .filter(|pair| pair[0] != pair[1])
        .map(|mut pair| {
            pair.sort_unstable();
            pair
        })
}

fn unanswered(exchange: &[Exchange]) -> Vec<&Exchange> {
    let is_unanswered = |exchange: &&Exchange| {
        let line = exchange.answer.as_deref();
        line.is_none_or(|line| line != "HTTP/1.1 200 OK")
    };
    exchange.iter().filter(is_unanswered).collect()
}
