//! CNAME chains, and the order of records.

use super::*;

const UNUSABLE: Result<Vec<u8>, Reply> = Err(Reply::Unusable);
const NOTHING: Result<Vec<u8>, Reply> = Err(Reply::Nothing);

#[test]
fn a_cname_chain_leads_from_the_question_to_the_addresses() {
    let message = response()
        .alias(QUESTION_NAME, "r.trafficmanager.net")
        .alias("R.TrafficManager.net", "eus.cloudapp.azure.com")
        .a("eus.cloudapp.azure.com", 7)
        .a("EUS.cloudapp.azure.com", 8);
    assert_eq!(message.read(), Ok(vec![7, 8]));
}

#[test]
fn an_alias_may_be_compressed_in_owner_and_target() {
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
fn records_are_read_in_any_order() {
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
fn an_address_before_its_alias_is_read() {
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
fn at_most_thirty_two_aliases_are_followed() {
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
fn a_circle_of_aliases_is_unusable() {
    let circle = response()
        .alias("b.example", NAME)
        .alias(QUESTION_NAME, "b.example");
    assert_eq!(circle.clone().read(), NOTHING);
    assert_eq!(circle.a("b.example", 7).read(), UNUSABLE);
}

#[test]
fn an_alias_of_itself_has_no_addresses() {
    assert_eq!(
        response().alias(QUESTION_NAME, QUESTION_NAME).read(),
        NOTHING
    );
}
