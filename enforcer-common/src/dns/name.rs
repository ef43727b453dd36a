//! Names: labels, compression pointers, hashes.

use core::cell::Cell;

use super::{HEADER, Reading};
use crate::layout::NAME_BYTES;

/// Bytes of a name on the wire (RFC 1035 section 3.1).
const MAX_NAME: u32 = 255;
/// Pointers that one name may lead through.
const MAX_POINTERS: u32 = 16;
/// Steps that one call of [`Reading::walk_on`] takes.
pub const STEPS: u32 = 16;
/// Calls of [`Reading::walk_on`] after which every name is read or refused: a step is for one byte or one pointer.
pub const WALKS: u32 = (MAX_NAME + MAX_POINTERS).div_ceil(STEPS);

/// The basis of FNV-1a, 64 bits.
const HASH_BASIS: u64 = 0xcbf2_9ce4_8422_2325;

/// What a name that is read is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub(super) enum Use {
    /// Only its hash counts.
    Hash = 0,
    /// It also gives the keys.
    Ask = 1,
}

/// How far the walk along a name is.
#[derive(Debug)]
#[repr(C)]
pub(super) struct Walk {
    /// The code of the [`Use`].
    purpose: Cell<u32>,
    state: Cell<u32>,
    /// The next byte.
    at: Cell<u32>,
    /// Where the bytes end that may be read: where the part that pointed here begins.
    limit: Cell<u32>,
    /// Where this part of the name begins.
    part: Cell<u32>,
    /// Bytes left of the label.
    left: Cell<u32>,
    /// Bytes of the whole name so far.
    written: Cell<u32>,
    pointers: Cell<u32>,
    /// Where what follows the name begins; 0 while it is not known.
    after: Cell<u32>,
    /// The hash of the name so far: lengths and labels in lower case.
    hash: Cell<u64>,
    /// Whether labels so far hold nothing but letters, digits, `-` and `_`.
    plain: Cell<u32>,
    labels: Cell<u32>,
    /// Bytes of the wildcard key so far.
    starred: Cell<u32>,
}

const WALKING: u32 = 0;
const DONE: u32 = 1;
const FAILED: u32 = 2;

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

impl Reading {
    /// Reads the name that was begun to its end.
    pub fn walk(&self) {
        for _ in 0..WALKS {
            if !self.walk_on() {
                return;
            }
        }
        self.walk.state.set(FAILED);
    }

    /// Goes [`STEPS`] on along the name that was begun; whether there is more of it.
    #[inline(always)]
    pub fn walk_on(&self) -> bool {
        for _ in 0..STEPS {
            if self.walk.state.get() != WALKING {
                return false;
            }
            if self.step().is_none() {
                self.walk.state.set(FAILED);
                return false;
            }
        }
        true
    }

    #[inline(always)]
    pub(super) fn begin(&self, at: u32, purpose: Use) {
        let walk = &self.walk;
        walk.purpose.set(purpose as u32);
        walk.state.set(WALKING);
        walk.at.set(at);
        walk.limit.set(self.length.get());
        walk.part.set(at);
        walk.left.set(0);
        walk.written.set(0);
        walk.pointers.set(0);
        walk.after.set(0);
        walk.hash.set(HASH_BASIS);
        walk.plain.set(1);
        walk.labels.set(0);
        walk.starred.set(0);
    }

    /// Where what follows the name begins; `None` where the name could not be read.
    #[inline(always)]
    pub(super) fn after_name(&self) -> Option<u32> {
        if self.walk.state.get() != DONE {
            return None;
        }
        Some(self.walk.after.get())
    }

    /// A hash of the name that was read, whatever its case. Who can make two names of one hash could as well write the right one: nothing
    /// but records of one answer is compared by it.
    #[inline(always)]
    pub(super) fn name_hash(&self) -> u64 {
        self.walk.hash.get()
    }

    /// Whether the name that was read can be written with dots between labels.
    #[inline(always)]
    pub(super) fn is_plain(&self) -> bool {
        self.walk.plain.get() != 0
    }

    /// Labels of the name that was read.
    #[inline(always)]
    pub(super) fn labels(&self) -> u32 {
        self.walk.labels.get()
    }

    #[inline(always)]
    fn step(&self) -> Option<()> {
        let walk = &self.walk;
        let at = walk.at.get();
        if at >= walk.limit.get() {
            return None;
        }
        let byte = self.byte(at)?;
        let next = at.wrapping_add(1);
        walk.at.set(next);
        let left = walk.left.get();
        if left > 0 {
            walk.left.set(left.wrapping_sub(1));
            return self.take(byte.to_ascii_lowercase(), false);
        }
        match byte {
            0 => {
                if walk.after.get() == 0 {
                    walk.after.set(next);
                }
                walk.state.set(DONE);
                self.take(0, true)
            }
            1..=63 => {
                walk.left.set(byte.into());
                walk.labels.set(walk.labels.get().wrapping_add(1));
                self.take(byte, true)
            }
            0xc0.. => self.jump(byte, next),
            _ => None,
        }
    }

    /// Follows a pointer. It has to lead back before the part of the name that it is in, and what it leads to has to end there.
    #[inline(always)]
    fn jump(&self, high: u8, next: u32) -> Option<()> {
        let walk = &self.walk;
        if next >= walk.limit.get() {
            return None;
        }
        let low = self.byte(next)?;
        let target = u16::from_be_bytes([high & 0x3f, low]) as u32;
        let pointers = walk.pointers.get();
        let part = walk.part.get();
        if target < HEADER || target >= part || pointers >= MAX_POINTERS {
            return None;
        }
        walk.pointers.set(pointers.wrapping_add(1));
        if walk.after.get() == 0 {
            walk.after.set(next.wrapping_add(1));
        }
        walk.limit.set(part);
        walk.part.set(target);
        walk.at.set(target);
        Some(())
    }

    /// Takes the next byte of the name without compression: the length of a label, or one of its characters.
    #[inline(always)]
    fn take(&self, byte: u8, is_length: bool) -> Option<()> {
        let walk = &self.walk;
        let at = walk.written.get();
        if at >= MAX_NAME {
            return None;
        }
        walk.written.set(at.wrapping_add(1));
        // FNV-1a, 64 bits.
        let hash = (walk.hash.get() ^ byte as u64).wrapping_mul(0x0000_0100_0000_01b3);
        walk.hash.set(hash);
        if walk.purpose.get() == Use::Ask as u32 {
            self.spell(at, byte, is_length);
        }
        Some(())
    }

    /// Adds the byte to the keys.
    #[inline(always)]
    fn spell(&self, at: u32, byte: u8, is_length: bool) {
        let walk = &self.walk;
        let is_plain = byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
        if !is_length && !is_plain {
            walk.plain.set(0);
        }
        // The first length has no dot before it, and the last is the end.
        if at == 0 || (is_length && byte == 0) {
            return;
        }
        let letter = if is_length { b'.' } else { byte };
        self.key[at.wrapping_sub(1) as usize % NAME_BYTES].set(letter);
        let in_second = walk.labels.get() == 2;
        if in_second && !is_length {
            return;
        }
        let starred = walk.starred.get();
        self.wildcard[starred as usize % NAME_BYTES].set(letter);
        walk.starred.set(starred.wrapping_add(1));
        if in_second {
            self.wildcard[starred.wrapping_add(1) as usize % NAME_BYTES].set(b'*');
            walk.starred.set(starred.wrapping_add(2));
        }
    }
}
