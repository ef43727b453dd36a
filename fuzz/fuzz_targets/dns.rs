//! Any bytes as a DNS message: the parser finds the same addresses as hickory-proto's decoders and a plain traversal of the alias chain.

#![no_main]

use std::cell::Cell;
use std::collections::BTreeSet;
use std::net::IpAddr;

use enforcer_common::Address;
use enforcer_common::dns::{Kind, MessageReader, Reply, Side};
use libfuzzer_sys::fuzz_target;

#[path = "../../enforcer-common/tests/dns/reference.rs"]
mod reference;

fuzz_target!(|bytes: &[u8]| {
    let reader = MessageReader::new();
    reader.set(bytes);
    assert!(
        reader.question(Side::Client, MessageReader::walk).is_none()
            || reader.question(Side::Server, MessageReader::walk).is_none(),
        "a message comes from one side"
    );
    let Some(question) = reader.question(Side::Server, MessageReader::walk) else {
        return;
    };
    let Reply::Addresses(found) = reader.answers(
        |reader| reader.record(MessageReader::walk),
        MessageReader::follow,
    ) else {
        return;
    };
    let addresses: BTreeSet<IpAddr> = (0..found)
        .filter_map(|index| reader.address(index))
        .map(|(key, _)| ip(question.kind, key))
        .collect();
    let name = reader.key().iter().map(Cell::get);
    let ours = reference::Answer {
        name: name.take_while(|byte| *byte != 0).collect(),
        addresses,
    };
    assert_eq!(Some(&ours), reference::by_record(bytes).as_ref());
    if let Some(theirs) = reference::by_message(bytes) {
        assert_eq!(ours, theirs);
    }
});

fn ip(kind: Kind, key: [u8; 16]) -> IpAddr {
    match (kind, Address::from_v6(u128::from_be_bytes(key)).v4()) {
        (Kind::A, Some(address)) => IpAddr::V4(address.into()),
        (Kind::A | Kind::Aaaa, _) => IpAddr::V6(key.into()),
    }
}
