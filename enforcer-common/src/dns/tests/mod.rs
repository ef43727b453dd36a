//! Messages built by hand, byte for byte.

mod answers;
mod names;
mod questions;
mod wildcards;

use super::*;

const NAME: &str = "contoso.azurecr.io";
/// A pointer to the question's name.
const ASKED: &[u8] = &[0xc0, 12];
const TTL: u32 = 300;

/// A name as on the wire, without compression.
fn wire(name: &str) -> Vec<u8> {
    let mut bytes = Vec::new();
    for label in name.split('.') {
        bytes.push(u8::try_from(label.len()).unwrap());
        bytes.extend(label.as_bytes());
    }
    bytes.push(0);
    bytes
}

/// A message in the making: a response with one question.
#[derive(Clone)]
struct Built(Vec<u8>);

impl Built {
    fn question(name: &[u8], number: u16) -> Self {
        let mut bytes = vec![0x12, 0x34, 0x81, 0x80, 0, 1, 0, 0, 0, 0, 0, 0];
        bytes.extend(name);
        bytes.extend(number.to_be_bytes());
        bytes.extend([0, 1]);
        Self(bytes)
    }

    fn response() -> Self {
        Self::question(&wire(NAME), 1)
    }

    fn record(mut self, owner: &[u8], number: u16, data: &[u8]) -> Self {
        let length = u16::try_from(data.len()).unwrap();
        self.0[7] += 1;
        self.0.extend(owner);
        self.0.extend(number.to_be_bytes());
        self.0.extend([0, 1]);
        self.0.extend(TTL.to_be_bytes());
        self.0.extend(length.to_be_bytes());
        self.0.extend(data);
        self
    }

    fn a(self, owner: &[u8], last: u8) -> Self {
        self.record(owner, 1, &[198, 51, 100, last])
    }

    fn alias(self, owner: &[u8], target: &[u8]) -> Self {
        self.record(owner, 5, target)
    }

    fn set(mut self, at: usize, byte: u8) -> Self {
        self.0[at] = byte;
        self
    }

    /// Where the next byte goes.
    fn end(&self) -> usize {
        self.0.len()
    }

    /// A pointer to `at`.
    fn pointer(at: usize) -> [u8; 2] {
        (0xc000 | u16::try_from(at).unwrap()).to_be_bytes()
    }

    fn asked(&self) -> Option<Question> {
        let reading = MessageReader::new();
        reading.set(&self.0);
        reading.question(Side::Server, MessageReader::walk)
    }

    /// The last bytes of the addresses, or why there are none.
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
fn a_message_longer_than_is_read_is_read_as_far_as_that() {
    let mut message = Built::response().a(ASKED, 7);
    message.0.resize(MESSAGE_BYTES + 100, 0);
    assert_eq!(message.read(), Ok(vec![7]));
}

#[test]
fn a_reading_keeps_nothing_of_the_message_before() {
    let reading = MessageReader::new();
    let long = Built::question(&wire("a.very.long.name.indeed.example"), 1);
    for (message, name, wildcard) in [
        (
            &long,
            "a.very.long.name.indeed.example",
            "a.*.long.name.indeed.example",
        ),
        (&Built::response(), NAME, "contoso.*.io"),
    ] {
        reading.set(&message.0);
        assert!(
            reading
                .question(Side::Server, MessageReader::walk)
                .is_some()
        );
        assert_eq!(text(reading.key()), name);
        assert_eq!(text(reading.wildcard()), wildcard);
    }
    reading.set(&Built::response().a(ASKED, 7).0);
    reading.question(Side::Server, MessageReader::walk).unwrap();
    let reply = |reading: &MessageReader| {
        reading.answers(
            |reading| reading.record(MessageReader::walk),
            MessageReader::follow,
        )
    };
    assert_eq!(reply(&reading), Reply::Addresses(1));
    reading.set(&Built::response().0);
    reading.question(Side::Server, MessageReader::walk).unwrap();
    assert_eq!(reply(&reading), Reply::Nothing);
    assert_eq!(reading.address(0), None);
}
