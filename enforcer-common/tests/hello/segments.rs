//! However a hello is cut, and whatever is sent twice, it means the same.

use enforcer_common::Reason;
use enforcer_common::layout::Deadline;
use enforcer_common::tls::{NameKeys, ParserScratch, ParserState, Progress, Segment};

use crate::hello::{Hello, PADDING, message, records_of, server_name};
use crate::payload::{AT, Payload};
use crate::random::Random;
use crate::world::{ACK, ADDRESS, Client, NAME, World, outcome, whole};

const WILD_NAME: &str = "contoso.eastus.data.azurecr.io";

fn hellos() -> Vec<(Vec<u8>, Result<bool, Reason>)> {
    let mut hellos = Vec::new();
    for name in [NAME, WILD_NAME] {
        hellos.push((Hello::classic(name).bytes(), Ok(true)));
        for place in [0, 4, usize::MAX] {
            hellos.push((Hello::modern(name, place).bytes(), Ok(true)));
        }
    }
    let twice = vec![server_name(NAME.as_bytes()), server_name(NAME.as_bytes())];
    let refused = [
        (Hello::classic("example.com"), Reason::ServerNameUnknown),
        (
            Hello::classic("fabrikam.azurecr.io"),
            Reason::ServerNameElsewhere,
        ),
        (Hello::classic("contoso..io"), Reason::HelloUnreadable),
        (Hello::with(twice), Reason::HelloUnreadable),
        (
            Hello::with(vec![(PADDING, vec![0; 9])]),
            Reason::NoServerName,
        ),
    ];
    hellos.extend(refused.map(|(hello, reason)| (hello.bytes(), Err(reason))));
    for (hello, expected) in [
        (Hello::classic(NAME), Ok(true)),
        (Hello::classic(WILD_NAME), Ok(true)),
        (Hello::modern(NAME, 4), Ok(true)),
        (
            Hello::classic("example.com"),
            Err(Reason::ServerNameUnknown),
        ),
    ] {
        let message = message(&hello.body());
        for size in [message.len().div_ceil(64), message.len() / 9] {
            hellos.push((records_of(&message, size), expected));
        }
    }
    hellos
}

#[test]
fn a_hello_means_the_same_cut_at_any_byte() {
    let world = World::new();
    for (bytes, expected) in hellos() {
        assert_eq!(whole(&world, &bytes), expected);
        for cut in 1..bytes.len() {
            assert_eq!(outcome(&world, &bytes, &[cut]), expected, "at {cut}");
        }
    }
}

/// Of a classic hello the verdict, in every three segments; of all the reader's state, for any number of them.
#[test]
fn a_classic_hello_means_the_same_in_any_three_segments() {
    let world = World::new();
    let is_short = |(bytes, _): &(Vec<u8>, _)| bytes.len() < 200;
    for (bytes, expected) in hellos().into_iter().filter(is_short) {
        for second in 2..bytes.len() {
            for first in 1..second {
                let cuts = [first, second];
                assert_eq!(outcome(&world, &bytes, &cuts), expected, "at {cuts:?}");
            }
        }
    }
}

/// Where a segment that ends at `to` leads to the same state whatever came before it, so do any two, and any number of them.
#[test]
fn what_the_reader_knows_at_a_byte_does_not_depend_on_where_segments_ended_before() {
    for (bytes, expected) in hellos() {
        let started = (ParserState::START, NameKeys::EMPTY);
        let at_once: Vec<Known> = (0..=bytes.len())
            .map(|to| read_on(started, &bytes, 0, to))
            .collect();
        assert!(expected.is_err() || at_once.iter().all(Result::is_ok));
        for (from, known) in at_once.iter().enumerate().skip(1) {
            let Ok((_, reading, keys)) = known else {
                continue;
            };
            for (to, expected) in at_once.iter().enumerate().skip(from + 1) {
                let known = read_on((*reading, *keys), &bytes, from, to);
                assert!(known == *expected, "{from} and {to} of {bytes:?}");
            }
        }
    }
}

/// What a reader knows between two segments, or why the hello is denied.
type Known = Result<(Progress, ParserState, NameKeys), Reason>;

fn read_on(before: (ParserState, NameKeys), bytes: &[u8], from: usize, to: usize) -> Known {
    let (reading, keys) = before;
    let mut desk = ParserScratch {
        state: reading,
        keys,
    };
    let (at, len) = (AT + from as u32, (to - from) as u32);
    let read = Payload(&bytes[..to]).parse(&mut desk, at, len)?;
    // Where the segment was is of no meaning to the next one, which begins so.
    desk.begin(0, 0);
    Ok((read, desk.state, desk.keys))
}

#[test]
fn a_hello_means_the_same_byte_by_byte() {
    let world = World::new();
    for (bytes, expected) in hellos() {
        let cuts: Vec<usize> = (1..bytes.len()).collect();
        assert_eq!(outcome(&world, &bytes, &cuts), expected);
    }
}

#[test]
fn only_a_whole_hello_is_verified() {
    let world = World::new();
    for place in [0, 4, usize::MAX] {
        let bytes = Hello::modern(NAME, place).bytes();
        for to in 0..bytes.len() {
            let mut client = Client::new(&world);
            assert_eq!(client.part(&world, &bytes, 0..to), Ok(()));
            assert_eq!(client.verified(&world), None, "after {to} bytes");
        }
    }
}

#[test]
fn what_was_sent_before_passes_again_and_changes_nothing() {
    let world = World::new();
    let bytes = Hello::modern(NAME, 4).bytes();
    for cut in 1..bytes.len() {
        let mut client = Client::new(&world);
        assert_eq!(client.part(&world, &bytes, 0..cut), Ok(()));
        assert_eq!(client.part(&world, &bytes, 0..cut), Ok(()));
        assert_eq!(client.part(&world, &bytes, cut / 2..cut), Ok(()));
        assert_eq!(client.part(&world, &bytes, cut..bytes.len()), Ok(()));
        assert_eq!(client.verified(&world), Some(Reason::AllowedName));
        assert_eq!(client.part(&world, &bytes, 0..bytes.len()), Ok(()));
    }
}

#[test]
fn a_segment_that_overlaps_is_read_from_where_the_last_one_ended() {
    let world = World::new();
    let bytes = Hello::modern(NAME, 4).bytes();
    let mut random = Random::new(4);
    for _ in 0..20_000 {
        let mut client = Client::new(&world);
        let mut sent = 0;
        while sent < bytes.len() {
            let from = random.below(sent + 1);
            let to = (from + 1 + random.below(900)).min(bytes.len());
            assert_eq!(client.part(&world, &bytes, from..to), Ok(()));
            sent = sent.max(to);
            let is_whole = client.verified(&world).is_some();
            assert_eq!(is_whole, sent == bytes.len());
        }
    }
}

#[test]
fn sequence_numbers_start_anew_past_the_largest() {
    let world = World::new();
    let bytes = Hello::modern(NAME, 4).bytes();
    for start in [u32::MAX, u32::MAX - 1, u32::MAX - 700, 0, 1 << 31] {
        let mut client = Client::from(start, &world);
        let cut = 1000;
        assert_eq!(client.part(&world, &bytes, 0..cut), Ok(()));
        assert_eq!(client.part(&world, &bytes, 0..cut), Ok(()));
        assert_eq!(client.part(&world, &bytes, 600..bytes.len()), Ok(()));
        assert_eq!(client.verified(&world), Some(Reason::AllowedName));
    }
}

#[test]
fn a_segment_past_the_next_byte_is_denied_and_waited_for() {
    let world = World::new();
    let bytes = Hello::modern(NAME, 4).bytes();
    let mut client = Client::new(&world);
    let early = client.part(&world, &bytes, 500..bytes.len());
    assert_eq!(early, Err(Reason::HelloOutOfOrder));
    assert_eq!(client.part(&world, &bytes, 0..400), Ok(()));
    let early = client.part(&world, &bytes, 401..bytes.len());
    assert_eq!(early, Err(Reason::HelloOutOfOrder));
    assert_eq!(client.part(&world, &bytes, 400..bytes.len()), Ok(()));
    assert_eq!(client.verified(&world), Some(Reason::AllowedName));
}

#[test]
fn bytes_behind_the_hello_pass_with_it() {
    let world = World::new();
    let mut bytes = Hello::classic(NAME).bytes();
    bytes.extend([20, 3, 3, 0, 1, 1]);
    assert_eq!(whole(&world, &bytes), Ok(true));
}

#[test]
fn a_refused_beginning_is_not_a_way_to_send_the_rest() {
    let world = World::new();
    for (hello, reason) in [
        (Hello::modern("example.com", 4), Reason::ServerNameUnknown),
        (
            Hello::modern("fabrikam.azurecr.io", 4),
            Reason::ServerNameElsewhere,
        ),
        (Hello::modern("contoso..io", 4), Reason::HelloUnreadable),
    ] {
        let bytes = hello.bytes();
        let mut client = Client::new(&world);
        assert_eq!(client.part(&world, &bytes, 0..bytes.len()), Err(reason));
        for to in [1, 5, 100, 300, bytes.len()] {
            assert_eq!(client.part(&world, &bytes, 0..to), Err(reason), "to {to}");
        }
        assert_eq!(client.verified(&world), None);
    }
}

#[test]
fn a_name_that_comes_to_lead_here_heals_once_it_comes_whole_again() {
    for (name, id) in [("fabrikam.azurecr.io", 3), ("new.azurecr.io", 4)] {
        let mut world = World::new();
        let bytes = Hello::modern(name, 4).bytes();
        let mut client = Client::new(&world);
        assert_eq!(client.part(&world, &bytes, 0..100), Ok(()));
        let denied = client.part(&world, &bytes, 100..bytes.len());
        assert!(denied.is_err());
        world.names.insert(name.to_owned(), id);
        world.bind(id, 0, Deadline::MAX);
        assert_eq!(client.part(&world, &bytes, 100..200), denied);
        assert_eq!(client.part(&world, &bytes, 100..bytes.len()), Ok(()));
        assert_eq!(client.verified(&world), Some(Reason::AllowedName));
    }
}

#[test]
fn a_name_that_ceases_to_lead_here_in_the_midst_of_a_hello_is_denied() {
    let mut world = World::new();
    let bytes = Hello::modern(NAME, 0).bytes();
    let mut client = Client::new(&world);
    assert_eq!(client.part(&world, &bytes, 0..600), Ok(()));
    world.bound.clear();
    let rest = client.send(&world, ADDRESS, ACK, 600, &bytes[600..]);
    assert_eq!(rest, Err(Reason::ServerNameElsewhere));
    assert_eq!(client.verified(&world), None);
}
