//! Any bytes as a DNS message: what the reader says it gives, hickory-proto's decoders and a plain walk along the chain give, too.

#![no_main]

use std::cell::Cell;
use std::collections::BTreeSet;
use std::net::IpAddr;

use enforcer_common::Address;
use enforcer_common::dns::{Kind, Reading, Reply, Side};
use libfuzzer_sys::fuzz_target;

#[path = "../../enforcer-common/tests/dns/reference.rs"]
mod reference;

fuzz_target!(|bytes: &[u8]| {
    let reading = Reading::new();
    reading.set(bytes);
    assert!(
        reading.question(Side::Client, Reading::walk).is_none()
            || reading.question(Side::Server, Reading::walk).is_none(),
        "a message is by one side"
    );
    let Some(question) = reading.question(Side::Server, Reading::walk) else {
        return;
    };
    let Reply::Addresses(found) =
        reading.answers(|reading| reading.record(Reading::walk), Reading::follow)
    else {
        return;
    };
    let addresses: BTreeSet<IpAddr> = (0..found)
        .filter_map(|index| reading.address(index))
        .map(|(key, _)| ip(question.kind, key))
        .collect();
    let name = reading.key().iter().map(Cell::get);
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
