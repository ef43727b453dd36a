//! ClientHellos in several TCP segments.

use anyhow::Result;
use lab::{
    CONTOSO_LOGIN, Lab, MALLORY_LOGIN,
    clients::tls_client::{Attempt, Exchange, PULL, Payload, hello},
    fixtures::enforcer::Enforcer,
    topology::capture::{Capture, Flow},
};
use test_data::Random;

use crate::{BRIEFLY, LOGIN, LONG, REGIONS, attempt_all, contains_name, ip};

/// Number of tested splits in three segments, for each size.
const IN_THREE: usize = 500;

#[test]
fn a_segmented_hello_is_allowed_for_contoso_and_no_complete_name_of_another_tenant_arrives()
-> Result<()> {
    let lab = Lab::start()?;
    let capture = Capture::watch(lab.network())?;
    let some = attempts(MALLORY_LOGIN, false, LONG)?.into_iter().step_by(7);
    let baseline = attempt_all(&lab, some.collect())?;
    assert_eq!(unanswered(&baseline), Vec::<&Exchange>::new());
    let flows = capture.take()?;
    assert!(flows.iter().all(|flow| contains_name(flow, MALLORY_LOGIN)));
    let enforcer = Enforcer::start(&lab, &REGIONS, "")?;
    enforcer.await_names()?;
    for large in [false, true] {
        let exchange = attempt_all(&lab, attempts(CONTOSO_LOGIN, large, LONG)?)?;
        assert_eq!(unanswered(&exchange), Vec::<&Exchange>::new());
        capture.take()?;

        let exchange = attempt_all(&lab, attempts(MALLORY_LOGIN, large, BRIEFLY)?)?;
        assert_eq!(unanswered(&exchange).len(), exchange.len());
        let flows = capture.take()?;
        assert_eq!(flows.len(), exchange.len(), "a connection was not captured");
        // The kernel chooses segment boundaries, so the test only requires that no complete name arrives.
        let leaked: Vec<&Flow> = flows
            .iter()
            .filter(|flow| contains_name(flow, MALLORY_LOGIN))
            .collect();
        assert!(leaked.is_empty(), "{leaked:?}");
    }
    Ok(())
}

/// Returns attempts with a ClientHello split in two at every offset, over IPv4 and IPv6, and in three at random offsets, over both in turn.
fn attempts(name: &str, large: bool, patience: u64) -> Result<Vec<Attempt>> {
    let length = hello(name, large)?.len();
    let in_two = (1..length).flat_map(|at| [(0, vec![at]), (1, vec![at])]);
    let in_three = split_offsets(length).take(IN_THREE).enumerate();
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
fn split_offsets(length: usize) -> impl Iterator<Item = Vec<usize>> {
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
