//! Addresses in answers, and unusable answers.

use super::*;

const UNUSABLE: Result<Vec<u8>, Reply> = Err(Reply::Unusable);
const NOTHING: Result<Vec<u8>, Reply> = Err(Reply::Nothing);

#[test]
fn every_address_of_the_name_is_returned() {
    let message = response()
        .a(QUESTION_NAME, 1)
        .a(NAME, 2)
        .a(QUESTION_NAME, 3);
    assert_eq!(message.read(), Ok(vec![1, 2, 3]));
}

#[test]
fn an_answer_without_addresses_grants_nothing() {
    let answered = response().a(QUESTION_NAME, 7);
    for (what, message) in [
        ("empty", response()),
        ("no such name", answered.clone().set(3, 0x83)),
        ("refused", answered.set(3, 0x85)),
        ("text", response().record(QUESTION_NAME, 16, b"\x01a")),
        ("aliases only", response().alias(QUESTION_NAME, "b.example")),
        (
            "addresses of the other family",
            response().record(QUESTION_NAME, 28, &[0; 16]),
        ),
    ] {
        assert_eq!(message.read(), NOTHING, "{what}");
    }
}

#[test]
fn a_truncated_answer_is_unusable() {
    assert_eq!(response().a(QUESTION_NAME, 7).set(2, 0x83).read(), UNUSABLE);
}

#[test]
fn records_that_are_neither_addresses_nor_aliases_are_skipped() {
    let chaos = response().a("other.example", 9);
    let class = chaos.end() - 4 - 2 - 4 - 1;
    let message = chaos
        .set(class, 3)
        .record(QUESTION_NAME, 46, &[0; 40])
        .record("evil.example", 28, &[0; 16])
        .a(QUESTION_NAME, 7);
    assert_eq!(message.read(), Ok(vec![7]));
}

#[test]
fn sections_after_the_answers_are_not_read() {
    let mut message = response().a(QUESTION_NAME, 7).set(9, 2).set(11, 1);
    // EDNS (RFC 6891), and bytes that are no record.
    message
        .0
        .extend([0, 0, 41, 4, 0xd0, 0, 0, 0, 0, 0, 0, 0xff, 0xff]);
    assert_eq!(message.read(), Ok(vec![7]));
}

#[test]
fn at_most_a_hundred_and_twenty_eight_records_are_read() {
    let filled = |count| (0..count).fold(response(), |message, at| message.a(QUESTION_NAME, at));
    assert_eq!(filled(128).read(), Ok((0..128).collect()));
    assert_eq!(filled(129).read(), UNUSABLE);
    assert_eq!(response().a(QUESTION_NAME, 7).set(6, 1).read(), UNUSABLE);
}

#[test]
fn wrong_lengths_make_the_answer_unusable() {
    let message = response().a(QUESTION_NAME, 7);
    let length = message.end() - 4 - 1;
    for lie in [0, 3, 5, 16, 255] {
        assert_eq!(message.clone().set(length, lie).read(), UNUSABLE, "{lie}");
    }
    assert_eq!(message.clone().set(length - 1, 0xff).read(), UNUSABLE);
    assert_eq!(message.set(7, 2).read(), UNUSABLE, "one record more");
    let alias = response();
    let length = alias.end() + 2 + 9;
    let alias = alias.alias(QUESTION_NAME, "b.example").a("b.example", 7);
    for lie in [0, 10, 12, 40] {
        assert_eq!(alias.clone().set(length, lie).read(), UNUSABLE, "{lie}");
    }
    for data in [&[0; 4][..], &[0; 15], &[0; 17]] {
        let message = Message::response(NAME, 28).record(QUESTION_NAME, 28, data);
        assert_eq!(message.read(), UNUSABLE);
    }
}

#[test]
fn an_answer_truncated_anywhere_grants_nothing() {
    let whole = response()
        .alias(QUESTION_NAME, "b.example")
        .a("b.example", 7);
    let question = response().end();
    for end in question..whole.end() {
        assert_eq!(
            Message(whole.0[..end].to_vec()).read(),
            UNUSABLE,
            "{end} bytes"
        );
    }
}

#[test]
fn addresses_of_both_families_are_as_on_the_wire() {
    let reading = MessageReader::new();
    let v6 = core::array::from_fn::<u8, 16, _>(|at| at as u8);
    let message = Message::response(NAME, 28).record(QUESTION_NAME, 28, &v6);
    reading.set(&message.0);
    reading.question(Side::Server, MessageReader::walk).unwrap();
    let reply = reading.answers(
        |reading| reading.record(MessageReader::walk),
        MessageReader::follow,
    );
    assert_eq!((reply, reading.kind()), (Reply::Addresses(1), Kind::Aaaa));
    assert_eq!(reading.address(0), Some((v6, TTL)));
    reading.set(&response().a(QUESTION_NAME, 7).0);
    reading.question(Side::Server, MessageReader::walk).unwrap();
    reading.answers(
        |reading| reading.record(MessageReader::walk),
        MessageReader::follow,
    );
    let v4 = crate::Address::from_v4(u32::from_be_bytes([198, 51, 100, 7]));
    assert_eq!(reading.address(0), Some((v4.key(), TTL)));
}

#[test]
fn the_shortest_ttl_of_the_chain_counts() {
    let chain = |alias: u32, address: u32| {
        let message = response();
        let at = message.end() + 2 + 4;
        let mut message = message.alias(QUESTION_NAME, "b.example");
        message.0[at..at + 4].copy_from_slice(&alias.to_be_bytes());
        let at = message.end() + 11 + 4;
        let mut message = message.a("b.example", 7);
        message.0[at..at + 4].copy_from_slice(&address.to_be_bytes());
        let reading = MessageReader::new();
        reading.set(&message.0);
        reading.question(Side::Server, MessageReader::walk).unwrap();
        reading.answers(
            |reading| reading.record(MessageReader::walk),
            MessageReader::follow,
        );
        reading.address(0).map(|(_, ttl)| ttl)
    };
    assert_eq!(chain(5, 60), Some(5));
    assert_eq!(chain(60, 5), Some(5));
    assert_eq!(chain(0, 5), Some(0));
    assert_eq!(chain(60, 0x8000_0000), Some(0), "RFC 2181");
    assert_eq!(chain(60, u32::MAX), Some(0));
    // Including that of an alias after the address.
    let mut message = response().a("b.example", 7);
    let at = message.end() + 2 + 4;
    message = message.alias(QUESTION_NAME, "b.example");
    message.0[at..at + 4].copy_from_slice(&5_u32.to_be_bytes());
    let reading = MessageReader::new();
    reading.set(&message.0);
    reading.question(Side::Server, MessageReader::walk).unwrap();
    reading.answers(
        |reading| reading.record(MessageReader::walk),
        MessageReader::follow,
    );
    assert_eq!(reading.address(0).map(|(_, ttl)| ttl), Some(5));
}
