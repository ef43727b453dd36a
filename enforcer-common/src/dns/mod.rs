//! Reads DNS messages (RFC 1035): which question was asked, and which addresses an answer gives for it.
//!
//! A [`Reading`] holds one message and all that is known of it so far, so that the kernel programs can read it with functions that the
//! verifier judges one by one: state that lies in a map is any state to it. For that, each function that has a name read is told how: on
//! the host by [`Reading::walk`] itself, in the kernel through functions of their own.

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

/// Bytes of a message that are read: the largest answer that resolvers offer over UDP (EDNS). A server that keeps to what DNS Flag Day 2020
/// recommends sends 1,232 at most.
pub const MESSAGE_BYTES: usize = 4096;
/// Records of the answer section that are read; a message with more is unusable. An answer of 1,232 bytes has room for 75 addresses.
pub const MAX_RECORDS: usize = 128;
/// Aliases in a chain; an answer with more is unusable. BIND and Unbound follow 11, and Azure's names have five.
pub const MAX_ALIASES: usize = 32;
/// Bytes of the header (RFC 1035 section 4.1.1).
const HEADER: u32 = 12;
/// The class of the Internet (RFC 1035 section 3.2.4).
const INTERNET: u16 = 1;

/// A message, and what is known of it. All zero is an empty message.
#[derive(Debug)]
#[repr(C)]
pub struct Reading {
    message: [Cell<u8>; MESSAGE_BYTES],
    key: [Cell<u8>; NAME_BYTES],
    wildcard: [Cell<u8>; NAME_BYTES],
    /// The hash of the name that the chain of aliases leads to so far.
    chain: Cell<u64>,
    aliases: [Alias; MAX_ALIASES],
    addresses: [Cell<AddressKey>; MAX_RECORDS],
    /// The hashes of the names that the addresses belong to.
    owners: [Cell<u64>; MAX_RECORDS],
    ttls: [Cell<u32>; MAX_RECORDS],
    length: Cell<u32>,
    walk: name::Walk,
    /// The code of the question's [`Kind`].
    kind: Cell<u32>,
    /// Records of the answer that are not read yet.
    left: Cell<u32>,
    /// Where the next record begins.
    next: Cell<u32>,
    /// The shortest time to live of the chain so far, in seconds.
    ttl: Cell<u32>,
    /// How many of `addresses` are filled.
    found: Cell<u32>,
    /// How many of `aliases` are filled.
    aliased: Cell<u32>,
    /// How many of them the chain went through.
    followed: Cell<u32>,
}

/// A CNAME record of the answer.
#[derive(Debug)]
#[repr(C)]
struct Alias {
    /// The hash of its name.
    owner: Cell<u64>,
    /// The hash of the name that it leads to.
    target: Cell<u64>,
    ttl: Cell<u32>,
    /// Whether the chain went through it (1 or 0).
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

impl Reading {
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

    /// Takes a message in, as much of it as is ever read.
    pub fn set(&self, message: &[u8]) {
        for (held, byte) in self.message.iter().zip(message) {
            held.set(*byte);
        }
        self.set_length(message.len() as u32);
    }

    /// Where the message goes, for who fills it otherwise: its first bytes, then [`Reading::set_length`].
    #[inline(always)]
    pub const fn buffer(&self) -> &[Cell<u8>; MESSAGE_BYTES] {
        &self.message
    }

    /// Says how many bytes the message has.
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

    /// That name with `*` in the place of its second label; begins with zero where it has no third.
    #[inline(always)]
    pub const fn wildcard(&self) -> &[Cell<u8>; NAME_BYTES] {
        &self.wildcard
    }

    /// The `index`th address of the answer as [`crate::Address::key`] of an IPv4 address, or as on the wire of an IPv6 one, and the
    /// seconds for which it may be kept: the shortest time to live on the way there.
    #[inline(always)]
    pub fn address(&self, index: u32) -> Option<(AddressKey, u32)> {
        if index >= self.found.get() {
            return None;
        }
        let at = index as usize % MAX_RECORDS;
        Some((self.addresses[at].get(), self.lower(self.ttls[at].get())))
    }

    /// What the question asked for.
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

impl Default for Reading {
    fn default() -> Self {
        Self::new()
    }
}
