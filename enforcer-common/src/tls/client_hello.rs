//! The incremental parser of a ClientHello, from field to field and from segment to segment.

use super::cursor::{Cursor, advance, allows_second_hello, begun, behind_hello, continued};
use super::field::Field;
use super::name::NameKeys;
use super::record::Continuation;
use crate::reason::Reason;

/// Maximum number of fields, parts of names and record headers parsed in one segment. A ClientHello has 6 fields before its extensions; clients send
/// about 20 of those, and an allowed name has at most a dozen parts. Each record after the first has a header, and may cut a field.
pub const MAX_FIELDS: u32 = 192;

/// Memory of the parser.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(C)]
pub struct ParserScratch {
    /// The position in the ClientHello.
    pub state: ParserState,
    /// The server name as far as it was read.
    pub keys: NameKeys,
}

impl ParserScratch {
    /// Before the first byte.
    pub const EMPTY: Self = Self {
        state: ParserState::START,
        keys: NameKeys::EMPTY,
    };

    /// Begins a segment whose payload of `len` bytes is at packet offset `at`.
    #[inline(always)]
    pub fn begin(&mut self, at: u32, len: u32) {
        self.state.begin(at, len, &mut self.keys);
    }

    /// Parses the demanded bytes, the first one lowest.
    ///
    /// # Errors
    /// The reason to deny the ClientHello for.
    #[inline(always)]
    pub fn feed(&mut self, word: u64) -> Result<(), Reason> {
        self.state.feed(word, &mut self.keys)
    }
}

/// The next demand of the parser.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Demand {
    /// Bytes of the packet: offset and length, 1 to 8.
    Word(u32, u32),
    /// Nothing more of this segment.
    End(Progress),
    /// Nothing more: the ClientHello is denied.
    Denied(Reason),
}

/// Position and intermediate values of the parser.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
#[repr(C)]
pub struct ParserState {
    pub(super) cursor: Cursor,
    /// First bytes of a field that the segment or the record cut.
    pub(super) part: u64,
    /// Number of those bytes.
    pub(super) have: u8,
    pub(super) continuation: Continuation,
    /// Packet offset of the next byte, and number of bytes from it on.
    pub(super) at: u32,
    pub(super) rest: u32,
    /// Bytes written to each key.
    pub(super) exact: u16,
    /// Bytes of the ClientHello beyond its record.
    pub(super) unframed: u16,
    pub(super) wild: u32,
    /// Complete labels, and bytes of the current one.
    pub(super) labels: u32,
    pub(super) label: u32,
    /// Flags: [`NAMED`], [`LETTERED`], [`HRR_POSSIBLE`] and [`ENDED`].
    pub(super) seen: u32,
}

/// The name is complete.
pub(super) const NAMED: u32 = 1;
/// The name has characters other than digits and dots.
pub(super) const LETTERED: u32 = 2;
/// A second ClientHello may follow (HelloRetryRequest).
const HRR_POSSIBLE: u32 = 4;
/// A ClientHello ended in this segment.
const ENDED: u32 = 8;

/// How far a segment was parsed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Progress {
    /// Not to the end of the ClientHello.
    Part,
    /// To the end of the ClientHello.
    Whole,
}

impl ParserState {
    /// Before the first byte.
    pub const START: Self = Self {
        cursor: Cursor::START,
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

    /// Whether the name was read completely.
    #[inline(always)]
    pub const fn has_name(&self) -> bool {
        self.seen & NAMED != 0
    }

    /// Whether the name consists of digits and dots only, as an IPv4 address does.
    #[inline(always)]
    pub const fn is_address(&self) -> bool {
        self.seen & (NAMED | LETTERED) == NAMED
    }

    /// Whether the ClientHello was parsed to its end.
    #[inline(always)]
    pub(super) fn is_whole(&self) -> bool {
        self.cursor.skip == 0 && self.cursor.is(Field::End)
    }

    /// Number of bytes of the segment after the parsed ones.
    #[inline(always)]
    pub(super) const fn rest(&self) -> u32 {
        self.rest
    }

    #[inline(always)]
    fn begin(&mut self, at: u32, len: u32, keys: &mut NameKeys) {
        if self.exact == 0 {
            *keys = NameKeys::EMPTY;
        }
        self.seen &= !ENDED;
        [self.at, self.rest] = [at, len];
    }

    /// Ends the parse with a denial.
    #[inline(always)]
    pub const fn fail(&mut self, reason: Reason) {
        self.cursor = Cursor::failed(reason);
    }

    /// Whether the ClientHello takes more than one record.
    #[inline(always)]
    pub(super) const fn is_fragmented(&self) -> bool {
        self.unframed != 0 || self.continuation.is_begun()
    }

    /// What the parser needs next; the same until it is fed.
    #[inline(always)]
    pub fn demand(&mut self) -> Demand {
        self.skip();
        if self.is_whole() {
            return Demand::End(Progress::Whole);
        }
        if let Some(reason) = self.cursor.failure() {
            return Demand::Denied(reason);
        }
        if self.rest == 0 {
            return Demand::End(Progress::Part);
        }
        Demand::Word(self.at, self.reach())
    }

    #[inline(always)]
    fn feed(&mut self, word: u64, keys: &mut NameKeys) -> Result<(), Reason> {
        if self.within() == 0 {
            return self.header(word);
        }
        let whole = if self.cursor.is(Field::Name) {
            self.name(word, keys)?
        } else {
            self.field(word)
        };
        if let Some(word) = whole {
            self.pass(word, keys);
        }
        Ok(())
    }

    /// Advances past a field.
    #[inline(always)]
    fn pass(&mut self, word: u64, keys: &mut NameKeys) {
        let cursor = self.cursor;
        if allows_second_hello(cursor, word) {
            self.seen |= HRR_POSSIBLE;
        }
        self.cursor = advance(cursor, word, &mut self.unframed);
        if cursor.is(Field::Next) {
            self.continuation = Continuation::NONE;
        }
        let is_hello = cursor.is(Field::Name) || cursor.is(Field::Later);
        if is_hello && self.cursor.is(Field::End) && self.seen & HRR_POSSIBLE != 0 {
            self.cursor = behind_hello(self.cursor);
            self.seen |= ENDED;
        }
        if cursor.is(Field::SecondHello) && self.cursor.is(Field::Session) {
            self.begin_second_hello(keys);
        }
    }

    /// Begins a second ClientHello without the name of the first, which was looked up at the end of its segment. The second one comes in a later
    /// segment, since it answers the server's HelloRetryRequest.
    #[inline(always)]
    fn begin_second_hello(&mut self, keys: &mut NameKeys) {
        if self.seen & ENDED != 0 {
            self.fail(Reason::HelloUnreadable);
            return;
        }
        *keys = NameKeys::EMPTY;
        self.exact = 0;
        [self.wild, self.labels, self.label] = [0; 3];
        self.seen &= HRR_POSSIBLE;
    }

    /// Bytes that are left of the field, at most 8.
    #[inline(always)]
    fn wanted(&self) -> u32 {
        self.cursor.missing(self.have).min(8)
    }

    /// Bytes of the ClientHello that are left in its record; the maximum if all of its bytes are in there.
    #[inline(always)]
    fn within(&self) -> u32 {
        if self.unframed == 0 {
            return u32::MAX;
        }
        let remaining = self.cursor.remaining(self.have);
        remaining.wrapping_sub(self.unframed.into())
    }

    /// Number of bytes to feed next.
    #[inline(always)]
    pub(super) fn reach(&self) -> u32 {
        let within = self.within();
        let wanted = if within == 0 {
            self.continuation.missing()
        } else {
            self.wanted().min(within)
        };
        wanted.min(self.rest)
    }

    /// Skips to the next field, as far as the segment and the record go.
    #[inline(always)]
    fn skip(&mut self) {
        let skip = u32::from(self.cursor.skip);
        let skipped = skip.min(self.rest).min(self.within());
        self.cursor.skip = skip.wrapping_sub(skipped) as u16;
        self.take(skipped);
    }

    /// Parses bytes of the header of the ClientHello's next record.
    #[inline(always)]
    fn header(&mut self, word: u64) -> Result<(), Reason> {
        let len = self.reach();
        self.take(len);
        if let Some(content) = self.continuation.header(word, len)? {
            self.cursor = continued(self.cursor, content, &mut self.unframed)?;
        }
        Ok(())
    }

    #[inline(always)]
    pub(super) fn take(&mut self, len: u32) {
        self.at = self.at.wrapping_add(len);
        self.rest = self.rest.wrapping_sub(len);
    }

    /// Parses bytes of a field; returns it once it is complete.
    #[inline(always)]
    fn field(&mut self, word: u64) -> Option<u64> {
        let wanted = self.wanted();
        let len = self.reach();
        let word = self.part | word << (u32::from(self.have).wrapping_mul(8) & 63);
        self.take(len);
        if len < wanted {
            self.part = word;
            self.have = self.have.wrapping_add(len as u8);
            self.cursor = begun(self.cursor, word, self.have.into());
            return None;
        }
        self.part = 0;
        self.have = 0;
        Some(word)
    }
}
