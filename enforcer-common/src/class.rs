//! Classes of the protected set.

use crate::address::Address;

/// The class of the longest configured prefix that covers an address. The codes are a map layout.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Class {
    /// No protected prefix covers it.
    Unprotected,
    /// Always allowed: the platform's address, DNS servers, the host's own addresses.
    Exempt,
    /// In the tag `Storage`.
    Storage,
    /// In the tag `AzureContainerRegistry`.
    Registry,
    /// In another configured tag or in `cidrs`.
    Configured,
    /// In a NAT64 prefix of this length (RFC 6052): the embedded IPv4 address is the destination.
    Nat64(u8),
    /// The table could not be read, or has a code of another version.
    Unknown,
}

/// Added to a NAT64 prefix length to make its code.
const NAT64_BASE: u16 = 128;

impl Class {
    /// The code in the tables, below [`crate::tables::stride::FIRST_BLOCK`].
    pub const fn code(self) -> u16 {
        match self {
            Self::Unprotected => 0,
            Self::Exempt => 1,
            Self::Storage => 2,
            Self::Registry => 3,
            Self::Configured => 4,
            Self::Nat64(bits) => NAT64_BASE + bits as u16,
            Self::Unknown => 5,
        }
    }

    /// The class of a code; [`Class::Unknown`] for an unknown one.
    #[inline(always)]
    pub const fn from_code(code: u16) -> Self {
        match code {
            0 => Self::Unprotected,
            1 => Self::Exempt,
            2 => Self::Storage,
            3 => Self::Registry,
            4 => Self::Configured,
            160 => Self::Nat64(32),
            168 => Self::Nat64(40),
            176 => Self::Nat64(48),
            184 => Self::Nat64(56),
            192 => Self::Nat64(64),
            224 => Self::Nat64(96),
            _ => Self::Unknown,
        }
    }
}

/// The IPv4 address embedded in `address` behind a NAT64 prefix of `bits` bits (RFC 6052 section 2.2: bits 64–71 carry none).
#[inline(always)]
pub(crate) const fn nat64_inner(address: Address, bits: u8) -> Address {
    let Address { high, low } = address;
    let inner = match bits {
        32 => high,
        40 => (high << 8) & 0xffff_ff00 | low >> 48 & 0xff,
        48 => (high << 16) & 0xffff_0000 | low >> 40 & 0xffff,
        56 => (high << 24) & 0xff00_0000 | low >> 32 & 0x00ff_ffff,
        64 => low >> 24,
        _ => low,
    };
    Address::from_v4(inner as u32)
}

#[cfg(test)]
mod tests {
    use std::net::Ipv6Addr;

    use super::*;

    #[test]
    fn every_code_reads_back_as_its_class() {
        for class in [
            Class::Unprotected,
            Class::Exempt,
            Class::Storage,
            Class::Registry,
            Class::Configured,
            Class::Nat64(32),
            Class::Nat64(40),
            Class::Nat64(48),
            Class::Nat64(56),
            Class::Nat64(64),
            Class::Nat64(96),
            Class::Unknown,
        ] {
            assert_eq!(Class::from_code(class.code()), class);
            assert!(class.code() < crate::tables::stride::FIRST_BLOCK);
        }
    }

    #[test]
    fn a_code_of_another_version_is_unknown() {
        for code in [6, 127, 161, 200, 255, 256, u16::MAX] {
            assert_eq!(Class::from_code(code), Class::Unknown, "{code}");
        }
    }

    /// The rows of RFC 6052 section 2.4 for 192.0.2.33.
    #[test]
    fn the_embedded_ipv4_address_is_where_rfc_6052_puts_it() {
        for (text, bits) in [
            ("2001:db8:c000:221::", 32),
            ("2001:db8:1c0:2:21::", 40),
            ("2001:db8:122:c000:2:2100::", 48),
            ("2001:db8:122:3c0:0:221::", 56),
            ("2001:db8:122:344:c0:2:2100::", 64),
            ("2001:db8:122:344::192.0.2.33", 96),
        ] {
            let carrier = Address::from_v6(text.parse::<Ipv6Addr>().unwrap().into());
            assert_eq!(
                nat64_inner(carrier, bits),
                Address::from_v4(0xc000_0221),
                "{text}"
            );
        }
    }
}
