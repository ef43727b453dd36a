//! A hello in several records: what no server can read in another way is read, and nothing else.

use enforcer_common::Reason::{self, HelloOutOfOrder, HelloUnreadable, NotTls, ServerNameUnknown};

use crate::hello::{Hello, PADDING, message, record, records, records_of, server_name};
use crate::world::{ACK, ADDRESS, Client, NAME, World, outcome, whole};

/// Content types and what their records may hold: change_cipher_spec, alert, application data, heartbeat.
const OTHERS: [&[u8]; 4] = [
    &[20, 3, 3, 0, 1, 1],
    &[21, 3, 3, 0, 2, 1, 0],
    &[23, 3, 3, 0, 1, 0],
    &[24, 3, 3, 0, 1, 0],
];
/// The largest size of a record's content (RFC 8446 section 5.1).
const LARGEST: usize = 1 << 14;

fn classic(name: &str) -> Vec<u8> {
    message(&Hello::classic(name).body())
}

fn modern(name: &str) -> Vec<u8> {
    message(&Hello::modern(name, 4).body())
}

fn is_refused(what: &str, bytes: &[u8]) {
    let sent = whole(&World::new(), bytes);
    assert_eq!(sent, Err(HelloUnreadable), "{what}");
}

#[test]
fn a_hello_means_the_same_in_any_two_records() {
    let world = World::new();
    for (name, expected) in [(NAME, Ok(true)), ("example.com", Err(ServerNameUnknown))] {
        for message in [classic(name), modern(name)] {
            for cut in 1..message.len() {
                let bytes = records(&message, &[cut]);
                assert_eq!(whole(&world, &bytes), expected, "{name} at {cut}");
            }
        }
    }
}

/// The header of the second one in two segments, too.
#[test]
fn a_hello_in_two_records_means_the_same_in_any_two_segments() {
    let world = World::new();
    for (name, expected) in [(NAME, Ok(true)), ("example.com", Err(ServerNameUnknown))] {
        let message = classic(name);
        for record in 1..message.len() {
            let bytes = records(&message, &[record]);
            for cut in 1..bytes.len() {
                let cut = outcome(&world, &bytes, &[cut]);
                assert_eq!(cut, expected, "{name}, record at {record}");
            }
        }
    }
}

#[test]
fn a_hello_in_64_records_of_any_size_is_read_and_one_more_is_denied() {
    let world = World::new();
    for message in [classic(NAME), modern(NAME)] {
        let single: Vec<usize> = (1..64).collect();
        assert_eq!(whole(&world, &records(&message, &single)), Ok(true));
        let end: Vec<usize> = (message.len() - 63..message.len()).collect();
        assert_eq!(whole(&world, &records(&message, &end)), Ok(true));
        for cuts in [(1..65).collect::<Vec<_>>(), [&[2], &end[..]].concat()] {
            is_refused("65 records", &records(&message, &cuts));
        }
        let at_once = records(&message, &(1..65).collect::<Vec<_>>());
        let bytewise: Vec<usize> = (1..at_once.len()).collect();
        assert_eq!(outcome(&world, &at_once, &bytewise), Err(HelloUnreadable));
    }
}

#[test]
fn none_is_empty() {
    let message = modern(NAME);
    for cut in [1, 4, 40, 300, message.len() - 1] {
        is_refused("the one between", &records(&message, &[cut, cut]));
    }
    is_refused("the first", &records(&message, &[0]));
    let unended = &message[..message.len() - 1];
    is_refused("the last", &[record(unended), record(&[])].concat());
}

#[test]
fn nothing_lies_between_them() {
    let message = modern(NAME);
    for cut in [1, 3, 4, 40, 300, message.len() - 1] {
        let (first, second) = message.split_at(cut);
        for other in OTHERS {
            let bytes = [&record(first), other, &record(second)].concat();
            is_refused("a record of another type", &bytes);
        }
    }
    for cut in [40, 300, message.len() - 1] {
        let (first, second) = message.split_at(cut);
        for other in [&[20, 0, 0, 0], &message[..]] {
            let bytes = [record(first), record(other), record(second)].concat();
            assert!(whole(&World::new(), &bytes).is_err(), "another at {cut}");
        }
    }
}

/// A server that reads records one by one, and one that reads messages, would go on at different bytes.
#[test]
fn the_last_one_ends_with_the_hello() {
    let message = modern(NAME);
    for cut in [1, 4, 40, 300, message.len() - 1] {
        let (first, second) = message.split_at(cut);
        for more in [&[0][..], &[20, 0, 0, 0], &message] {
            let last = [second, more].concat();
            is_refused("more in it", &[record(first), record(&last)].concat());
        }
    }
    let mut short = record(&message[..40]);
    short.extend(record(&message[40..]));
    let bytes = [&short[..], &record(&[0])].concat();
    // Behind it may follow what follows one in one record.
    assert_eq!(whole(&World::new(), &bytes), Ok(true));
}

#[test]
fn the_end_of_a_record_is_not_the_end_of_the_hello() {
    let world = World::new();
    let message = modern(NAME);
    for cut in 1..message.len() {
        let mut client = Client::new(&world);
        let bytes = record(&message[..cut]);
        assert_eq!(client.part(&world, &bytes, 0..bytes.len()), Ok(()));
        assert_eq!(client.verified(&world), None, "after {cut} bytes");
    }
}

#[test]
fn a_header_is_refused_at_its_first_byte_that_is_not_of_a_handshake() {
    let world = World::new();
    let message = modern(NAME);
    let first = record(&message[..300]);
    for (header, passes) in [
        (&[21, 3, 3, 0, 2][..], 0),
        (&[0, 3, 3, 0, 2], 0),
        (&[22, 2, 3, 0, 2], 1),
        (&[22, 3, 3, 0, 0], 4),
        (&[22, 3, 3, 0x40, 1], 4),
        (&[22, 3, 3, 0xff, 0xff], 4),
    ] {
        let mut client = Client::new(&world);
        assert_eq!(client.part(&world, &first, 0..first.len()), Ok(()));
        for (index, byte) in header.iter().enumerate() {
            let at = (first.len() + index) as u32;
            let sent = client.send(&world, ADDRESS, ACK, at, &[*byte]);
            let expected = if index < passes {
                Ok(())
            } else {
                Err(HelloUnreadable)
            };
            assert_eq!(sent, expected, "byte {index} of {header:?}");
            if sent.is_err() {
                break;
            }
        }
        let at = (first.len() + header.len()) as u32;
        let then = client.send(&world, ADDRESS, ACK, at, &message[300..]);
        assert!(then.is_err(), "{header:?}");
    }
}

#[test]
fn the_first_record_is_tls_and_a_hello_as_ever() {
    let world = World::new();
    for kind in [0, 2, 11, 16, 20] {
        let mut message = classic(NAME);
        message[0] = kind;
        for cut in [1, 3, 4, 40] {
            let sent = whole(&world, &records(&message, &[cut]));
            assert_eq!(sent, Err(NotTls), "{kind} in records at {cut}");
        }
    }
}

#[test]
fn a_hello_may_be_longer_than_a_record_can_be_up_to_64_kib() {
    let world = World::new();
    let filled = |paddings: usize, last: usize| {
        let mut extensions = vec![server_name(NAME.as_bytes())];
        extensions.resize(paddings + 1, (PADDING, vec![0; 16_000]));
        extensions.push((PADDING, vec![0; last]));
        Hello::with(extensions).body()
    };
    let long = message(&filled(3, 100));
    assert_eq!(whole(&world, &records_of(&long, LARGEST)), Ok(true));
    assert_eq!(whole(&world, &records_of(&long, 1000)), Ok(true));
    is_refused("in a larger record", &records_of(&long, LARGEST + 1));
    let mut larger = long.clone();
    larger[1] = 1;
    is_refused("of 64 KiB more", &records_of(&larger, LARGEST));
}

#[test]
fn what_is_sent_again_is_held_against_what_was_sent_headers_and_all() {
    let world = World::new();
    let bytes = records_of(&modern(NAME), 512);
    for cut in 1..bytes.len() {
        let mut client = Client::new(&world);
        assert_eq!(client.part(&world, &bytes, 0..cut), Ok(()));
        assert_eq!(client.part(&world, &bytes, 0..cut), Ok(()));
        let mut other = bytes.clone();
        other[cut - 1] ^= 1;
        let again = client.part(&world, &other, cut / 2..bytes.len());
        assert_eq!(again, Err(Reason::RetransmitMismatch), "at {cut}");
        assert_eq!(client.part(&world, &bytes, cut / 2..bytes.len()), Ok(()));
        assert_eq!(client.verified(&world), Some(Reason::AllowedName));
    }
}

#[test]
fn a_segment_that_skips_a_header_is_denied() {
    let world = World::new();
    let message = modern(NAME);
    let bytes = records(&message, &[300]);
    let mut client = Client::new(&world);
    assert_eq!(client.part(&world, &bytes, 0..305), Ok(()));
    let skipped = client.part(&world, &bytes, 310..bytes.len());
    assert_eq!(skipped, Err(HelloOutOfOrder));
    assert_eq!(client.part(&world, &bytes, 305..bytes.len()), Ok(()));
    assert_eq!(client.verified(&world), Some(Reason::AllowedName));
}

#[test]
fn the_name_may_lie_in_several_records_and_a_denial_tells_it_whole() {
    let world = World::new();
    for name in ["Example.com", "contoso.eastus.data.azurecr.com"] {
        let message = classic(name);
        for size in [6, 7, 20] {
            let bytes = records_of(&message, size);
            let mut client = Client::new(&world);
            let sent = client.part(&world, &bytes, 0..bytes.len());
            assert_eq!(sent, Err(ServerNameUnknown));
            let lower = name.to_ascii_lowercase();
            assert_eq!(client.name().as_deref(), Some(lower.as_str()));
        }
    }
}
