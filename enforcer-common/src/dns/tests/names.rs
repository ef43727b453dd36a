//! Names: their limits, and malicious compression pointers.

use super::*;

/// Reads an answer with this owner name; the closure gets the name's offset in the message.
fn owned_by(owner: impl FnOnce(usize) -> Vec<u8>) -> Result<Vec<u8>, Reply> {
    let message = response();
    let owner = owner(message.end());
    message.a(&owner, 7).read()
}

const UNUSABLE: Result<Vec<u8>, Reply> = Err(Reply::Unusable);
const READ: fn() -> Result<Vec<u8>, Reply> = || Ok(vec![7]);

#[test]
fn an_owner_is_compared_after_decompression_whatever_its_case() {
    assert_eq!(owned_by(|_| QUESTION_NAME.to_vec()), READ());
    assert_eq!(owned_by(|_| encoded(NAME)), READ());
    assert_eq!(owned_by(|_| encoded("CONTOSO.azurecr.IO")), READ());
    // The first label is literal, the rest a pointer to the second label of the question.
    let half = [&encoded("contoso")[..8], &pointer(12 + 8)].concat();
    assert_eq!(owned_by(|_| half), READ());
}

#[test]
fn a_similar_owner_makes_the_answer_unusable() {
    for other in [
        "contosp.azurecr.io",
        "contoso.azurecr.i",
        "contoso.azurecr.ioo",
        "contoso.azurecr",
        "azurecr.io",
        "x.contoso.azurecr.io",
        "contoso.azurecr.io.x",
    ] {
        assert_eq!(owned_by(|_| encoded(other)), UNUSABLE, "{other}");
    }
    let dotted = [&[15][..], b"contoso.azurecr", &encoded("io")].concat();
    assert_eq!(owned_by(|_| dotted), UNUSABLE, "a dot in a label");
    assert_eq!(owned_by(|_| vec![0]), UNUSABLE, "the root");
    let tail = pointer(12 + 8).to_vec();
    assert_eq!(
        owned_by(|_| tail),
        UNUSABLE,
        "a pointer to the second label"
    );
    let inside = pointer(12 + 1).to_vec();
    assert_eq!(owned_by(|_| inside), UNUSABLE, "a pointer into a label");
}

#[test]
fn a_pointer_must_point_back_and_not_into_the_header() {
    type Owner = fn(usize) -> Vec<u8>;
    let owners: [(&str, Owner); 9] = [
        ("to itself", |at| pointer(at).to_vec()),
        ("to its second byte", |at| pointer(at + 1).to_vec()),
        ("forward", |at| pointer(at + 2).to_vec()),
        ("past the end", |_| pointer(0x3fff).to_vec()),
        ("to the header", |_| pointer(0).to_vec()),
        ("to the header's last byte", |_| pointer(11).to_vec()),
        ("back into its own name", |at| {
            [&[1, b'a'][..], &pointer(at)].concat()
        }),
        ("a label of type 0x40", |_| vec![0x41, 0]),
        ("a label of type 0x80", |_| vec![0x81, 0]),
    ];
    for (what, owner) in owners {
        assert_eq!(owned_by(owner), UNUSABLE, "{what}");
    }
}

#[test]
fn two_pointers_to_each_other_are_a_loop() {
    // The first pointer is in the data of a skipped record.
    let message = response();
    let at = message.end() + 2 + 10;
    let message = message.record(QUESTION_NAME, 16, &pointer(at + 2 + 12));
    let there = pointer(at).to_vec();
    assert_eq!(message.a(&there, 7).read(), UNUSABLE);
}

#[test]
fn a_name_must_end_before_the_pointer_to_it() {
    // A label of 4 bytes, the last 2 of which are the pointer to it.
    let message = response();
    let at = message.end() + 2 + 10;
    let message = message.record(QUESTION_NAME, 16, &[3, b'a']);
    let there = pointer(at).to_vec();
    assert_eq!(message.a(&there, 7).read(), UNUSABLE);
}

#[test]
fn at_most_sixteen_pointers_are_followed() {
    for (pointers, expected) in [(15, READ()), (16, READ()), (17, UNUSABLE)] {
        let mut message = response();
        let mut last = 12;
        for _ in 1..pointers {
            let at = message.end() + 2 + 10;
            message = message.record(QUESTION_NAME, 16, &pointer(last));
            last = at;
        }
        let owner = pointer(last);
        assert_eq!(message.a(owner, 7).read(), expected, "{pointers}");
    }
}

/// Returns a name with the maximum number of labels: 126 of one byte each and one of `last` bytes.
fn long(last: usize) -> Vec<u8> {
    let mut labels = vec!["a".to_owned(); 126];
    labels.push("b".repeat(last));
    encoded(&labels.join("."))
}

#[test]
fn a_name_has_at_most_255_bytes() {
    assert_eq!(long(1).len(), 255);
    let message = Message::response(&long(1), 1);
    assert!(message.asked().is_some());
    assert_eq!(message.clone().a(QUESTION_NAME, 7).read(), READ());
    assert_eq!(message.a(&long(1), 7).read(), READ());
    assert_eq!(Message::response(&long(2), 1).asked(), None);
    assert_eq!(owned_by(|_| long(2)), UNUSABLE);
    // Also for a name composed of two parts.
    let message = Message::response(&long(1), 1);
    let owner = [&[1, b'a'][..], &QUESTION_NAME].concat();
    assert_eq!(message.a(&owner, 7).read(), UNUSABLE);
}

#[test]
fn labels_of_63_bytes_and_names_of_64_labels_are_read() {
    let widest = [
        "a".repeat(63),
        "b".repeat(63),
        "c".repeat(63),
        "d".repeat(61),
    ]
    .join(".");
    let many = ["x"; 64].join(".");
    for name in [widest, many] {
        let message = Message::response(name.as_str(), 1);
        assert!(message.asked().is_some());
        assert_eq!(message.a(QUESTION_NAME, 7).read(), READ(), "{name}");
    }
}

#[test]
fn wrong_label_lengths_make_the_answer_unusable() {
    for lie in [1, 6, 8, 63] {
        let mut owner = encoded(NAME);
        owner[0] = lie;
        assert_eq!(owned_by(|_| owner), UNUSABLE, "{lie}");
    }
    let cut = response().record([63, b'a'], 1, &[]);
    assert_eq!(cut.read(), UNUSABLE);
}
