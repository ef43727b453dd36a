//! The DNS reader against hickory-proto's decoder and a plain walk along the chain, on generated messages, most of them damaged.

mod generate;
#[path = "../kept/mod.rs"]
mod kept;
#[path = "../random/mod.rs"]
mod random;
mod reference;

use std::collections::BTreeSet;
use std::net::IpAddr;

use enforcer_common::Address;
use enforcer_common::dns::{Kind, MessageReader, Reply, Side};

use generate::Message;
use random::Random;
use reference::{Answer, by_message, by_record};

const MESSAGES: u64 = 1_000_000;
/// Of the inputs that the fuzzer kept: with fewer, some are lost.
const LEAST_KEPT: usize = 1250;

/// What the reader gives: the question's name, and the addresses.
fn read(reading: &MessageReader, message: &[u8]) -> Option<Answer> {
    reading.set(message);
    let question = reading.question(Side::Server, MessageReader::walk)?;
    let found = match reading.answers(
        |reading| reading.record(MessageReader::walk),
        MessageReader::follow,
    ) {
        Reply::Addresses(found) => found,
        Reply::Nothing | Reply::Unusable => 0,
    };
    let addresses: BTreeSet<IpAddr> = (0..found)
        .filter_map(|index| reading.address(index))
        .map(|(key, _)| ip(question.kind, key))
        .collect();
    let name = reading.key().iter().map(std::cell::Cell::get);
    Some(Answer {
        name: name.take_while(|byte| *byte != 0).collect(),
        addresses,
    })
}

fn ip(kind: Kind, key: [u8; 16]) -> IpAddr {
    match (kind, Address::from_v6(u128::from_be_bytes(key)).v4()) {
        (Kind::A, Some(address)) => IpAddr::V4(address.into()),
        (Kind::A | Kind::Aaaa, _) => IpAddr::V6(key.into()),
    }
}

/// What came of the messages.
#[derive(Debug, Default)]
struct Seen {
    /// Ours gave addresses, and so did a decoder of whole messages.
    agreed: u64,
    /// Ours gave addresses where that decoder gives up on what ours skips; the decoder of names agreed.
    agreed_by_record: u64,
    /// Only the reference gave addresses.
    refused: u64,
}

impl Seen {
    fn compare(&mut self, ours: Option<Answer>, message: &Message) {
        let bytes = &message.bytes;
        let ours = ours.filter(|ours| !ours.addresses.is_empty());
        let whole = by_message(bytes);
        let Some(ours) = ours else {
            let has_addresses = whole.is_some_and(|theirs| !theirs.addresses.is_empty());
            assert!(!(message.is_sound && has_addresses), "missed: {bytes:?}");
            self.refused += u64::from(has_addresses);
            return;
        };
        assert_eq!(Some(&ours), by_record(bytes).as_ref(), "{bytes:?}");
        match whole {
            Some(theirs) => {
                assert_eq!(ours, theirs, "{bytes:?}");
                self.agreed += 1;
            }
            None => self.agreed_by_record += 1,
        }
    }
}

#[test]
fn a_million_messages_mean_to_the_reader_what_they_mean_to_hickory() {
    let mut random = Random::new(0x0d05_ca1e);
    let reading = MessageReader::new();
    let mut seen = Seen::default();
    for _ in 0..MESSAGES {
        let message = Message::random(&mut random);
        seen.compare(read(&reading, &message.bytes), &message);
    }
    assert!(seen.agreed > MESSAGES / 5, "{seen:?}");
    assert!(seen.agreed_by_record > 0, "{seen:?}");
    assert!(seen.refused > MESSAGES / 100, "{seen:?}");
}

#[test]
fn what_the_fuzzer_kept_means_to_the_reader_what_it_means_to_hickory() {
    let reading = MessageReader::new();
    let mut seen = Seen::default();
    for (name, bytes) in kept::inputs("dns", LEAST_KEPT) {
        reading.set(&bytes);
        let is_by = |side| reading.question(side, MessageReader::walk).is_some();
        assert!(!(is_by(Side::Client) && is_by(Side::Server)), "{name}");
        let message = Message {
            bytes,
            is_sound: false,
        };
        seen.compare(read(&reading, &message.bytes), &message);
    }
    assert!(seen.agreed > 10 && seen.agreed_by_record > 0, "{seen:?}");
}
