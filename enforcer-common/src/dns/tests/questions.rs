//! Which messages have a question, and its fields.

use test_data::dns::ID;

use super::*;

fn asked(name: &[u8]) -> Option<(String, Question)> {
    let reading = MessageReader::new();
    reading.set(&Message::response(name, 1).0);
    let question = reading.question(Side::Server, MessageReader::walk)?;
    Some((text(reading.key()), question))
}

#[test]
fn a_question_has_the_transaction_the_type_and_the_name_in_lower_case() {
    let (name, question) = asked(&encoded("ConToso.AZUREcr.iO")).unwrap();
    assert_eq!(name, NAME);
    assert_eq!(Some(question), response().asked(), "0x20");
    assert_eq!((question.id, question.kind), (ID, Kind::A));
    let aaaa = Message::response(NAME, 28).asked().unwrap();
    assert_eq!(aaaa.kind, Kind::Aaaa);
    assert_eq!(aaaa.name, question.name);
}

#[test]
fn only_a_single_question_for_internet_addresses_counts() {
    let good = response();
    let class = good.end() - 1;
    for (what, message) in [
        ("no response", good.clone().set(2, 0x01)),
        ("an update", good.clone().set(2, 0xa8)),
        ("no question", good.clone().set(5, 0)),
        ("two questions", good.clone().set(5, 2)),
        ("256 questions more", good.clone().set(4, 1)),
        ("mail servers", Message::response(NAME, 15)),
        ("everything", Message::response(NAME, 255)),
        ("256 types further", Message::response(NAME, 257)),
        ("chaos", good.clone().set(class, 3)),
        ("any class", good.clone().set(class, 255)),
        ("the root", Message::response(&[0][..], 1)),
    ] {
        assert_eq!(message.asked(), None, "{what}");
    }
    assert!(good.asked().is_some());
}

#[test]
fn clients_send_queries_and_servers_send_responses() {
    let reading = MessageReader::new();
    for (flags, side, other) in [
        (0x01, Side::Client, Side::Server),
        (0x81, Side::Server, Side::Client),
    ] {
        reading.set(&response().set(2, flags).0);
        assert!(reading.question(side, MessageReader::walk).is_some());
        assert_eq!(reading.question(other, MessageReader::walk), None);
    }
}

#[test]
fn a_truncated_question_is_none() {
    let whole = response();
    for end in 0..whole.end() {
        assert_eq!(
            Message(whole.0[..end].to_vec()).asked(),
            None,
            "{end} bytes"
        );
    }
}

#[test]
fn a_name_that_cannot_be_written_with_dots_is_no_question() {
    let label = |bytes: &[u8]| {
        let mut name = vec![u8::try_from(bytes.len()).unwrap()];
        name.extend(bytes);
        name.extend(encoded("io"));
        name
    };
    for bad in [
        b"contoso.azurecr".as_slice(),
        b"contoso\0",
        b"*",
        b"con toso",
        b"c\xe9",
        b"a\\b",
    ] {
        assert_eq!(asked(&label(bad)), None, "{bad:?}");
    }
    let (name, _) = asked(&label(b"my_reg-1")).unwrap();
    assert_eq!(name, "my_reg-1.io");
}

#[test]
fn names_that_differ_in_one_character_are_distinct() {
    let [right, others @ ..] = [
        NAME,
        "contosp.azurecr.io",
        "contoso.azurecr.ip",
        "contoso.azurecr.i",
        "ontoso.azurecr.io",
        "contosoazurecr.io",
        "contoso.azurecr.io.io",
        "x.contoso.azurecr.io",
        "con.toso.azurecr.io",
    ]
    .map(|name| asked(&encoded(name)).unwrap());
    for other in others {
        assert_ne!(other.0, right.0);
        assert_ne!(other.1.name, right.1.name, "{}", other.0);
        assert_ne!(other.1.word(1), right.1.word(1));
    }
}

#[test]
fn a_word_distinguishes_transaction_type_server_and_name() {
    let question = response().asked().unwrap();
    let word = question.word(1);
    assert!(word.is_some_and(|word| word != 0));
    let others = [
        Question {
            id: ID + 1,
            ..question
        }
        .word(1),
        Question {
            kind: Kind::Aaaa,
            ..question
        }
        .word(1),
        Question {
            name: question.name ^ 1,
            ..question
        }
        .word(1),
        Question {
            name: question.name ^ 1 << 63,
            ..question
        }
        .word(1),
        question.word(2),
        question.word(127),
    ];
    assert!(others.iter().all(|other| other.is_some() && *other != word));
    for none in [0, 128, u32::MAX] {
        assert_eq!(question.word(none), None, "{none}");
    }
}
