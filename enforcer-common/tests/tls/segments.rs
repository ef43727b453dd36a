//! Segmentation: the verdict does not depend on where segments end or on what is sent twice.

use enforcer_common::Reason;
use enforcer_common::layout::Deadline;
use enforcer_common::tls::{
    NameKeys, NewBytes, ParserScratch, ParserState, Progress, RECORDED_BYTES, Segment, SentBytes,
};

use crate::fixture::{ACK, ADDRESS, Client, NAME, TestPolicy, outcome, outcome_at_once};
use crate::payload::{AT, Payload};
use test_data::Random;
use test_data::client_hello::{ClientHello, extension::PADDING, records_of, server_name};

const WILD_NAME: &str = "contoso.eastus.data.azurecr.io";

fn hellos() -> Vec<(Vec<u8>, Result<bool, Reason>)> {
    let mut hellos = Vec::new();
    for name in [NAME, WILD_NAME] {
        hellos.push((ClientHello::tls12(name).bytes(), Ok(true)));
        for place in [0, 4, usize::MAX] {
            hellos.push((ClientHello::tls13(name, place).bytes(), Ok(true)));
        }
    }
    let twice = vec![server_name(NAME.as_bytes()), server_name(NAME.as_bytes())];
    let denied = [
        (ClientHello::tls12("example.com"), Reason::ServerNameUnknown),
        (
            ClientHello::tls12("fabrikam.azurecr.io"),
            Reason::ServerNameElsewhere,
        ),
        (ClientHello::tls12("contoso..io"), Reason::HelloUnreadable),
        (ClientHello::with_extensions(twice), Reason::HelloUnreadable),
        (
            ClientHello::with_extensions(vec![(PADDING, vec![0; 9])]),
            Reason::NoServerName,
        ),
    ];
    hellos.extend(denied.map(|(hello, reason)| (hello.bytes(), Err(reason))));
    for (hello, expected) in [
        (ClientHello::tls12(NAME), Ok(true)),
        (ClientHello::tls12(WILD_NAME), Ok(true)),
        (ClientHello::tls13(NAME, 4), Ok(true)),
        (
            ClientHello::tls12("example.com"),
            Err(Reason::ServerNameUnknown),
        ),
    ] {
        let message = hello.message();
        for size in [message.len().div_ceil(64), message.len() / 9] {
            hellos.push((records_of(&message, size), expected));
        }
    }
    hellos
}

#[test]
fn verdict_is_the_same_in_any_two_segments() {
    let policy = TestPolicy::new();
    for (bytes, expected) in hellos() {
        assert_eq!(outcome_at_once(&policy, &bytes), expected);
        for cut in 1..bytes.len() {
            assert_eq!(outcome(&policy, &bytes, &[cut]), expected, "at {cut}");
        }
    }
}

/// For small ClientHellos, the verdict in every three segments. The next test implies it for any number of segments.
#[test]
fn verdict_of_a_small_hello_is_the_same_in_any_three_segments() {
    let policy = TestPolicy::new();
    let is_short = |(bytes, _): &(Vec<u8>, _)| bytes.len() < 200;
    for (bytes, expected) in hellos().into_iter().filter(is_short) {
        for second in 2..bytes.len() {
            for first in 1..second {
                let cuts = [first, second];
                assert_eq!(outcome(&policy, &bytes, &cuts), expected, "at {cuts:?}");
            }
        }
    }
}

/// If the state after a segment that ends at `to` is the same whatever preceded it, then it is the same after any number of segments.
#[test]
fn parser_state_does_not_depend_on_earlier_segment_boundaries() {
    for (bytes, expected) in hellos() {
        let started = (ParserState::START, NameKeys::EMPTY);
        let at_once: Vec<Known> = (0..=bytes.len())
            .map(|to| read_on(started, &bytes, 0, to))
            .collect();
        assert!(expected.is_err() || at_once.iter().all(Result::is_ok));
        for (from, known) in at_once.iter().enumerate().skip(1) {
            let Ok((_, state, keys)) = known else {
                continue;
            };
            for (to, expected) in at_once.iter().enumerate().skip(from + 1) {
                let known = read_on((*state, *keys), &bytes, from, to);
                assert!(known == *expected, "{from} and {to} of {bytes:?}");
            }
        }
    }
}

/// The state of the parser between two segments, or the denial.
type Known = Result<(Progress, ParserState, NameKeys), Reason>;

fn read_on(before: (ParserState, NameKeys), bytes: &[u8], from: usize, to: usize) -> Known {
    let (state, keys) = before;
    let mut scratch = ParserScratch { state, keys };
    // So far behind the first byte that nothing is recorded.
    let new = NewBytes {
        sent: &SentBytes::EMPTY,
        from: RECORDED_BYTES,
        at: AT + from as u32,
        len: (to - from) as u32,
    };
    let read = Payload(&bytes[..to]).parse(&mut scratch, new)?;
    // The offset of a segment does not matter to the next one, which begins in the same way.
    scratch.begin(0, 0);
    Ok((read, scratch.state, scratch.keys))
}

#[test]
fn verdict_is_the_same_byte_by_byte() {
    let policy = TestPolicy::new();
    for (bytes, expected) in hellos() {
        let cuts: Vec<usize> = (1..bytes.len()).collect();
        assert_eq!(outcome(&policy, &bytes, &cuts), expected);
    }
}

#[test]
fn only_a_complete_hello_is_verified() {
    let policy = TestPolicy::new();
    for place in [0, 4, usize::MAX] {
        let bytes = ClientHello::tls13(NAME, place).bytes();
        for to in 0..bytes.len() {
            let mut client = Client::new(&policy);
            assert_eq!(client.send_range(&policy, &bytes, 0..to), Ok(()));
            assert_eq!(client.verified(&policy), None, "after {to} bytes");
        }
    }
}

#[test]
fn retransmissions_pass_and_change_nothing() {
    let policy = TestPolicy::new();
    let bytes = ClientHello::tls13(NAME, 4).bytes();
    for cut in 1..bytes.len() {
        let mut client = Client::new(&policy);
        assert_eq!(client.send_range(&policy, &bytes, 0..cut), Ok(()));
        assert_eq!(client.send_range(&policy, &bytes, 0..cut), Ok(()));
        assert_eq!(client.send_range(&policy, &bytes, cut / 2..cut), Ok(()));
        assert_eq!(client.send_range(&policy, &bytes, cut..bytes.len()), Ok(()));
        assert_eq!(client.verified(&policy), Some(Reason::AllowedName));
        assert_eq!(client.send_range(&policy, &bytes, 0..bytes.len()), Ok(()));
    }
}

#[test]
fn overlapping_segments_are_parsed_once() {
    let policy = TestPolicy::new();
    let bytes = ClientHello::tls13(NAME, 4).bytes();
    let mut random = Random::new(4);
    for _ in 0..20_000 {
        let mut client = Client::new(&policy);
        let mut sent = 0;
        while sent < bytes.len() {
            let from = random.below(sent + 1);
            let to = (from + 1 + random.below(900)).min(bytes.len());
            assert_eq!(client.send_range(&policy, &bytes, from..to), Ok(()));
            sent = sent.max(to);
            let is_whole = client.verified(&policy).is_some();
            assert_eq!(is_whole, sent == bytes.len());
        }
    }
}

#[test]
fn sequence_numbers_wrap_around() {
    let policy = TestPolicy::new();
    let bytes = ClientHello::tls13(NAME, 4).bytes();
    for start in [u32::MAX, u32::MAX - 1, u32::MAX - 700, 0, 1 << 31] {
        let mut client = Client::from(start, &policy);
        let cut = 1000;
        assert_eq!(client.send_range(&policy, &bytes, 0..cut), Ok(()));
        assert_eq!(client.send_range(&policy, &bytes, 0..cut), Ok(()));
        assert_eq!(client.send_range(&policy, &bytes, 600..bytes.len()), Ok(()));
        assert_eq!(client.verified(&policy), Some(Reason::AllowedName));
    }
}

#[test]
fn segment_with_a_gap_is_denied_until_the_gap_is_filled() {
    let policy = TestPolicy::new();
    let bytes = ClientHello::tls13(NAME, 4).bytes();
    let mut client = Client::new(&policy);
    let early = client.send_range(&policy, &bytes, 500..bytes.len());
    assert_eq!(early, Err(Reason::HelloOutOfOrder));
    assert_eq!(client.send_range(&policy, &bytes, 0..400), Ok(()));
    let early = client.send_range(&policy, &bytes, 401..bytes.len());
    assert_eq!(early, Err(Reason::HelloOutOfOrder));
    assert_eq!(client.send_range(&policy, &bytes, 400..bytes.len()), Ok(()));
    assert_eq!(client.verified(&policy), Some(Reason::AllowedName));
}

#[test]
fn bytes_after_the_hello_pass_with_it() {
    let policy = TestPolicy::new();
    let mut bytes = ClientHello::tls12(NAME).bytes();
    bytes.extend([20, 3, 3, 0, 1, 1]);
    assert_eq!(outcome_at_once(&policy, &bytes), Ok(true));
}

#[test]
fn denied_beginning_does_not_admit_the_rest() {
    let policy = TestPolicy::new();
    for (hello, reason) in [
        (
            ClientHello::tls13("example.com", 4),
            Reason::ServerNameUnknown,
        ),
        (
            ClientHello::tls13("fabrikam.azurecr.io", 4),
            Reason::ServerNameElsewhere,
        ),
        (
            ClientHello::tls13("contoso..io", 4),
            Reason::HelloUnreadable,
        ),
    ] {
        let bytes = hello.bytes();
        let mut client = Client::new(&policy);
        assert_eq!(
            client.send_range(&policy, &bytes, 0..bytes.len()),
            Err(reason)
        );
        for to in [1, 5, 100, 300, bytes.len()] {
            assert_eq!(
                client.send_range(&policy, &bytes, 0..to),
                Err(reason),
                "to {to}"
            );
        }
        assert_eq!(client.verified(&policy), None);
    }
}

#[test]
fn denied_hello_passes_once_its_name_is_allowed_and_it_is_sent_whole() {
    for (name, id) in [("fabrikam.azurecr.io", 3), ("new.azurecr.io", 4)] {
        let mut policy = TestPolicy::new();
        let bytes = ClientHello::tls13(name, 4).bytes();
        let mut client = Client::new(&policy);
        assert_eq!(client.send_range(&policy, &bytes, 0..100), Ok(()));
        let denied = client.send_range(&policy, &bytes, 100..bytes.len());
        assert!(denied.is_err());
        policy.names.insert(name.to_owned(), id);
        policy.grant_until(id, 0, Deadline::MAX);
        assert_eq!(client.send_range(&policy, &bytes, 100..200), denied);
        assert_eq!(client.send_range(&policy, &bytes, 100..bytes.len()), Ok(()));
        assert_eq!(client.verified(&policy), Some(Reason::AllowedName));
    }
}

#[test]
fn name_that_is_revoked_within_the_hello_is_denied() {
    let mut policy = TestPolicy::new();
    let bytes = ClientHello::tls13(NAME, 0).bytes();
    let mut client = Client::new(&policy);
    assert_eq!(client.send_range(&policy, &bytes, 0..600), Ok(()));
    policy.grants.clear();
    let rest = client.send(&policy, ADDRESS, ACK, 600, &bytes[600..]);
    assert_eq!(rest, Err(Reason::ServerNameElsewhere));
    assert_eq!(client.verified(&policy), None);
}
