//! Tests with messages built byte by byte.

mod answers;
mod cname_chains;
mod names;
mod questions;
mod wildcards;

use core::cell::Cell;

use super::*;

use test_data::dns::{Message, Name, QUESTION_NAME, TTL, pointer, record_type};

const NAME: &str = "contoso.azurecr.io";

/// Returns a name as encoded, without compression.
fn encoded(name: &str) -> Vec<u8> {
    Name::from(name).0
}

/// Returns a response to a question for the addresses of [`NAME`].
fn response() -> Message {
    Message::response(NAME, record_type::A)
}

trait Parse: Sized {
    /// Appends the address 198.51.100.`last`.
    fn a(self, owner: impl Into<Name>, last: u8) -> Self;

    /// Parses the question.
    fn asked(&self) -> Option<Question>;

    /// Returns the last bytes of the addresses, or the reason why there are none.
    fn read(&self) -> Result<Vec<u8>, Reply>;
}

impl Parse for Message {
    fn a(self, owner: impl Into<Name>, last: u8) -> Self {
        self.address(owner, [198, 51, 100, last].into())
    }

    fn asked(&self) -> Option<Question> {
        let reading = MessageReader::new();
        reading.set(&self.0);
        reading.question(Side::Server, MessageReader::walk)
    }

    fn read(&self) -> Result<Vec<u8>, Reply> {
        let reading = MessageReader::new();
        reading.set(&self.0);
        reading
            .question(Side::Server, MessageReader::walk)
            .expect("a question");
        match reading.answers(
            |reading| reading.record(MessageReader::walk),
            MessageReader::follow,
        ) {
            Reply::Addresses(found) => {
                assert_eq!(reading.address(found), None);
                let addresses = (0..found).map(|index| reading.address(index).unwrap().0[15]);
                Ok(addresses.collect())
            }
            none @ (Reply::Nothing | Reply::Unusable) => Err(none),
        }
    }
}

fn text(key: &[Cell<u8>]) -> String {
    let bytes = key.iter().map(Cell::get).take_while(|byte| *byte != 0);
    bytes.map(char::from).collect()
}

#[test]
fn a_message_is_read_up_to_the_maximum_length() {
    let mut message = response().a(QUESTION_NAME, 7);
    message.0.resize(MESSAGE_BYTES + 100, 0);
    assert_eq!(message.read(), Ok(vec![7]));
}

#[test]
fn a_reader_retains_nothing_of_the_previous_message() {
    let reading = MessageReader::new();
    let long = Message::response("a.very.long.name.indeed.example", 1);
    for (message, name, wildcard, parent) in [
        (
            &long,
            "a.very.long.name.indeed.example",
            "a.*.long.name.indeed.example",
            ".very.long.name.indeed.example",
        ),
        (&response(), NAME, "contoso.*.io", ".azurecr.io"),
    ] {
        reading.set(&message.0);
        assert!(
            reading
                .question(Side::Server, MessageReader::walk)
                .is_some()
        );
        assert_eq!(text(reading.key()), name);
        assert_eq!(text(reading.wildcard()), wildcard);
        assert_eq!(text(reading.parent().unwrap()), parent);
    }
    reading.set(&response().a(QUESTION_NAME, 7).0);
    reading.question(Side::Server, MessageReader::walk).unwrap();
    let reply = |reading: &MessageReader| {
        reading.answers(
            |reading| reading.record(MessageReader::walk),
            MessageReader::follow,
        )
    };
    assert_eq!(reply(&reading), Reply::Addresses(1));
    reading.set(&response().0);
    reading.question(Side::Server, MessageReader::walk).unwrap();
    assert_eq!(reply(&reading), Reply::Nothing);
    assert_eq!(reading.address(0), None);
}
