//! The DNS message parser compared with hickory-proto and a plain traversal of the alias chain, on generated messages, most of them
//! damaged, and on the fuzzer's corpus.

mod generate;
mod reference;

use std::collections::BTreeSet;
use std::net::IpAddr;

use enforcer_common::Address;
use enforcer_common::dns::{Kind, MessageReader, Reply, Side};

use generate::Sample;
use reference::{Answer, by_message, by_record};
use test_data::{Random, fuzz_corpus};

const MESSAGES: u64 = 1_000_000;
/// The minimum size of the corpus.
const MIN_CORPUS: usize = 1250;

/// Returns the parser's result: the name in the question, and the addresses.
fn read(reader: &MessageReader, message: &[u8]) -> Option<Answer> {
    reader.set(message);
    let question = reader.question(Side::Server, MessageReader::walk)?;
    let found = match reader.answers(
        |reader| reader.record(MessageReader::walk),
        MessageReader::follow,
    ) {
        Reply::Addresses(found) => found,
        Reply::Nothing | Reply::Unusable => 0,
    };
    let addresses: BTreeSet<IpAddr> = (0..found)
        .filter_map(|index| reader.address(index))
        .map(|(key, _)| ip(question.kind, key))
        .collect();
    let name = reader.key().iter().map(std::cell::Cell::get);
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

/// Counts of messages by result.
#[derive(Debug, Default)]
struct Seen {
    /// Both our parser and the decoder of whole messages found addresses.
    agreed: u64,
    /// That decoder failed at a record that our parser skips; the decoder of names agreed.
    agreed_by_record: u64,
    /// Only the reference found addresses.
    rejected: u64,
}

impl Seen {
    fn compare(&mut self, ours: Option<Answer>, sample: &Sample) {
        let bytes = &sample.bytes;
        let ours = ours.filter(|ours| !ours.addresses.is_empty());
        let whole = by_message(bytes);
        let Some(ours) = ours else {
            let has_addresses = whole.is_some_and(|theirs| !theirs.addresses.is_empty());
            assert!(!(sample.is_valid && has_addresses), "missed: {bytes:?}");
            self.rejected += u64::from(has_addresses);
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
fn a_million_generated_messages_agree_with_hickory() {
    let mut random = Random::new(0x0d05_ca1e);
    let reader = MessageReader::new();
    let mut seen = Seen::default();
    for _ in 0..MESSAGES {
        let sample = Sample::random(&mut random);
        seen.compare(read(&reader, &sample.bytes), &sample);
    }
    assert!(seen.agreed > MESSAGES / 5, "{seen:?}");
    assert!(seen.agreed_by_record > 0, "{seen:?}");
    assert!(seen.rejected > MESSAGES / 100, "{seen:?}");
}

#[test]
fn fuzz_corpus_agrees_with_hickory() {
    let reader = MessageReader::new();
    let mut seen = Seen::default();
    for (name, bytes) in fuzz_corpus::inputs("dns", MIN_CORPUS) {
        reader.set(&bytes);
        let is_by = |side| reader.question(side, MessageReader::walk).is_some();
        assert!(!(is_by(Side::Client) && is_by(Side::Server)), "{name}");
        let sample = Sample {
            bytes,
            is_valid: false,
        };
        seen.compare(read(&reader, &sample.bytes), &sample);
    }
    assert!(seen.agreed > 10 && seen.agreed_by_record > 0, "{seen:?}");
}
