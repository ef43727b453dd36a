//! Questions: the header and the question section.

use super::message::{HEADER, INTERNET, MessageReader};
use super::name::Use;
use crate::layout::NAME_BYTES;

/// The record types (RFC 1035 section 3.2.2, RFC 3596 section 2.1).
const A: u16 = 1;
const AAAA: u16 = 28;

/// Response, and opcode (RFC 1035 section 4.1.1), in byte 2 of the header.
const RESPONSE: u8 = 0x80;
const OPCODE: u8 = 0x78;

/// Address family of a question.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub enum Kind {
    /// IPv4.
    A = 0,
    /// IPv6.
    Aaaa = 1,
}

impl Kind {
    #[inline(always)]
    pub(super) const fn from_code(code: u32) -> Self {
        if code == Self::Aaaa as u32 {
            return Self::Aaaa;
        }
        Self::A
    }

    #[inline(always)]
    const fn from_type(number: u16) -> Option<Self> {
        match number {
            A => Some(Self::A),
            AAAA => Some(Self::Aaaa),
            _ => None,
        }
    }

    /// Record type.
    #[inline(always)]
    pub(super) const fn number(self) -> u16 {
        match self {
            Self::A => A,
            Self::Aaaa => AAAA,
        }
    }
}

/// Author of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// The client.
    Client,
    /// The resolver.
    Server,
}

/// The fields by which an answer is matched to its question.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Question {
    /// The transaction id.
    pub id: u16,
    /// The address family.
    pub kind: Kind,
    /// Hash of the name in lower case.
    pub name: u64,
}

impl Question {
    const KIND_BIT: u32 = 16;
    const SERVER_BIT: u32 = 17;
    const NAME_BIT: u32 = 24;

    /// The question in one word, with the number of the queried resolver; never 0. `None` for resolver 0 or one past 127.
    #[inline(always)]
    pub const fn word(self, server: u32) -> Option<u64> {
        if server == 0 || server >= 1 << (Self::NAME_BIT - Self::SERVER_BIT) {
            return None;
        }
        let name = (self.name ^ (self.name >> (64 - Self::NAME_BIT))) << Self::NAME_BIT;
        let (kind, server) = (self.kind as u64, server as u64);
        Some(name | server << Self::SERVER_BIT | kind << Self::KIND_BIT | self.id as u64)
    }
}

impl MessageReader {
    /// Kind of the question.
    #[inline(always)]
    pub fn kind(&self) -> Kind {
        Kind::from_code(self.kind.get())
    }

    /// Reads the header and the question of a message from `side`; `None` unless it queries the addresses of a name that can be written with dots. `walk`
    /// is [`MessageReader::walk`], or an equivalent.
    #[inline(always)]
    pub fn question(&self, side: Side, walk: impl FnOnce(&Self)) -> Option<Question> {
        let id = self.short(0)?;
        let flags = self.byte(2)?;
        let by_server = flags & RESPONSE != 0;
        if by_server != (side == Side::Server) || flags & OPCODE != 0 || self.short(4)? != 1 {
            return None;
        }
        self.clear_keys();
        self.begin(HEADER, Use::Ask);
        walk(self);
        let after = self.after_name()?;
        self.chain.set(self.name_hash());
        if !self.is_plain() || self.key[0].get() == 0 {
            return None;
        }
        let kind = Kind::from_type(self.short(after)?)?;
        if self.short(after.wrapping_add(2))? != INTERNET {
            return None;
        }
        self.kind.set(kind as u32);
        self.next.set(after.wrapping_add(4));
        self.finish_wildcard();
        Some(Question {
            id,
            kind,
            name: self.chain.get(),
        })
    }

    #[inline(always)]
    fn clear_keys(&self) {
        for at in 0..NAME_BYTES {
            self.key[at].set(0);
            self.wildcard[at].set(0);
        }
    }
}
