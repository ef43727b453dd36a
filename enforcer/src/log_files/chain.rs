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
    event: &'a EventRecord,
}

/// A line as read.
#[derive(Deserialize)]
pub(super) struct Line {
    /// The hash of the line before.
    pub(super) previous: LineHash,
    /// The event.
    pub(super) event: EventRecord,
}

impl Line {
    /// Parses a line, with or without its line feed.
    pub(super) fn parse(line: &[u8]) -> Result<Self, serde_json::Error> {
        serde_json::from_slice(line)
    }
}

/// Returns the line of an event, without a line feed.
///
/// # Errors
/// If the event has a path that is not UTF-8.
pub(super) fn line(previous: LineHash, event: &EventRecord) -> Result<Vec<u8>, serde_json::Error> {
    serde_json::to_vec(&Written { previous, event })
}
