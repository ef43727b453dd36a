//! Questions and answers, byte for byte.

use std::net::{IpAddr, Ipv6Addr};

/// Record types (RFC 1035, RFC 3596).
pub(super) const A: u16 = 1;
pub(super) const AAAA: u16 = 28;
const CNAME: u16 = 5;
/// A pointer to the question's name.
pub(super) const ASKED: &[u8] = &[0xc0, 12];
pub(super) const ID: u16 = 0x4c42;
pub(super) const TTL: u32 = 2;

/// A name without compression.
pub(super) fn wire(name: &str) -> Vec<u8> {
    let mut bytes = Vec::new();
    for label in name.split('.') {
        bytes.push(label.len() as u8);
        bytes.extend(label.as_bytes());
    }
    bytes.push(0);
    bytes
}

pub(super) fn query(name: &str, kind: u16) -> Vec<u8> {
    let [high, low] = ID.to_be_bytes();
    let mut bytes = vec![high, low, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0];
    bytes.extend(wire(name));
    bytes.extend(kind.to_be_bytes());
    bytes.extend([0, 1]);
    bytes
}

/// An answer in the making.
#[derive(Clone)]
pub(super) struct Answer(pub(super) Vec<u8>);

impl Answer {
    /// To the question in `query`, without records.
    pub(super) fn to(query: &[u8]) -> Self {
        let mut bytes = query.to_vec();
        if let Some(flags) = bytes.get_mut(2..4) {
            flags.copy_from_slice(&[0x81, 0x80]);
        }
        Self(bytes)
    }

    /// To `name`'s question of its own.
    pub(super) fn about(name: &str, kind: u16) -> Self {
        Self::to(&query(name, kind))
    }

    pub(super) fn id(self, id: u16) -> Self {
        let [high, low] = id.to_be_bytes();
        self.set(0, high).set(1, low)
    }

    pub(super) fn set(mut self, at: usize, byte: u8) -> Self {
        if let Some(env) = self.0.get_mut(at) {
            *env = byte;
        }
        self
    }

    fn record(self, owner: &[u8], kind: u16, data: &[u8]) -> Self {
        self.record_for(TTL, owner, kind, data)
    }

    fn record_for(mut self, ttl: u32, owner: &[u8], kind: u16, data: &[u8]) -> Self {
        if let Some(count) = self.0.get_mut(7) {
            *count += 1;
        }
        self.0.extend(owner);
        self.0.extend(kind.to_be_bytes());
        self.0.extend([0, 1]);
        self.0.extend(ttl.to_be_bytes());
        self.0.extend((data.len() as u16).to_be_bytes());
        self.0.extend(data);
        self
    }

    pub(super) fn alias(self, owner: &str, target: &str) -> Self {
        self.record(&wire(owner), CNAME, &wire(target))
    }

    /// An IPv6 address of the name in the question, with a TTL of its own.
    pub(super) fn address_for(self, ttl: u32, address: Ipv6Addr) -> Self {
        self.record_for(ttl, ASKED, AAAA, &address.octets())
    }

    pub(super) fn address(self, owner: &[u8], address: IpAddr) -> Self {
        match address {
            IpAddr::V4(address) => self.record(owner, A, &address.octets()),
            IpAddr::V6(address) => self.record(owner, AAAA, &address.octets()),
        }
    }
}
