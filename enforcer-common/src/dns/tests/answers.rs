//! Answers.

use super::*;

const UNUSABLE: Result<Vec<u8>, Reply> = Err(Reply::Unusable);
const NOTHING: Result<Vec<u8>, Reply> = Err(Reply::Nothing);

#[test]
fn every_address_of_the_name_counts() {
    let message = response()
        .a(QUESTION_NAME, 1)
        .a(NAME, 2)
        .a(QUESTION_NAME, 3);
    assert_eq!(message.read(), Ok(vec![1, 2, 3]));
}

#[test]
fn an_answer_without_addresses_teaches_nothing() {
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
fn aliases_lead_from_the_question_to_the_addresses() {
    let message = response()
        .alias(QUESTION_NAME, "r.trafficmanager.net")
        .alias("R.TrafficManager.net", "eus.cloudapp.azure.com")
        .a("eus.cloudapp.azure.com", 7)
        .a("EUS.cloudapp.azure.com", 8);
    assert_eq!(message.read(), Ok(vec![7, 8]));
}

#[test]
fn an_alias_may_be_compressed_in_data_and_owner() {
    // "eastus", then a pointer to the question's second label.
    let target = [&encoded("eastus")[..7], &pointer(12 + 8)].concat();
    let message = response();
    let at = message.end() + 2 + 10;
    let message = message.alias(QUESTION_NAME, &target).a(pointer(at), 7);
    assert_eq!(message.read(), Ok(vec![7]));
}

#[test]
fn addresses_of_other_names_make_the_answer_unusable() {
    for (what, message) in [
        ("of another name", response().a("evil.azurecr.io", 7)),
        (
            "of another name beside the right one's",
            response().a(QUESTION_NAME, 7).a("evil.azurecr.io", 8),
        ),
        (
            "of the question's name, which is an alias",
            response()
                .alias(QUESTION_NAME, "b.example")
                .a(QUESTION_NAME, 7),
        ),
        (
            "of a name that is an alias only after it",
            response()
                .a(QUESTION_NAME, 7)
                .alias(QUESTION_NAME, "b.example"),
        ),
        (
            "of a name on the way",
            response()
                .a("b.example", 7)
                .alias("b.example", "c.example")
                .alias(QUESTION_NAME, "b.example"),
        ),
        (
            "an alias of somebody else before the right one",
            response()
                .alias("evil.example", "b.example")
                .alias(QUESTION_NAME, "b.example")
                .a("b.example", 7),
        ),
        (
            "an alias of somebody else",
            response()
                .alias("evil.example", "b.example")
                .a(QUESTION_NAME, 7),
        ),
        (
            "two aliases",
            response()
                .alias(QUESTION_NAME, "b.example")
                .alias(QUESTION_NAME, "c.example"),
        ),
    ] {
        assert_eq!(message.read(), UNUSABLE, "{what}");
    }
}

/// Every order of the records in `parts`.
fn orders(parts: usize) -> Vec<Vec<usize>> {
    if parts == 0 {
        return vec![Vec::new()];
    }
    let shorter = orders(parts - 1);
    let with_last = |order: Vec<usize>| {
        (0..parts).map(move |at| {
            let mut order = order.clone();
            order.insert(at, parts - 1);
            order
        })
    };
    shorter.into_iter().flat_map(with_last).collect()
}

#[test]
fn records_are_read_in_whatever_order_they_stand() {
    let all = orders(5);
    assert_eq!(all.len(), 120);
    for order in all {
        let message = order.iter().fold(response(), |message, part| match part {
            0 => message.alias(QUESTION_NAME, "b.example"),
            1 => message.alias("B.example", "c.example"),
            2 => message.alias("c.example", "d.example"),
            3 => message.a("d.example", 7),
            _ => message.a("D.example", 8),
        });
        let mut read = message.read().unwrap_or_default();
        read.sort_unstable();
        assert_eq!(read, [7, 8], "{order:?}");
    }
}

#[test]
fn an_address_before_its_alias_is_read_as_a_resolver_sent_it() {
    let message = [
        "1234818000010002000000000763",
        "6f6e746f736f07617a7572656372",
        "02696f00000100010565",
        "75732d3302666504617a637202696f00000100010000000a0004142a420a",
        "c00c000500010000012c0012",
        "056575732d3302666504617a637202696f00",
    ]
    .concat();
    let byte = |at| u8::from_str_radix(&message[at..at + 2], 16).unwrap();
    let bytes: Vec<u8> = (0..message.len()).step_by(2).map(byte).collect();
    assert_eq!(Message(bytes).read(), Ok(vec![10]));
}

#[test]
fn thirty_two_aliases_are_followed_and_no_more() {
    let name = |at: u32| encoded(&format!("n{at}.example"));
    for (count, expected) in [(32, Ok(vec![7])), (33, UNUSABLE)] {
        let message = (1..count).rev().fold(response(), |message, at| {
            message.alias(&name(at), &name(at + 1))
        });
        let message = message.a(&name(count), 7).alias(QUESTION_NAME, &name(1));
        assert_eq!(message.read(), expected, "{count}");
    }
}

#[test]
fn aliases_in_a_circle_end() {
    let circle = response()
        .alias("b.example", NAME)
        .alias(QUESTION_NAME, "b.example");
    assert_eq!(circle.clone().read(), NOTHING);
    assert_eq!(circle.a("b.example", 7).read(), UNUSABLE);
}

#[test]
fn a_name_that_is_its_own_alias_has_no_addresses() {
    assert_eq!(
        response().alias(QUESTION_NAME, QUESTION_NAME).read(),
        NOTHING
    );
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
fn what_follows_the_answers_is_not_read() {
    let mut message = response().a(QUESTION_NAME, 7).set(9, 2).set(11, 1);
    // EDNS (RFC 6891), and bytes that are nothing.
    message
        .0
        .extend([0, 0, 41, 4, 0xd0, 0, 0, 0, 0, 0, 0, 0xff, 0xff]);
    assert_eq!(message.read(), Ok(vec![7]));
}

#[test]
fn a_hundred_and_twenty_eight_records_are_read_and_no_more() {
    let filled = |count| (0..count).fold(response(), |message, at| message.a(QUESTION_NAME, at));
    assert_eq!(filled(128).read(), Ok((0..128).collect()));
    assert_eq!(filled(129).read(), UNUSABLE);
    assert_eq!(response().a(QUESTION_NAME, 7).set(6, 1).read(), UNUSABLE);
}

#[test]
fn lengths_that_lie_make_the_answer_unusable() {
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
fn an_answer_that_is_cut_anywhere_opens_nothing() {
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
fn the_shortest_time_to_live_of_the_chain_counts() {
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
    // Also that of an alias behind the address.
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
