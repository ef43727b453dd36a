//! The reader of DNS messages (RFC 1035): the question, and the addresses of its answer.
//!
//! A [`MessageReader`] holds one message and the state of its reader, so that the kernel programs can read it with functions that the verifier checks one by
//! one: it assumes any state for memory in a map. Functions that read a name take the way to do so as an argument: [`MessageReader::walk`] on the host, exported
//! functions in the kernel.

mod answer;
mod name;
mod pending;
mod question;
mod segment;
#[cfg(test)]
mod tests;
mod wildcard;

use core::cell::Cell;

pub use answer::Reply;
pub use name::{STEPS, WALKS};
pub use pending::PendingQueries;
pub use question::{Kind, Question, Side};
pub use segment::{PORT, Segment};
pub use wildcard::wildcard;

use crate::layout::{AddressKey, NAME_BYTES};

/// Maximum number of bytes read: the largest answer that resolvers offer over UDP (EDNS). DNS Flag Day 2020 recommends at most 1,232.
pub const MESSAGE_BYTES: usize = 4096;
/// Maximum number of answer records; a message with more is unusable. An answer of 1,232 bytes has room for 75 addresses.
pub const MAX_RECORDS: usize = 128;
/// Maximum length of a CNAME chain; an answer with more is unusable. BIND and Unbound follow 11, and Azure's names have five.
pub const MAX_ALIASES: usize = 32;
/// Length of the header (RFC 1035 section 4.1.1).
const HEADER: u32 = 12;
/// The class of the Internet (RFC 1035 section 3.2.4).
const INTERNET: u16 = 1;

/// A message and the state of its reader. All zero: an empty message.
#[derive(Debug)]
#[repr(C)]
pub struct MessageReader {
    message: [Cell<u8>; MESSAGE_BYTES],
    key: [Cell<u8>; NAME_BYTES],
    wildcard: [Cell<u8>; NAME_BYTES],
    /// Hash of the last name of the CNAME chain so far.
    chain: Cell<u64>,
    aliases: [Alias; MAX_ALIASES],
    addresses: [Cell<AddressKey>; MAX_RECORDS],
    /// Hashes of the names that own the addresses.
    owners: [Cell<u64>; MAX_RECORDS],
    ttls: [Cell<u32>; MAX_RECORDS],
    length: Cell<u32>,
    walk: name::Walk,
    /// The code of the question's [`Kind`].
    kind: Cell<u32>,
    /// Answer records still to be read.
    left: Cell<u32>,
    /// Offset of the next record.
    next: Cell<u32>,
    /// Shortest TTL of the chain so far, in seconds.
    ttl: Cell<u32>,
    /// Number of entries of `addresses`.
    found: Cell<u32>,
    /// Number of entries of `aliases`.
    aliased: Cell<u32>,
    /// Number of aliases that the chain has followed.
    followed: Cell<u32>,
}

/// A CNAME record of the answer.
#[derive(Debug)]
#[repr(C)]
struct Alias {
    /// Hash of its owner name.
    owner: Cell<u64>,
    /// Hash of its target.
    target: Cell<u64>,
    ttl: Cell<u32>,
    /// Whether the chain has followed it (1 or 0).
    is_followed: Cell<u32>,
}

impl Alias {
    const fn new() -> Self {
        Self {
            owner: Cell::new(0),
            target: Cell::new(0),
            ttl: Cell::new(0),
            is_followed: Cell::new(0),
        }
    }
}

impl MessageReader {
    /// An empty message.
    pub const fn new() -> Self {
        Self {
            message: [const { Cell::new(0) }; MESSAGE_BYTES],
            key: [const { Cell::new(0) }; NAME_BYTES],
            wildcard: [const { Cell::new(0) }; NAME_BYTES],
            chain: Cell::new(0),
            aliases: [const { Alias::new() }; MAX_ALIASES],
            addresses: [const { Cell::new([0; 16]) }; MAX_RECORDS],
            owners: [const { Cell::new(0) }; MAX_RECORDS],
            ttls: [const { Cell::new(0) }; MAX_RECORDS],
            length: Cell::new(0),
            walk: name::Walk::new(),
            kind: Cell::new(0),
            left: Cell::new(0),
            next: Cell::new(0),
            ttl: Cell::new(0),
            found: Cell::new(0),
            aliased: Cell::new(0),
            followed: Cell::new(0),
        }
    }

    /// Copies a message, at most [`MESSAGE_BYTES`] of it.
    pub fn set(&self, message: &[u8]) {
        for (held, byte) in self.message.iter().zip(message) {
            held.set(*byte);
        }
        self.set_length(message.len() as u32);
    }

    /// The buffer of the message, to be filled before [`MessageReader::set_length`].
    #[inline(always)]
    pub const fn buffer(&self) -> &[Cell<u8>; MESSAGE_BYTES] {
        &self.message
    }

    /// Sets the length of the message.
    #[inline(always)]
    pub fn set_length(&self, length: u32) {
        self.length.set(if length > MESSAGE_BYTES as u32 {
            MESSAGE_BYTES as u32
        } else {
            length
        });
    }

    /// The question's name as [`crate::layout::NameKey`].
    #[inline(always)]
    pub const fn key(&self) -> &[Cell<u8>; NAME_BYTES] {
        &self.key
    }

    /// That name with `*` for its second label; begins with zero if there is no third label.
    #[inline(always)]
    pub const fn wildcard(&self) -> &[Cell<u8>; NAME_BYTES] {
        &self.wildcard
    }

    /// Address number `index` of the answer, as [`crate::Address::key`] for IPv4 or as on the wire for IPv6, and its TTL in seconds: the shortest in its
    /// CNAME chain.
    #[inline(always)]
    pub fn address(&self, index: u32) -> Option<(AddressKey, u32)> {
        if index >= self.found.get() {
            return None;
        }
        let at = index as usize % MAX_RECORDS;
        Some((self.addresses[at].get(), self.lower(self.ttls[at].get())))
    }

    /// Kind of the question.
    #[inline(always)]
    pub fn kind(&self) -> Kind {
        Kind::from_code(self.kind.get())
    }

    #[inline(always)]
    fn byte(&self, at: u32) -> Option<u8> {
        if at >= self.length.get() {
            return None;
        }
        Some(self.message[at as usize % MESSAGE_BYTES].get())
    }

    /// A number in network byte order.
    #[inline(always)]
    fn short(&self, at: u32) -> Option<u16> {
        let high = self.byte(at)?;
        let low = self.byte(at.wrapping_add(1))?;
        Some(u16::from_be_bytes([high, low]))
    }

    #[inline(always)]
    fn long(&self, at: u32) -> Option<u32> {
        let high = self.short(at)?;
        let low = self.short(at.wrapping_add(2))?;
        Some((high as u32) << 16 | low as u32)
    }
}

impl Default for MessageReader {
    fn default() -> Self {
        Self::new()
    }
}
