//! The protected set as look-up tables: a stride table of blocks for IPv4, and a table of intervals for IPv6.

use enforcer_common::tables::interval::{MAX_ROWS, Row};
use enforcer_common::tables::stride::{BLOCK_LEN, Block, FIRST_BLOCK, MAX_BLOCKS};
use enforcer_common::{Address, Class};

use super::error::CompileError;
use super::intervals::{Span, paint};
use super::layer::Layer;

/// One generation of the protected set, in the layout of the maps.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tables {
    /// Blocks of the IPv4 table; the first 256 are those of the first octet.
    pub blocks: Vec<Block>,
    /// Rows of the IPv6 table; the first is the header.
    pub rows: Vec<Row>,
}

impl Tables {
    /// Builds the tables of `layers`; later layers override earlier ones.
    ///
    /// # Errors
    /// [`CompileError::TableFull`] where more blocks or rows are needed than a generation has.
    pub fn build(layers: &[Layer]) -> Result<Self, CompileError> {
        let [v4, v6] = paint(layers);
        Ok(Self {
            blocks: blocks(&v4.intervals())?,
            rows: rows(&v6.intervals())?,
        })
    }

    /// Looks up the class of an address, with the code of the kernel program.
    pub fn class(&self, address: Address) -> Class {
        match address.v4() {
            Some(address) => enforcer_common::tables::stride::lookup(self, address),
            None => enforcer_common::tables::interval::lookup(self, address),
        }
    }
}

impl enforcer_common::tables::stride::Blocks for Tables {
    fn entry(&self, block: u32, index: u8) -> Option<u16> {
        let block = self.blocks.get(usize::try_from(block).ok()?)?;
        Some(block[usize::from(index)])
    }
}

impl enforcer_common::tables::interval::Rows for Tables {
    fn row(&self, index: u32) -> Option<Row> {
        self.rows.get(usize::try_from(index).ok()?).copied()
    }
}

fn rows(intervals: &[(u128, Class)]) -> Result<Vec<Row>, CompileError> {
    let capacity = MAX_ROWS as usize - 1;
    if intervals.len() > capacity {
        return Err(CompileError::TableFull {
            family: "IPv6",
            needed: intervals.len(),
            capacity,
        });
    }
    let covered = |at: usize| {
        intervals
            .get(at)
            .is_some_and(|(_, class)| *class != Class::Unprotected)
    };
    let first = (0..intervals.len()).find(|at| covered(*at));
    let last = (0..intervals.len()).rfind(|at| covered(*at));
    let gate = match (first, last) {
        (Some(first), Some(last)) => {
            let end = intervals
                .get(last + 1)
                .map_or(u128::MAX, |(start, _)| start - 1);
            (high(intervals[first].0), high(end))
        }
        _ => (u64::MAX, 0),
    };
    let header = Row {
        high: gate.0,
        low: gate.1,
        class: intervals.len() as u32,
        reserved: 0,
    };
    let row = |(start, class): &(u128, Class)| Row {
        high: high(*start),
        low: *start as u64,
        class: class.code().into(),
        reserved: 0,
    };
    Ok(std::iter::once(header)
        .chain(intervals.iter().map(row))
        .collect())
}

fn high(bits: u128) -> u64 {
    (bits >> 64) as u64
}

fn blocks(intervals: &[(u128, Class)]) -> Result<Vec<Block>, CompileError> {
    let mut blocks = vec![[0; BLOCK_LEN]; usize::from(FIRST_BLOCK)];
    let mut rest = Span {
        class: Class::Unprotected,
        starts: intervals,
    };
    for octet in 0..=u8::MAX {
        let first = u32::from(octet) << 24;
        let part = rest.split_to(first, first | 0x00ff_ffff);
        blocks[usize::from(octet)] = fill(part, first, 16, &mut blocks);
    }
    if blocks.len() > MAX_BLOCKS as usize {
        return Err(CompileError::TableFull {
            family: "IPv4",
            needed: blocks.len(),
            capacity: MAX_BLOCKS as usize,
        });
    }
    Ok(blocks)
}

/// Fills the block of `span`, whose entries each span `1 << shift` addresses from `base` on; appends the blocks that split an entry.
fn fill(mut span: Span, base: u32, shift: u32, blocks: &mut Vec<Block>) -> Block {
    let mut block = [span.class.code(); BLOCK_LEN];
    if span.starts.is_empty() {
        return block;
    }
    for (index, entry) in block.iter_mut().enumerate() {
        let first = base | (index as u32) << shift;
        let part = span.split_to(first, first | ((1 << shift) - 1));
        *entry = if part.starts.is_empty() {
            part.class.code()
        } else {
            let split = fill(part, first, shift - 8, blocks);
            blocks.push(split);
            u16::try_from(blocks.len() - 1).unwrap_or(Class::Unknown.code())
        };
    }
    block
}

#[cfg(test)]
mod tests {
    use ipnet::IpNet;
    use proptest::prelude::*;

    use super::*;

    fn layer(class: Class, prefixes: &[&str]) -> Layer {
        Layer {
            class,
            prefixes: prefixes.iter().map(|text| text.parse().unwrap()).collect(),
        }
    }

    fn class(tables: &Tables, text: &str) -> Class {
        let address: std::net::IpAddr = text.parse().unwrap();
        match address {
            std::net::IpAddr::V4(address) => tables.class(Address::from_v4(address.into())),
            std::net::IpAddr::V6(address) => tables.class(Address::from_v6(address.into())),
        }
    }

    #[test]
    fn a_later_layer_overrides_an_earlier_one() {
        let tables = Tables::build(&[
            layer(Class::Configured, &["20.0.0.0/8", "2603::/16"]),
            layer(Class::Storage, &["20.38.98.0/24", "2603:1030::/48"]),
            layer(Class::Exempt, &["20.38.98.100/32", "2603:1030::53/128"]),
        ])
        .unwrap();
        assert_eq!(class(&tables, "20.38.97.255"), Class::Configured);
        assert_eq!(class(&tables, "20.38.98.0"), Class::Storage);
        assert_eq!(class(&tables, "20.38.98.99"), Class::Storage);
        assert_eq!(class(&tables, "20.38.98.100"), Class::Exempt);
        assert_eq!(class(&tables, "20.38.98.101"), Class::Storage);
        assert_eq!(class(&tables, "20.38.99.0"), Class::Configured);
        assert_eq!(class(&tables, "21.0.0.0"), Class::Unprotected);
        assert_eq!(class(&tables, "2603:1030::52"), Class::Storage);
        assert_eq!(class(&tables, "2603:1030::53"), Class::Exempt);
        assert_eq!(class(&tables, "2603:1031::"), Class::Configured);
        assert_eq!(class(&tables, "2604::"), Class::Unprotected);
    }

    #[test]
    fn the_whole_address_space_can_be_protected() {
        let tables = Tables::build(&[layer(Class::Configured, &["0.0.0.0/0", "::/0"])]).unwrap();
        for text in ["0.0.0.0", "255.255.255.255", "::1", "ffff:ffff::ffff"] {
            assert_eq!(class(&tables, text), Class::Configured, "{text}");
        }
    }

    #[test]
    fn an_empty_set_protects_nothing() {
        let tables = Tables::build(&[]).unwrap();
        assert_eq!(class(&tables, "20.38.98.100"), Class::Unprotected);
        assert_eq!(class(&tables, "2603::1"), Class::Unprotected);
    }

    #[test]
    fn a_set_that_does_not_fit_is_refused() {
        let scattered: Vec<IpNet> = (0..5000u32)
            .map(|at| IpNet::from(std::net::IpAddr::from((at << 16 | 1).to_be_bytes())))
            .collect();
        let full = Tables::build(&[Layer {
            class: Class::Configured,
            prefixes: scattered,
        }]);
        assert!(matches!(
            full,
            Err(CompileError::TableFull { family: "IPv4", .. })
        ));
        let scattered: Vec<IpNet> = (0..5000u128)
            .map(|at| IpNet::from(std::net::IpAddr::from((at << 80 | 1).to_be_bytes())))
            .collect();
        let full = Tables::build(&[Layer {
            class: Class::Configured,
            prefixes: scattered,
        }]);
        assert!(matches!(
            full,
            Err(CompileError::TableFull { family: "IPv6", .. })
        ));
    }

    proptest! {
        #[test]
        fn the_tables_agree_with_the_last_prefix_that_covers_an_address(
            v4 in prop::collection::vec((any::<u32>(), 0u8..=32, 1u16..5), 0..20),
            v6 in prop::collection::vec((any::<u128>(), 0u8..=128, 1u16..5), 0..20),
            probes in prop::collection::vec(any::<u128>(), 20),
        ) {
            let v4 = v4.into_iter().map(|(bits, len, code)| {
                (IpNet::new(std::net::Ipv4Addr::from(bits).into(), len).unwrap().trunc(), code)
            });
            let v6 = v6.into_iter().map(|(bits, len, code)| {
                (IpNet::new(std::net::Ipv6Addr::from(bits).into(), len).unwrap().trunc(), code)
            });
            let prefixes: Vec<(IpNet, u16)> = v4.chain(v6).collect();
            let layers: Vec<Layer> = prefixes
                .iter()
                .map(|(net, code)| Layer { class: Class::from_code(*code), prefixes: vec![*net] })
                .collect();
            let tables = Tables::build(&layers).unwrap();
            let expect = |ip: std::net::IpAddr| {
                let covering = prefixes.iter().rev().find(|(net, _)| net.contains(&ip));
                covering.map_or(Class::Unprotected, |(_, code)| Class::from_code(*code))
            };
            let borders = prefixes.iter().flat_map(|(net, _)| [net.network(), net.broadcast()]);
            for ip in borders {
                let found = match ip {
                    std::net::IpAddr::V4(ip) => tables.class(Address::from_v4(ip.into())),
                    std::net::IpAddr::V6(ip) => tables.class(Address::from_v6(ip.into())),
                };
                prop_assert_eq!(found, expect(ip), "{}", ip);
            }
            for bits in probes {
                let ip = std::net::Ipv4Addr::from(bits as u32);
                prop_assert_eq!(tables.class(Address::from_v4(ip.into())), expect(ip.into()));
                let ip = std::net::Ipv6Addr::from(bits);
                prop_assert_eq!(tables.class(Address::from_v6(bits)), expect(ip.into()));
            }
        }
    }
}
