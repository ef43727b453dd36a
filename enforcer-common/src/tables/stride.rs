//! The protected IPv4 set: a table with strides 8-8-8-8 in blocks of 256 entries.
//!
//! Blocks 0–255 belong to the first octet and are indexed by the second; an entry is a class or the number of the block
//! that splits it by the next octet. Next to a protected prefix the whole egress program costs less than half of a single look-up in a
//! trie (docs/bench.md).

use crate::class::Class;

/// Entries in a block.
pub const BLOCK_LEN: usize = 256;
/// Entries from this value on are block numbers; smaller ones are class codes.
pub const FIRST_BLOCK: u16 = 256;
/// Maximum number of blocks: three times what the storage and registry tags of the public cloud need (1,305 in October 2025).
pub const MAX_BLOCKS: u32 = 4096;

/// One block as a map value.
pub type Block = [u16; BLOCK_LEN];

const _: () = assert!(size_of::<Block>() == 512);

/// Access to the blocks: a BPF map in the kernel, a `Vec` in tests.
pub trait Blocks {
    /// The entry at `index` of block `block`; `None` if there is no such block.
    fn entry(&self, block: u32, index: u8) -> Option<u16>;
}

/// The class of `address` (host byte order); [`Class::Unknown`] if a block is missing.
#[inline(always)]
pub fn lookup(blocks: &impl Blocks, address: u32) -> Class {
    let [first, second, third, fourth] = address.to_be_bytes();
    let Some(entry) = blocks.entry(first as u32, second) else {
        return Class::Unknown;
    };
    if entry < FIRST_BLOCK {
        return Class::from_code(entry);
    }
    let Some(entry) = blocks.entry(entry as u32, third) else {
        return Class::Unknown;
    };
    if entry < FIRST_BLOCK {
        return Class::from_code(entry);
    }
    let Some(entry) = blocks.entry(entry as u32, fourth) else {
        return Class::Unknown;
    };
    Class::from_code(entry)
}
