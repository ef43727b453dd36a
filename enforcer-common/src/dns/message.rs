//! A DNS message and the state of its reader.

use core::cell::Cell;

use crate::layout::{AddressKey, NAME_BYTES};

/// Maximum number of bytes read: the largest answer that resolvers offer over UDP (EDNS). DNS Flag Day 2020 recommends at most 1,232.
pub const MESSAGE_BYTES: usize = 4096;
/// Maximum number of answer records; a message with more is unusable. An answer of 1,232 bytes has room for 75 addresses.
pub const MAX_RECORDS: usize = 128;
/// Maximum length of a CNAME chain; an answer with more is unusable. BIND and Unbound follow 11, and Azure's names have five.
pub const MAX_ALIASES: usize = 32;
/// Bytes behind a key that stay zero: as many as the first label can have, so that what follows that label is a key of its own.
const KEY_PADDING: usize = 64;
/// Length of the header (RFC 1035 section 4.1.1).
pub(super) const HEADER: u32 = 12;
/// The class of the Internet (RFC 1035 section 3.2.4).
pub(super) const INTERNET: u16 = 1;

/// A message and the state of its reader. All zero: an empty message.
#[derive(Debug)]
#[repr(C)]
pub struct MessageReader {
    pub(super) message: [Cell<u8>; MESSAGE_BYTES],
    pub(super) key: [Cell<u8>; NAME_BYTES + KEY_PADDING],
    pub(super) wildcard: [Cell<u8>; NAME_BYTES],
    /// Hash of the last name of the CNAME chain so far.
    pub(super) chain: Cell<u64>,
    pub(super) aliases: [Alias; MAX_ALIASES],
    pub(super) addresses: [Cell<AddressKey>; MAX_RECORDS],
    /// Hashes of the names that own the addresses.
    pub(super) owners: [Cell<u64>; MAX_RECORDS],
    pub(super) ttls: [Cell<u32>; MAX_RECORDS],
    pub(super) length: Cell<u32>,
    pub(super) walk: Walk,
    /// The code of the question's [`Kind`].
    pub(super) kind: Cell<u32>,
    /// Answer records still to be read.
    pub(super) left: Cell<u32>,
    /// Offset of the next record.
    pub(super) next: Cell<u32>,
    /// Shortest TTL of the chain so far, in seconds.
    pub(super) ttl: Cell<u32>,
    /// Number of entries of `addresses`.
    pub(super) found: Cell<u32>,
    /// Number of entries of `aliases`.
    pub(super) aliased: Cell<u32>,
    /// Number of aliases that the chain has followed.
    pub(super) followed: Cell<u32>,
}

/// A CNAME record of the answer.
#[derive(Debug)]
#[repr(C)]
pub(super) struct Alias {
    /// Hash of its owner name.
    pub(super) owner: Cell<u64>,
    /// Hash of its target.
    pub(super) target: Cell<u64>,
    pub(super) ttl: Cell<u32>,
    /// Whether the chain has followed it (1 or 0).
    pub(super) is_followed: Cell<u32>,
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
            key: [const { Cell::new(0) }; NAME_BYTES + KEY_PADDING],
            wildcard: [const { Cell::new(0) }; NAME_BYTES],
            chain: Cell::new(0),
            aliases: [const { Alias::new() }; MAX_ALIASES],
            addresses: [const { Cell::new([0; 16]) }; MAX_RECORDS],
            owners: [const { Cell::new(0) }; MAX_RECORDS],
            ttls: [const { Cell::new(0) }; MAX_RECORDS],
            length: Cell::new(0),
            walk: Walk::new(),
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
        match self.key.first_chunk() {
            Some(key) => key,
            // The array is longer, which the compiler knows: the verifier would refuse a panic.
            None => unreachable!(),
        }
    }

    /// What follows the first label of that name, from its dot on: `.blob.core.windows.net`; `None` if nothing follows.
    #[inline(always)]
    pub fn parent(&self) -> Option<&[Cell<u8>; NAME_BYTES]> {
        let label = self.byte(HEADER)? as usize % KEY_PADDING;
        if self.key[label].get() != b'.' {
            return None;
        }
        self.key.get(label..label + NAME_BYTES)?.try_into().ok()
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

    #[inline(always)]
    pub(super) fn byte(&self, at: u32) -> Option<u8> {
        if at >= self.length.get() {
            return None;
        }
        Some(self.message[at as usize % MESSAGE_BYTES].get())
    }

    /// A number in network byte order.
    #[inline(always)]
    pub(super) fn short(&self, at: u32) -> Option<u16> {
        let high = self.byte(at)?;
        let low = self.byte(at.wrapping_add(1))?;
        Some(u16::from_be_bytes([high, low]))
    }

    #[inline(always)]
    pub(super) fn long(&self, at: u32) -> Option<u32> {
        let high = self.short(at)?;
        let low = self.short(at.wrapping_add(2))?;
        Some((high as u32) << 16 | low as u32)
    }
}

/// Values of [`Walk::state`].
pub(super) const WALKING: u32 = 0;
pub(super) const DONE: u32 = 1;
pub(super) const FAILED: u32 = 2;

/// State of the walk along a name.
#[derive(Debug)]
#[repr(C)]
pub(super) struct Walk {
    /// The code of the [`Use`].
    pub(super) purpose: Cell<u32>,
    pub(super) state: Cell<u32>,
    /// Offset of the next byte.
    pub(super) at: Cell<u32>,
    /// End of the readable bytes: the beginning of the part that pointed here.
    pub(super) limit: Cell<u32>,
    /// Beginning of this part of the name.
    pub(super) part: Cell<u32>,
    /// Bytes left of the label.
    pub(super) left: Cell<u32>,
    /// Length of the whole name so far.
    pub(super) written: Cell<u32>,
    pub(super) pointers: Cell<u32>,
    /// Offset after the name; 0 while unknown.
    pub(super) after: Cell<u32>,
    /// Hash of the name so far: lengths and labels in lower case.
    pub(super) hash: Cell<u64>,
    /// Whether all labels so far consist of letters, digits, `-` and `_`.
    pub(super) plain: Cell<u32>,
    pub(super) labels: Cell<u32>,
    /// Length of the wildcard key so far.
    pub(super) starred: Cell<u32>,
}

impl Walk {
    pub(super) const fn new() -> Self {
        Self {
            purpose: Cell::new(0),
            state: Cell::new(FAILED),
            at: Cell::new(0),
            limit: Cell::new(0),
            part: Cell::new(0),
            left: Cell::new(0),
            written: Cell::new(0),
            pointers: Cell::new(0),
            after: Cell::new(0),
            hash: Cell::new(0),
            plain: Cell::new(0),
            labels: Cell::new(0),
            starred: Cell::new(0),
        }
    }
}

impl Default for MessageReader {
    fn default() -> Self {
        Self::new()
    }
}
