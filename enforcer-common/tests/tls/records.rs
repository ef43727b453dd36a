//! A ClientHello in several records: accepted only if all servers reassemble it in the same way.

use enforcer_common::Reason::{self, HelloOutOfOrder, HelloUnreadable, NotTls, ServerNameUnknown};

use crate::fixture::{ACK, ADDRESS, Client, NAME, TestPolicy, outcome, outcome_at_once};
use test_data::client_hello::{
    ClientHello, extension::PADDING, message, record, records, records_of, server_name,
};

/// Records of other types: change_cipher_spec, alert, application data, heartbeat.
const OTHERS: [&[u8]; 4] = [
    &[20, 3, 3, 0, 1, 1],
    &[21, 3, 3, 0, 2, 1, 0],
    &[23, 3, 3, 0, 1, 0],
    &[24, 3, 3, 0, 1, 0],
];
/// The maximum length of a record's content (RFC 8446 section 5.1).
const LARGEST: usize = 1 << 14;

fn classic(name: &str) -> Vec<u8> {
    ClientHello::tls12(name).message()
}

fn modern(name: &str) -> Vec<u8> {
    ClientHello::tls13(name, 4).message()
}

fn is_denied(what: &str, bytes: &[u8]) {
    let sent = outcome_at_once(&TestPolicy::new(), bytes);
    assert_eq!(sent, Err(HelloUnreadable), "{what}");
}

#[test]
fn verdict_is_the_same_in_any_two_records() {
    let policy = TestPolicy::new();
    for (name, expected) in [(NAME, Ok(true)), ("example.com", Err(ServerNameUnknown))] {
        for message in [classic(name), modern(name)] {
            for cut in 1..message.len() {
                let bytes = records(&message, &[cut]);
                assert_eq!(
                    outcome_at_once(&policy, &bytes),
                    expected,
                    "{name} at {cut}"
                );
            }
        }
    }
}

/// The header of the second record spans two segments in some cases.
#[test]
fn verdict_is_the_same_in_any_two_records_and_segments() {
    let policy = TestPolicy::new();
    for (name, expected) in [(NAME, Ok(true)), ("example.com", Err(ServerNameUnknown))] {
        let message = classic(name);
        for record in 1..message.len() {
            let bytes = records(&message, &[record]);
            for cut in 1..bytes.len() {
                let cut = outcome(&policy, &bytes, &[cut]);
                assert_eq!(cut, expected, "{name}, record at {record}");
            }
        }
    }
}

#[test]
fn hello_has_at_most_64_records() {
    let policy = TestPolicy::new();
    for message in [classic(NAME), modern(NAME)] {
        let single: Vec<usize> = (1..64).collect();
        assert_eq!(
            outcome_at_once(&policy, &records(&message, &single)),
            Ok(true)
        );
        let end: Vec<usize> = (message.len() - 63..message.len()).collect();
        assert_eq!(outcome_at_once(&policy, &records(&message, &end)), Ok(true));
        for cuts in [(1..65).collect::<Vec<_>>(), [&[2], &end[..]].concat()] {
            is_denied("65 records", &records(&message, &cuts));
        }
        let at_once = records(&message, &(1..65).collect::<Vec<_>>());
        let bytewise: Vec<usize> = (1..at_once.len()).collect();
        assert_eq!(outcome(&policy, &at_once, &bytewise), Err(HelloUnreadable));
    }
}

#[test]
fn empty_records_are_denied() {
    let message = modern(NAME);
    for cut in [1, 4, 40, 300, message.len() - 1] {
        is_denied("the one between", &records(&message, &[cut, cut]));
    }
    is_denied("the first", &records(&message, &[0]));
    let unended = &message[..message.len() - 1];
    is_denied("the last", &[record(unended), record(&[])].concat());
}

#[test]
fn records_of_other_types_in_between_are_denied() {
    let message = modern(NAME);
    for cut in [1, 3, 4, 40, 300, message.len() - 1] {
        let (first, second) = message.split_at(cut);
        for other in OTHERS {
            let bytes = [&record(first), other, &record(second)].concat();
            is_denied("a record of another type", &bytes);
        }
    }
    for cut in [40, 300, message.len() - 1] {
        let (first, second) = message.split_at(cut);
        for other in [&[20, 0, 0, 0], &message[..]] {
            let bytes = [record(first), record(other), record(second)].concat();
            assert!(
                outcome_at_once(&TestPolicy::new(), &bytes).is_err(),
                "another at {cut}"
            );
        }
    }
}

/// A server that parses record by record and one that parses message by message would continue at different bytes.
#[test]
fn last_record_ends_with_the_hello() {
    let message = modern(NAME);
    for cut in [1, 4, 40, 300, message.len() - 1] {
        let (first, second) = message.split_at(cut);
        for more in [&[0][..], &[20, 0, 0, 0], &message] {
            let last = [second, more].concat();
            is_denied("more in it", &[record(first), record(&last)].concat());
        }
    }
    let mut short = record(&message[..40]);
    short.extend(record(&message[40..]));
    let bytes = [&short[..], &record(&[0])].concat();
    // Other records may follow, as after a ClientHello in one record.
    assert_eq!(outcome_at_once(&TestPolicy::new(), &bytes), Ok(true));
}

#[test]
fn end_of_a_record_is_not_the_end_of_the_hello() {
    let policy = TestPolicy::new();
    let message = modern(NAME);
    for cut in 1..message.len() {
        let mut client = Client::new(&policy);
        let bytes = record(&message[..cut]);
        assert_eq!(client.send_range(&policy, &bytes, 0..bytes.len()), Ok(()));
        assert_eq!(client.verified(&policy), None, "after {cut} bytes");
    }
}

#[test]
fn record_header_is_denied_at_its_first_wrong_byte() {
    let policy = TestPolicy::new();
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
        let mut client = Client::new(&policy);
        assert_eq!(client.send_range(&policy, &first, 0..first.len()), Ok(()));
        for (index, byte) in header.iter().enumerate() {
            let at = (first.len() + index) as u32;
            let sent = client.send(&policy, ADDRESS, ACK, at, &[*byte]);
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
        let then = client.send(&policy, ADDRESS, ACK, at, &message[300..]);
        assert!(then.is_err(), "{header:?}");
    }
}

#[test]
fn first_record_must_be_a_client_hello() {
    let policy = TestPolicy::new();
    for kind in [0, 2, 11, 16, 20] {
        let mut message = classic(NAME);
        message[0] = kind;
        for cut in [1, 3, 4, 40] {
            let sent = outcome_at_once(&policy, &records(&message, &[cut]));
            assert_eq!(sent, Err(NotTls), "{kind} in records at {cut}");
        }
    }
}

#[test]
fn hello_in_several_records_has_at_most_64_kib() {
    let policy = TestPolicy::new();
    let filled = |paddings: usize, last: usize| {
        let mut extensions = vec![server_name(NAME.as_bytes())];
        extensions.resize(paddings + 1, (PADDING, vec![0; 16_000]));
        extensions.push((PADDING, vec![0; last]));
        ClientHello::with_extensions(extensions).body()
    };
    let long = message(&filled(3, 100));
    assert_eq!(
        outcome_at_once(&policy, &records_of(&long, LARGEST)),
        Ok(true)
    );
    assert_eq!(outcome_at_once(&policy, &records_of(&long, 1000)), Ok(true));
    is_denied("in a larger record", &records_of(&long, LARGEST + 1));
    let mut larger = long.clone();
    larger[1] = 1;
    is_denied("of 64 KiB more", &records_of(&larger, LARGEST));
}

#[test]
fn retransmitted_record_headers_are_compared() {
    let policy = TestPolicy::new();
    let bytes = records_of(&modern(NAME), 512);
    for cut in 1..bytes.len() {
        let mut client = Client::new(&policy);
        assert_eq!(client.send_range(&policy, &bytes, 0..cut), Ok(()));
        assert_eq!(client.send_range(&policy, &bytes, 0..cut), Ok(()));
        let mut other = bytes.clone();
        other[cut - 1] ^= 1;
        let again = client.send_range(&policy, &other, cut / 2..bytes.len());
        assert_eq!(again, Err(Reason::RetransmitMismatch), "at {cut}");
        assert_eq!(
            client.send_range(&policy, &bytes, cut / 2..bytes.len()),
            Ok(())
        );
        assert_eq!(client.verified(&policy), Some(Reason::AllowedName));
    }
}

#[test]
fn segment_that_skips_a_record_header_is_denied() {
    let policy = TestPolicy::new();
    let message = modern(NAME);
    let bytes = records(&message, &[300]);
    let mut client = Client::new(&policy);
    assert_eq!(client.send_range(&policy, &bytes, 0..305), Ok(()));
    let skipped = client.send_range(&policy, &bytes, 310..bytes.len());
    assert_eq!(skipped, Err(HelloOutOfOrder));
    assert_eq!(client.send_range(&policy, &bytes, 305..bytes.len()), Ok(()));
    assert_eq!(client.verified(&policy), Some(Reason::AllowedName));
}

#[test]
fn denial_reports_a_name_that_spans_records() {
    let policy = TestPolicy::new();
    for name in ["Example.com", "contoso.eastus.data.azurecr.com"] {
        let message = classic(name);
        for size in [6, 7, 20] {
            let bytes = records_of(&message, size);
            let mut client = Client::new(&policy);
            let sent = client.send_range(&policy, &bytes, 0..bytes.len());
            assert_eq!(sent, Err(ServerNameUnknown));
            let lower = name.to_ascii_lowercase();
            assert_eq!(client.name().as_deref(), Some(lower.as_str()));
        }
    }
}
