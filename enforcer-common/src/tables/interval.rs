//! The protected IPv6 set: the sorted starts of intervals, each with the class up to the next start.

use crate::address::Address;
use crate::class::Class;

/// Maximum number of rows, including the header; a power of two. The public cloud needs about 1,300.
pub const MAX_ROWS: u32 = 4096;
/// Steps of a binary search in [`MAX_ROWS`].
const STEPS: u32 = MAX_ROWS.ilog2();

/// A row of the table as a map value. Row 0 is the header: its `high` and `low` are the first 64 bits of the first and last address with a class other
/// than [`Class::Unprotected`], and its `class` is the number of intervals.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
#[repr(C)]
pub struct Row {
    /// Bits 0–63 of the interval's first address.
    pub high: u64,
    /// Bits 64–127 of the interval's first address.
    pub low: u64,
    /// The class code of the interval.
    pub class: u32,
    /// Zero.
    pub reserved: u32,
}

const _: () = assert!(size_of::<Row>() == 24);

/// Access to the rows: a BPF map in the kernel, a `Vec` in tests.
pub trait Rows {
    /// The row at `index`; `None` if there is no such row.
    fn row(&self, index: u32) -> Option<Row>;
}

/// The class of `address`; [`Class::Unknown`] if a row is missing. Without intervals every address is unprotected.
#[inline(always)]
pub fn lookup(rows: &impl Rows, address: Address) -> Class {
    let Some(header) = rows.row(0) else {
        return Class::Unknown;
    };
    if address.high < header.high || address.high > header.low {
        return Class::Unprotected;
    }
    let count = header.class;
    // Always zero, but read from the table: from a known number the verifier would follow every path of the search.
    let mut found = header.reserved;
    let mut class = Class::Unprotected.code();
    let mut half = MAX_ROWS / 2;
    for _ in 0..STEPS {
        let probe = found.wrapping_add(half);
        half /= 2;
        if probe > count {
            continue;
        }
        let Some(row) = rows.row(probe) else {
            return Class::Unknown;
        };
        let starts_after =
            row.high > address.high || row.high == address.high && row.low > address.low;
        if !starts_after {
            found = probe;
            class = row.class as u16;
        }
    }
    Class::from_code(class)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    impl Rows for Vec<Row> {
        fn row(&self, index: u32) -> Option<Row> {
            self.get(index as usize).copied()
        }
    }

    fn table(starts: &[(u128, Class)]) -> Vec<Row> {
        let row = |bits: u128, class: u32| Row {
            high: (bits >> 64) as u64,
            low: bits as u64,
            class,
            reserved: 0,
        };
        let header = Row {
            high: 0,
            low: u64::MAX,
            class: starts.len() as u32,
            reserved: 0,
        };
        let rows = starts
            .iter()
            .map(|(bits, class)| row(*bits, u32::from(class.code())));
        std::iter::once(header).chain(rows).collect()
    }

    fn halves(bits: u128) -> Address {
        Address {
            high: (bits >> 64) as u64,
            low: bits as u64,
        }
    }

    #[test]
    fn a_missing_row_is_unknown_and_never_unprotected() {
        let mut rows = table(&[(5, Class::Storage), (9, Class::Unprotected)]);
        rows.pop();
        assert_eq!(lookup(&rows, halves(7)), Class::Unknown);
        assert_eq!(lookup(&Vec::new(), halves(7)), Class::Unknown);
    }

    #[test]
    fn outside_the_gate_nothing_is_searched() {
        let mut rows = table(&[(5 << 64, Class::Storage), (6 << 64, Class::Unprotected)]);
        rows[0].high = 5;
        rows[0].low = 6;
        assert_eq!(lookup(&rows, halves((5 << 64) - 1)), Class::Unprotected);
        assert_eq!(lookup(&rows, halves(5 << 64)), Class::Storage);
        assert_eq!(lookup(&rows, halves(6 << 64)), Class::Unprotected);
    }

    proptest! {
        #[test]
        fn the_search_agrees_with_a_linear_scan(
            starts in prop::collection::btree_map(any::<u128>(), 0u16..5, 0..300),
            random: u128,
        ) {
            let starts: Vec<_> =
                starts.into_iter().map(|(bits, code)| (bits, Class::from_code(code))).collect();
            let rows = table(&starts);
            let borders = starts.iter().flat_map(|(bits, _)| [bits.wrapping_sub(1), *bits, bits.wrapping_add(1)]);
            for address in borders.chain([random, 0, u128::MAX]) {
                let scan = starts.iter().rev().find(|(bits, _)| *bits <= address);
                let expected = scan.map_or(Class::Unprotected, |(_, class)| *class);
                prop_assert_eq!(lookup(&rows, halves(address)), expected);
            }
        }
    }
}
