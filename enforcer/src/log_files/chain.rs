//! One line of the log, and the hash that the next one has of it.

use std::fmt;

use ring::digest::{SHA256, SHA256_OUTPUT_LEN, digest};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use crate::core::EventRecord;

/// The longest line that is read, in bytes. Event records have at most some kilobytes.
pub(super) const MAX_LINE: usize = 64 * 1024;

/// SHA-256 of a line without its line feed; [`LineHash::NONE`] before the first line.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct LineHash([u8; SHA256_OUTPUT_LEN]);

impl LineHash {
    /// What the first line of all has.
    pub(crate) const NONE: Self = Self([0; SHA256_OUTPUT_LEN]);

    /// Returns the hash of a line, without its line feed.
    pub(super) fn of(line: &[u8]) -> Self {
        let mut hash = [0; SHA256_OUTPUT_LEN];
        hash.copy_from_slice(digest(&SHA256, line).as_ref());
        Self(hash)
    }

    fn parse(text: &str) -> Option<Self> {
        let mut hash = [0; SHA256_OUTPUT_LEN];
        let pairs = text.as_bytes().as_chunks::<2>();
        let (pairs, []) = pairs else { return None };
        if pairs.len() != hash.len() {
            return None;
        }
        for (byte, pair) in hash.iter_mut().zip(pairs) {
            let digit = |digit: u8| char::from(digit).to_digit(16);
            let value = digit(pair[0])? << 4 | digit(pair[1])?;
            *byte = u8::try_from(value).ok()?;
        }
        Some(Self(hash))
    }
}

impl fmt::Display for LineHash {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(out, "{byte:02x}"))
    }
}

impl fmt::Debug for LineHash {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, out)
    }
}

impl Serialize for LineHash {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for LineHash {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Self::parse(&text).ok_or_else(|| de::Error::custom("a hash has 64 hexadecimal digits"))
    }
}

#[derive(Serialize)]
struct Written<'a> {
    previous: LineHash,
    #[serde(skip_serializing_if = "Option::is_none")]
    first: Option<u64>,
    event: &'a EventRecord,
}

/// A line as read.
pub(super) struct Line {
    /// The hash of the line before.
    pub(super) previous: LineHash,
    /// The entry.
    pub(super) entry: Entry,
}

#[derive(Deserialize)]
struct Read {
    previous: LineHash,
    #[serde(default)]
    first: Option<u64>,
    event: EventRecord,
}

/// What a line says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Entry {
    /// Number of the first of the events that `event` stands for, and the last of which has its number; `None` for a single event.
    pub(crate) first: Option<u64>,
    /// The event.
    pub(crate) event: EventRecord,
}

impl Entry {
    /// One event.
    pub(crate) fn single(event: EventRecord) -> Self {
        Self { first: None, event }
    }
}

/// The number of an event, without the rest of its line.
#[derive(Deserialize)]
pub(super) struct Numbered {
    event: Number,
}

#[derive(Deserialize)]
struct Number {
    sequence: u64,
}

impl Numbered {
    /// Returns the number in a line; 0 if the line is damaged.
    pub(super) fn sequence(line: &[u8]) -> u64 {
        let numbered = serde_json::from_slice::<Self>(line);
        numbered.map_or(0, |numbered| numbered.event.sequence)
    }
}

impl Line {
    /// Parses a line, with or without its line feed.
    pub(super) fn parse(line: &[u8]) -> Result<Self, serde_json::Error> {
        let Read {
            previous,
            first,
            event,
        } = serde_json::from_slice(line)?;
        let entry = Entry { first, event };
        Ok(Self { previous, entry })
    }
}

/// Returns the line of an entry, without a line feed; long fields are shortened where it would be too long to be read back.
///
/// # Errors
/// If the event has a path that is not UTF-8.
pub(super) fn line(previous: LineHash, entry: &Entry) -> Result<Vec<u8>, serde_json::Error> {
    let write = |event: &EventRecord| {
        let first = entry.first;
        serde_json::to_vec(&Written {
            previous,
            first,
            event,
        })
    };
    let text = write(&entry.event)?;
    if text.len() < MAX_LINE {
        return Ok(text);
    }
    write(&entry.event.shortened())
}
