//! Two versions that judge each packet over one flow state, as during a hand-over: what leaves is what both allow.

use std::collections::BTreeMap;
use std::ops::Range;

use enforcer_common::Reason;
use enforcer_common::layout::{Deadline, VERSION};
use test_data::Random;
use test_data::client_hello::ClientHello;

use crate::fixture::{ACK, ADDRESS, Client, ELSEWHERE, NAME, TestPolicy};

/// A name that only one version grants: the first one of [`policies`], or the second.
const FIRST: &str = NAME;
const SECOND: &str = ELSEWHERE;
const BOTH: &str = "contoso.eastus.data.azurecr.io";
const NONE: &str = "evil.io";
/// Number of random connections.
const CONNECTIONS: u32 = 30_000;
const SEGMENTS: u32 = 10;

/// Returns the policies of two versions.
fn policies() -> [TestPolicy; 2] {
    let first = TestPolicy::new();
    let mut second = TestPolicy::new();
    second.grants.remove(&1);
    second.grant_until(3, 0, Deadline::MAX);
    second.epoch = 2;
    second.version = VERSION + 1;
    [first, second]
}

/// Both orders in which the programs may be attached.
fn orders() -> [[TestPolicy; 2]; 2] {
    let [first, second] = policies();
    [[first.clone(), second.clone()], [second, first]]
}

/// Sends a segment past both programs: each judges it, whatever the other one returns.
fn send(
    client: &mut Client,
    order: &[TestPolicy; 2],
    bytes: &[u8],
    range: Range<usize>,
) -> [Result<(), Reason>; 2] {
    [0, 1].map(|at| client.send_range(&order[at], bytes, range.clone()))
}

fn leaves(verdicts: [Result<(), Reason>; 2]) -> bool {
    verdicts == [Ok(()); 2]
}

fn hellos(name: &str) -> [Vec<u8>; 3] {
    let [first, last] = [0, usize::MAX].map(|place| ClientHello::tls13(name, place).bytes());
    [ClientHello::tls12(name).bytes(), first, last]
}

#[test]
fn hello_leaves_only_if_both_versions_grant_its_name() {
    for order in orders() {
        for (name, expected) in [(FIRST, false), (SECOND, false), (NONE, false), (BOTH, true)] {
            for bytes in hellos(name) {
                let end = bytes.len();
                for cut in (0..end).step_by(13) {
                    let mut client = Client::new(&order[0]);
                    let mut left = true;
                    for range in [0..cut, cut..end]
                        .into_iter()
                        .filter(|range| !range.is_empty())
                    {
                        // TCP sends a denied segment again.
                        left &= (0..3)
                            .any(|_| leaves(send(&mut client, &order, &bytes, range.clone())));
                    }
                    assert_eq!(left, expected, "{name} cut at {cut}");
                }
            }
        }
    }
}

#[test]
fn connection_that_both_versions_verify_continues() {
    for order in orders() {
        for mut bytes in hellos(BOTH) {
            let hello = bytes.len();
            bytes.extend([23, 3, 3, 0, 3, 1, 0, 0]);
            let mut client = Client::new(&order[0]);
            for range in [0..hello, 0..hello, hello..bytes.len(), hello..bytes.len()] {
                assert!(leaves(send(&mut client, &order, &bytes, range)));
            }
            for policy in &order {
                let at = bytes.len() as u32;
                assert_eq!(client.send(policy, ADDRESS, ACK, at, b"more"), Ok(()));
                assert_eq!(client.verified(policy), Some(Reason::AllowedName));
            }
        }
    }
}

/// The second ClientHello would take the first one, which one version denies, past that version.
#[test]
fn second_hello_does_not_continue_what_one_version_rejected() {
    for order in orders() {
        for name in [FIRST, SECOND] {
            let first = ClientHello::tls13(name, 0).bytes();
            let bytes = [&first[..], &ClientHello::tls13(BOTH, 0).bytes()].concat();
            let mut client = Client::new(&order[0]);
            assert!(!leaves(send(&mut client, &order, &bytes, 0..first.len())));
            for range in [first.len()..bytes.len(), 0..first.len()] {
                assert!(!leaves(send(&mut client, &order, &bytes, range)), "{name}");
            }
        }
    }
}

#[test]
fn connection_continues_once_the_version_that_rejected_it_grants_the_name() {
    for order in orders() {
        let granting = order.clone().map(|mut policy| {
            policy.names.insert(NONE.to_owned(), 2);
            policy
        });
        for bytes in hellos(NONE) {
            let all = 0..bytes.len();
            let mut client = Client::new(&order[0]);
            assert!(!leaves(send(&mut client, &order, &bytes, all.clone())));
            let mut other = client.clone();
            assert!(leaves(send(&mut client, &granting, &bytes, all.clone())));
            // The other version does not know whether the first one still judges.
            let other = other.send_range(&granting[1], &bytes, all);
            assert_eq!(other, Err(Reason::ServerNameUnknown));
        }
    }
}

/// One version, in turns, with the programs of a restarted daemon.
#[test]
fn two_programs_of_one_version_judge_like_one() {
    let order = [TestPolicy::new(), TestPolicy::new()];
    for bytes in hellos(NAME) {
        for cut in (1..bytes.len()).step_by(7) {
            let mut client = Client::new(&order[0]);
            for range in [
                0..cut,
                0..cut,
                cut..bytes.len(),
                cut..bytes.len(),
                0..bytes.len(),
            ] {
                assert!(leaves(send(&mut client, &order, &bytes, range)), "{cut}");
            }
        }
    }
}

/// A stream of two ClientHellos, with the ends of their names.
struct Stream {
    bytes: Vec<u8>,
    names: [(&'static str, usize); 2],
}

fn streams() -> Vec<Stream> {
    let names = [FIRST, SECOND, BOTH, NONE];
    let pairs = names
        .into_iter()
        .flat_map(|one| names.map(|two| [one, two]));
    let stream = |pair: [&'static str; 2]| {
        let hellos = pair.map(|name| ClientHello::tls13(name, 0).bytes());
        let end = |name: &str, hello: &[u8]| {
            let found = hello
                .windows(name.len())
                .position(|part| part == name.as_bytes());
            found.map_or(0, |at| at + name.len())
        };
        let [one, two] = [0, 1].map(|at| end(pair[at], &hellos[at]));
        Stream {
            names: [(pair[0], one), (pair[1], hellos[0].len() + two)],
            bytes: hellos.concat(),
        }
    };
    pairs.map(stream).collect()
}

/// Sends random parts of random streams past both programs, in either order; checks that the bytes that left lead to no name that one of them denies.
#[test]
fn no_sequence_of_segments_takes_a_name_past_one_version() {
    let streams = streams();
    let orders = orders();
    let mut random = Random::new(0x000f_f1ce);
    let mut verified = 0;
    for _ in 0..CONNECTIONS {
        let order = &orders[random.below(2)];
        let mut client = Client::new(&order[0]);
        let mut left = BTreeMap::new();
        let mut begin = 0;
        for _ in 0..SEGMENTS {
            let stream = &streams[random.below(streams.len())];
            let [(_, one), (_, two)] = stream.names;
            let hello = stream.bytes.len() / 2;
            let ends = [
                one - 3,
                one,
                one + 9,
                hello,
                two - 3,
                two,
                stream.bytes.len(),
            ];
            let from = if random.one_in(3) { 0 } else { begin };
            let to = ends[random.below(ends.len())].min(stream.bytes.len());
            if from >= to {
                continue;
            }
            if leaves(send(&mut client, order, &stream.bytes, from..to)) {
                left.extend((from..to).map(|at| (at, stream.bytes[at])));
                begin = begin.max(to);
            }
        }
        for stream in &streams {
            for (name, end) in stream.names {
                let has_left = (0..end).all(|at| left.get(&at) == Some(&stream.bytes[at]));
                assert!(!has_left || name == BOTH, "{name}");
                verified += u32::from(has_left);
            }
        }
    }
    assert!(verified > CONNECTIONS / 100, "{verified}");
}
