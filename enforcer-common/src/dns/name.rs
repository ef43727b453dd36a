//! Names: labels, compression pointers, hashes.

use super::message::{DONE, FAILED, HEADER, MessageReader, WALKING};
use crate::layout::NAME_BYTES;

/// Maximum length of a name on the wire, in bytes (RFC 1035 section 3.1).
const MAX_NAME: u32 = 255;
/// Maximum number of compression pointers in one name.
const MAX_POINTERS: u32 = 16;
/// Steps per call of [`MessageReader::walk_on`].
pub const STEPS: u32 = 16;
/// Calls of [`MessageReader::walk_on`] that suffice for any name: a step reads one byte or one pointer.
pub const WALKS: u32 = (MAX_NAME + MAX_POINTERS).div_ceil(STEPS);

/// Offset basis of 64-bit FNV-1a.
const HASH_BASIS: u64 = 0xcbf2_9ce4_8422_2325;

/// Purpose of reading a name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub(super) enum Use {
    /// For its hash only.
    Hash = 0,
    /// For its keys as well.
    Ask = 1,
}

impl MessageReader {
    /// Reads the name that was begun to its end.
    pub fn walk(&self) {
        for _ in 0..WALKS {
            if !self.walk_on() {
                return;
            }
        }
        self.walk.state.set(FAILED);
    }

    /// Reads [`STEPS`] steps of the name that was begun; returns whether there is more.
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

    /// Offset after the name; `None` if it could not be read.
    #[inline(always)]
    pub(super) fn after_name(&self) -> Option<u32> {
        if self.walk.state.get() != DONE {
            return None;
        }
        Some(self.walk.after.get())
    }

    /// Hash of the name in lower case. Collisions are harmless: only names within one answer are compared, whose author could write the right name
    /// as well.
    #[inline(always)]
    pub(super) fn name_hash(&self) -> u64 {
        self.walk.hash.get()
    }

    /// Whether the name can be written with dots between its labels.
    #[inline(always)]
    pub(super) fn is_plain(&self) -> bool {
        self.walk.plain.get() != 0
    }

    /// Number of labels of the name.
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

    /// Follows a pointer, which must point before the current part of the name; the part at its target must end before it as well.
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

    /// Adds the next byte of the uncompressed name: the length of a label, or one of its characters.
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
        // The first length has no dot before it, and the last one ends the name.
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
