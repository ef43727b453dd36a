//! The bytes of a server name, eight at a time, as the keys under which [`crate::layout::NAMES`] may have it.

use crate::layout::{NAME_BYTES, NameKey};

/// A word with `byte` in each of its bytes.
const fn each(byte: u8) -> u64 {
    u64::from_ne_bytes([byte; 8])
}

const HIGH: u64 = each(0x80);

/// The two keys of a name: the name itself, and the name with `*` for its second label.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(C)]
pub struct NameKeys {
    pub(super) exact: KeyBuffer,
    pub(super) wild: KeyBuffer,
}

impl NameKeys {
    /// Without a name.
    pub const EMPTY: Self = Self {
        exact: KeyBuffer::EMPTY,
        wild: KeyBuffer::EMPTY,
    };

    /// Empties the exact key's first bytes, which marks the name as absent.
    #[inline(always)]
    pub(super) fn clear(&mut self) {
        self.exact.put(0, 0);
    }

    /// The name.
    #[inline(always)]
    pub fn exact(&self) -> &NameKey {
        self.exact.key()
    }

    /// The name with `*` for its second label.
    #[inline(always)]
    pub fn wild(&self) -> &NameKey {
        self.wild.key()
    }
}

/// A key under construction. Parts are written as whole words, hence the room after the key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(C, align(8))]
pub(super) struct KeyBuffer([u8; NAME_BYTES + 8]);

impl KeyBuffer {
    pub(super) const EMPTY: Self = Self([0; NAME_BYTES + 8]);

    /// Writes all eight bytes of `word`.
    #[inline(always)]
    pub(super) fn put(&mut self, at: u32, word: u64) {
        let at = (at & (NAME_BYTES as u32 - 1)) as usize;
        if let Some(target) = self.0.get_mut(at..at + 8) {
            target.copy_from_slice(&word.to_le_bytes());
        }
    }

    #[inline(always)]
    pub(super) fn key(&self) -> &NameKey {
        let [key @ .., _, _, _, _, _, _, _, _] = &self.0;
        key
    }
}

/// The lowest `len` bytes of `word`, 1 to 8.
#[inline(always)]
pub(super) const fn lowest(word: u64, len: u32) -> u64 {
    word & (u64::MAX >> (8_u32.wrapping_sub(len).wrapping_mul(8) & 63))
}

/// High bits at the bytes in `low..=high`, for a word without high bits.
#[inline(always)]
const fn between(word: u64, low: u8, high: u8) -> u64 {
    let from = word.wrapping_add(each(0x80 - low));
    let past = word.wrapping_add(each(0x7f - high));
    from & !past & HIGH
}

/// The first `len` bytes, 1 to 8, in lower case; `None` if one cannot be in a host name: letters, digits, hyphen, underscore and dot can.
#[inline(always)]
pub(super) const fn lower(word: u64, len: u32) -> Option<u64> {
    let low = word & !HIGH;
    let upper = between(low, b'A', b'Z');
    let good = upper
        | between(low, b'a', b'z')
        | between(low, b'0', b'9')
        | between(low, b'-', b'.')
        | between(low, b'_', b'_');
    let bad = (!good | word) & HIGH;
    if lowest(bad, len) != 0 {
        return None;
    }
    Some(lowest(word | (upper >> 2), len))
}

/// Whether one of the first `len` bytes, 1 to 8, is a colon, as in an IPv6 address.
#[inline(always)]
pub(super) const fn has_colon(word: u64, len: u32) -> bool {
    let colons = between(word & !HIGH, b':', b':') & !word;
    lowest(colons, len) != 0
}

/// Whether the first `len` bytes, 1 to 8, are digits and dots, for a word that [`lower`] returned.
#[inline(always)]
pub(super) const fn is_numeric(word: u64, len: u32) -> bool {
    let numeric = between(word, b'0', b'9') | between(word, b'.', b'.');
    lowest(!numeric & HIGH, len) == 0
}

/// Number of the first `len` bytes, 1 to 8, that belong to one label and the dot after it, and whether that dot is there, for a word in lower case.
#[inline(always)]
pub(super) const fn label(word: u64, len: u32) -> (u32, bool) {
    let dots = between(word, b'.', b'.');
    if dots == 0 {
        return (len, false);
    }
    // The bits below that of the lowest dot cover the bytes up to it.
    let below = dots.isolate_lowest_one().wrapping_sub(1);
    let bytes = (below & each(1)).wrapping_mul(each(1)) >> 56;
    (bytes as u32, true)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn word(text: &[u8]) -> (u64, u32) {
        let mut bytes = [0xaa; 8];
        bytes[..text.len()].copy_from_slice(text);
        (u64::from_le_bytes(bytes), text.len() as u32)
    }

    #[test]
    fn every_byte_is_accepted_or_refused_at_every_position() {
        for byte in 0..=255_u8 {
            let text = byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_');
            for len in 1..=8 {
                for at in 0..len {
                    let mut bytes = [b'X'; 8];
                    bytes[at] = byte;
                    let (word, len) = word(&bytes[..len]);
                    let mut expected = [0; 8];
                    expected[..len as usize].copy_from_slice(&bytes[..len as usize]);
                    expected.make_ascii_lowercase();
                    let expected = text.then_some(u64::from_le_bytes(expected));
                    assert_eq!(lower(word, len), expected, "{byte} at {at} of {len}");
                }
            }
        }
    }

    #[test]
    fn every_byte_distinguishes_addresses_from_names() {
        for byte in 0..=255_u8 {
            for len in 1..=8 {
                for at in 0..8 {
                    let mut bytes = [b'7'; 8];
                    bytes[at] = byte;
                    let word = u64::from_le_bytes(bytes);
                    let is_in = at < len as usize;
                    assert_eq!(has_colon(word, len), is_in && byte == b':');
                    if byte.is_ascii() {
                        let other = !(byte.is_ascii_digit() || byte == b'.');
                        assert_eq!(is_numeric(word, len), !(is_in && other));
                    }
                }
            }
        }
    }

    #[test]
    fn a_label_ends_at_its_dot() {
        for (text, expected) in [
            ("a", (1, false)),
            (".", (1, true)),
            ("abcdefgh", (8, false)),
            ("abcdefg.", (8, true)),
            ("ab.cd.ef", (3, true)),
            ("-.-.", (2, true)),
            ("/0", (2, false)),
        ] {
            let (word, len) = word(text.as_bytes());
            assert_eq!(label(lowest(word, len), len), expected, "{text}");
        }
    }

    #[test]
    fn no_part_is_written_past_the_end() {
        let mut name = KeyBuffer::EMPTY;
        name.put(255, u64::from_le_bytes(*b"abcdefgh"));
        assert_eq!(name.key()[255], b'a');
        name.put(256, 0);
        assert_eq!(name.key()[..8], [0; 8]);
    }
}
