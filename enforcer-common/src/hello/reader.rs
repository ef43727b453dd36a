//! Follows a ClientHello from segment to segment, from field to field.

use super::name::{Keys, has_colon, is_numeric, label, lower, lowest};
use super::record::Continuation;
use super::token::{Place, Step, advance, begun, behind_hello, continued, may_be_another};
use crate::reason::Reason;

/// Fields, parts of names and headers of records that are read of one segment. A hello has 6 fields before its extensions; clients send some
/// 20 of those, and an allowed name has a dozen parts at most. Each record after the first has a header, and may cut a field.
pub const MAX_TOKENS: u32 = 192;

/// Where a hello is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(C)]
pub struct Desk {
    /// How far.
    pub reading: Reading,
    /// The name as far as it was read.
    pub keys: Keys,
}

impl Desk {
    /// Before the first byte.
    pub const EMPTY: Self = Self {
        reading: Reading::START,
        keys: Keys::EMPTY,
    };

    /// Begins with a segment whose payload, of `len` bytes, is at `at`.
    #[inline(always)]
    pub fn begin(&mut self, at: u32, len: u32) {
        self.reading.begin(at, len, &mut self.keys);
    }

    /// Takes the bytes that were wanted, the first one lowest.
    ///
    /// # Errors
    /// With the reason to deny the hello for.
    #[inline(always)]
    pub fn take_in(&mut self, word: u64) -> Result<(), Reason> {
        self.reading.take_in(word, &mut self.keys)
    }
}

/// Digits of a group of an IPv6 address, and the colon behind it.
const IPV6_GROUP: u32 = 5;

/// What a reader wants.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Want {
    /// So many bytes, 1 to 8, from there on: an offset and a length.
    Word(u32, u32),
    /// Nothing more of this segment.
    End(Read),
    /// Nothing more at all.
    Denied(Reason),
}

/// How far a ClientHello was read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
#[repr(C)]
pub struct Reading {
    place: Place,
    /// The first bytes of a field that was cut.
    part: u64,
    /// How many.
    have: u8,
    continuation: Continuation,
    /// Where in the segment the next byte is, and how many there are from it on.
    at: u32,
    rest: u32,
    /// Bytes written to each key.
    exact: u16,
    /// Bytes of the hello beyond the record.
    unframed: u16,
    wild: u32,
    /// Labels behind the reader, and bytes of the one that it is in.
    labels: u32,
    label: u32,
    /// What is known of the name: [`NAMED`] and [`LETTERED`]; and [`RETRIED`] and [`ENDED`].
    seen: u32,
}

/// The name is there whole.
const NAMED: u32 = 1;
/// It holds more than digits and dots.
const LETTERED: u32 = 2;
/// Another hello may follow.
const RETRIED: u32 = 4;
/// A hello ended in the segment at hand.
const ENDED: u32 = 8;

/// How far a segment led.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Read {
    /// Not to the end of the ClientHello.
    Part,
    /// To its end: all of it was read.
    Whole,
}

impl Reading {
    /// Before the first byte.
    pub const START: Self = Self {
        place: Place::START,
        part: 0,
        have: 0,
        continuation: Continuation::NONE,
        at: 0,
        rest: 0,
        exact: 0,
        unframed: 0,
        wild: 0,
        labels: 0,
        label: 0,
        seen: 0,
    };

    /// Whether the name was read.
    #[inline(always)]
    pub const fn is_named(&self) -> bool {
        self.seen & NAMED != 0
    }

    /// Whether what was read in the place of a name is an IPv4 address, or means to be one.
    #[inline(always)]
    pub const fn is_address(&self) -> bool {
        self.seen & (NAMED | LETTERED) == NAMED
    }

    /// Where in the segment the next byte is.
    #[inline(always)]
    pub const fn at(&self) -> u32 {
        self.at
    }

    #[inline(always)]
    fn begin(&mut self, at: u32, len: u32, keys: &mut Keys) {
        if self.exact == 0 {
            *keys = Keys::EMPTY;
        }
        self.seen &= !ENDED;
        [self.at, self.rest] = [at, len];
    }

    /// Has nothing more be read, for `reason`.
    #[inline(always)]
    pub const fn fail(&mut self, reason: Reason) {
        self.place = Place::failed(reason);
    }

    /// Whether the hello that is being read takes more than one record.
    #[inline(always)]
    pub(super) const fn is_fragmented(&self) -> bool {
        self.unframed != 0 || self.continuation.is_begun()
    }

    /// What to do next; the same until bytes are taken in.
    #[inline(always)]
    pub fn want(&mut self) -> Want {
        self.skip();
        if self.place.skip == 0 && self.place.is(Step::End) {
            return Want::End(Read::Whole);
        }
        if let Some(reason) = self.place.failure() {
            return Want::Denied(reason);
        }
        if self.rest == 0 {
            return Want::End(Read::Part);
        }
        Want::Word(self.at, self.reach())
    }

    #[inline(always)]
    fn take_in(&mut self, word: u64, keys: &mut Keys) -> Result<(), Reason> {
        if self.within() == 0 {
            return self.header(word);
        }
        let whole = if self.place.is(Step::Name) {
            self.name(word, keys)?
        } else {
            self.field(word)
        };
        if let Some(word) = whole {
            self.pass(word, keys);
        }
        Ok(())
    }

    /// Goes on behind a field.
    #[inline(always)]
    fn pass(&mut self, word: u64, keys: &mut Keys) {
        let place = self.place;
        if may_be_another(place, word) {
            self.seen |= RETRIED;
        }
        self.place = advance(place, word, &mut self.unframed);
        if place.is(Step::Next) {
            self.continuation = Continuation::NONE;
        }
        let is_hello = place.is(Step::Name) || place.is(Step::Later);
        if is_hello && self.place.is(Step::End) && self.seen & RETRIED != 0 {
            self.place = behind_hello(self.place);
            self.seen |= ENDED;
        }
        if place.is(Step::Another) && self.place.is(Step::Session) {
            self.begin_another(keys);
        }
    }

    /// Forgets the name of the hello before. That was looked up with the end of its segment, and another one comes in a later: it answers
    /// what the server said to the first.
    #[inline(always)]
    fn begin_another(&mut self, keys: &mut Keys) {
        if self.seen & ENDED != 0 {
            self.fail(Reason::HelloUnreadable);
            return;
        }
        *keys = Keys::EMPTY;
        self.exact = 0;
        [self.wild, self.labels, self.label] = [0; 3];
        self.seen &= RETRIED;
    }

    /// Bytes that are left of the field, or as many as are taken of a name at a time.
    #[inline(always)]
    fn wanted(&self) -> u32 {
        self.place.missing(self.have).min(8)
    }

    /// Bytes of the hello that are left in its record; more than there are where all of the hello's are.
    #[inline(always)]
    fn within(&self) -> u32 {
        if self.unframed == 0 {
            return u32::MAX;
        }
        let remaining = self.place.remaining(self.have);
        remaining.wrapping_sub(self.unframed.into())
    }

    /// Bytes to take next.
    #[inline(always)]
    fn reach(&self) -> u32 {
        let within = self.within();
        let wanted = if within == 0 {
            self.continuation.missing()
        } else {
            self.wanted().min(within)
        };
        wanted.min(self.rest)
    }

    /// Goes on to the next field, or as far as the segment and the record go.
    #[inline(always)]
    fn skip(&mut self) {
        let skip = u32::from(self.place.skip);
        let skipped = skip.min(self.rest).min(self.within());
        self.place.skip = skip.wrapping_sub(skipped) as u16;
        self.take(skipped);
    }

    /// Takes bytes of the header of the hello's next record.
    #[inline(always)]
    fn header(&mut self, word: u64) -> Result<(), Reason> {
        let len = self.reach();
        self.take(len);
        if let Some(content) = self.continuation.header(word, len)? {
            self.place = continued(self.place, content, &mut self.unframed)?;
        }
        Ok(())
    }

    #[inline(always)]
    fn take(&mut self, len: u32) {
        self.at = self.at.wrapping_add(len);
        self.rest = self.rest.wrapping_sub(len);
    }

    /// Takes bytes of a field, and gives it once it is whole.
    #[inline(always)]
    fn field(&mut self, word: u64) -> Option<u64> {
        let wanted = self.wanted();
        let len = self.reach();
        let word = self.part | word << (u32::from(self.have).wrapping_mul(8) & 63);
        self.take(len);
        if len < wanted {
            self.part = word;
            self.have = self.have.wrapping_add(len as u8);
            self.place = begun(self.place, word, self.have.into());
            return None;
        }
        self.part = 0;
        self.have = 0;
        Some(word)
    }

    /// Takes the next bytes of the name, to the end of a label at most; gives no bytes once it is whole.
    #[inline(always)]
    fn name(&mut self, word: u64, keys: &mut Keys) -> Result<Option<u64>, Reason> {
        let len = self.reach();
        if self.is_ipv6(word, len) {
            return Err(Reason::ServerNameAddress);
        }
        let word = lower(word, len).ok_or(Reason::HelloUnreadable)?;
        let (taken, has_dot) = label(word, len);
        if !is_numeric(word, taken) {
            self.seen |= LETTERED;
        }
        self.take(taken);
        self.write(keys, lowest(word, taken), taken, has_dot);
        self.label = self.label.wrapping_add(taken);
        if has_dot {
            if self.label == 1 {
                return Err(Reason::HelloUnreadable);
            }
            self.label = 0;
            self.labels = self.labels.wrapping_add(1);
        }
        self.place.length = self.place.length.wrapping_sub(taken as u16);
        if self.place.length > 0 {
            return Ok(None);
        }
        if self.label == 0 {
            return Err(Reason::HelloUnreadable);
        }
        self.seen |= NAMED;
        Ok(Some(0))
    }

    /// Whether what begins the name, `len` bytes of it in `word`, begins an IPv6 address: a colon follows four bytes at most.
    #[inline(always)]
    fn is_ipv6(&self, word: u64, len: u32) -> bool {
        let first = IPV6_GROUP.saturating_sub(self.label).min(len);
        self.labels == 0 && first > 0 && has_colon(word, first)
    }

    #[inline(always)]
    fn write(&mut self, keys: &mut Keys, word: u64, len: u32, has_dot: bool) {
        keys.exact.put(self.exact.into(), word);
        self.exact = self.exact.wrapping_add(len as u16);
        let (word, len) = match (self.labels, has_dot) {
            (1, true) => (u64::from(b'.'), 1),
            (1, false) => (0, 0),
            _ => (word, len),
        };
        keys.wild.put(self.wild, word);
        self.wild = self.wild.wrapping_add(len);
        if self.labels == 0 && has_dot {
            keys.wild.put(self.wild, u64::from(b'*'));
            self.wild = self.wild.wrapping_add(1);
        }
    }
}
