//! DNS messages (RFC 1035 section 4), built byte by byte so that a test can change each of them.

use std::net::IpAddr;

/// Record types (IANA).
pub mod record_type {
    #![expect(missing_docs, reason = "their names are those of the registry")]
    pub const A: u16 = 1;
    pub const CNAME: u16 = 5;
    pub const TXT: u16 = 16;
    pub const AAAA: u16 = 28;
}

use record_type::{A, AAAA, CNAME};

/// A pointer to the name in the question.
pub const QUESTION_NAME: [u8; 2] = [0xc0, 12];
/// The TTL of a record, in seconds, unless another is given.
pub const TTL: u32 = 300;
/// The id of every message unless it is changed.
pub const ID: u16 = 0x4c42;
/// A query that asks for recursion, and a response without an error from a server that offers it.
const QUERY_FLAGS: u16 = 0x0100;
const RESPONSE_FLAGS: u16 = 0x8180;
const INTERNET: u16 = 1;
/// The low bytes of the answer count: no test has more than 255 answers.
const ANSWER_COUNT: usize = 7;

/// A message with one question.
#[derive(Clone, Debug)]
pub struct Message(pub Vec<u8>);

impl Message {
    /// Returns a query for records of this type.
    pub fn query(name: impl Into<Name>, kind: u16) -> Self {
        Self::question(QUERY_FLAGS, name, kind)
    }

    /// Returns a response without records.
    pub fn response(name: impl Into<Name>, kind: u16) -> Self {
        Self::question(RESPONSE_FLAGS, name, kind)
    }

    /// Returns a response to a query that has no records, without records.
    pub fn response_to(query: &[u8]) -> Self {
        Self(query.to_vec()).flags(RESPONSE_FLAGS)
    }

    /// Returns a message with these flags.
    pub fn question(flags: u16, name: impl Into<Name>, kind: u16) -> Self {
        let header = [ID, flags, 1, 0, 0, 0].map(u16::to_be_bytes);
        let fields = [kind, INTERNET].map(u16::to_be_bytes);
        Self([header.as_flattened(), &name.into().0, fields.as_flattened()].concat())
    }

    /// Replaces the id.
    #[must_use]
    pub fn id(self, id: u16) -> Self {
        let [high, low] = id.to_be_bytes();
        self.set(0, high).set(1, low)
    }

    /// Replaces the flags and the response code.
    #[must_use]
    pub fn flags(self, flags: u16) -> Self {
        let [high, low] = flags.to_be_bytes();
        self.set(2, high).set(3, low)
    }

    /// Replaces the byte at `at`.
    #[must_use]
    pub fn set(mut self, at: usize, byte: u8) -> Self {
        self.0[at] = byte;
        self
    }

    /// Appends a record with the usual [`TTL`] to the answers.
    #[must_use]
    pub fn record(self, owner: impl Into<Name>, kind: u16, data: &[u8]) -> Self {
        self.record_for(TTL, owner, kind, data)
    }

    /// Appends a record to the answers.
    #[must_use]
    pub fn record_for(mut self, ttl: u32, owner: impl Into<Name>, kind: u16, data: &[u8]) -> Self {
        let length = u16::try_from(data.len()).unwrap();
        self.0[ANSWER_COUNT] += 1;
        self.0.extend(owner.into().0);
        self.0.extend(kind.to_be_bytes());
        self.0.extend(INTERNET.to_be_bytes());
        self.0.extend(ttl.to_be_bytes());
        self.0.extend(length.to_be_bytes());
        self.0.extend(data);
        self
    }

    /// Appends an alias to the answers.
    #[must_use]
    pub fn alias(self, owner: impl Into<Name>, target: impl Into<Name>) -> Self {
        self.record(owner, CNAME, &target.into().0)
    }

    /// Appends an address to the answers.
    #[must_use]
    pub fn address(self, owner: impl Into<Name>, address: IpAddr) -> Self {
        self.address_for(TTL, owner, address)
    }

    /// Appends an address with this TTL to the answers.
    #[must_use]
    pub fn address_for(self, ttl: u32, owner: impl Into<Name>, address: IpAddr) -> Self {
        match address {
            IpAddr::V4(address) => self.record_for(ttl, owner, A, &address.octets()),
            IpAddr::V6(address) => self.record_for(ttl, owner, AAAA, &address.octets()),
        }
    }

    /// Returns the offset of the next byte.
    pub fn end(&self) -> usize {
        self.0.len()
    }
}

/// A name as encoded.
pub struct Name(pub Vec<u8>);

/// Without compression.
impl From<&str> for Name {
    fn from(name: &str) -> Self {
        let labels = name.split('.').flat_map(|label| {
            let length = u8::try_from(label.len()).unwrap();
            [&[length], label.as_bytes()].concat()
        });
        Self(labels.chain([0]).collect())
    }
}

/// As these bytes.
impl From<&[u8]> for Name {
    fn from(encoded: &[u8]) -> Self {
        Self(encoded.to_vec())
    }
}

/// As these bytes.
impl From<&Vec<u8>> for Name {
    fn from(encoded: &Vec<u8>) -> Self {
        Self(encoded.clone())
    }
}

/// A pointer.
impl From<[u8; 2]> for Name {
    fn from(pointer: [u8; 2]) -> Self {
        Self(pointer.to_vec())
    }
}

/// Returns a pointer to the name at `at`.
pub fn pointer(at: usize) -> [u8; 2] {
    let [high, low] = u16::try_from(at).unwrap().to_be_bytes();
    [0xc0 | high, low]
}
