//! Queries of the DNS client, and its results.

use std::net::IpAddr;

use anyhow::{Context as _, Result};
use enforcer_common::{Address, layout::AddressGrant};
use serde::{Deserialize, Serialize, Serializer};
use test_data::dns::Message;

/// A DNS query, and keys to look up after the answer.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Lookup {
    pub(super) to: IpAddr,
    pub(super) method: &'static str,
    #[serde(serialize_with = "in_hex")]
    pub(super) query: Vec<u8>,
    pub(super) rounds: u32,
    pub(super) replies: u32,
    #[serde(serialize_with = "all_in_hex")]
    pub(super) keys: Vec<Vec<u8>>,
    pub(super) then: Option<IpAddr>,
}

impl Lookup {
    /// Returns one query with one answer.
    pub(super) fn once(to: IpAddr, name: &str, kind: u16) -> Self {
        Self {
            to,
            method: "connected",
            query: Message::query(name, kind).0,
            rounds: 1,
            replies: 1,
            keys: Vec::new(),
            then: None,
        }
    }

    /// Checks for `grants` in the map as soon as an answer arrives.
    pub(super) fn look(mut self, grants: &[AddressGrant]) -> Self {
        self.keys = grants.iter().map(bytes).collect();
        self
    }

    /// Uses another method than a connected datagram socket.
    pub(super) fn by(self, method: &'static str) -> Self {
        Self { method, ..self }
    }
}

/// The result of a [`Lookup`].
#[derive(Clone, Debug, Deserialize, PartialEq, Eq)]
pub(super) struct LookupResult {
    pub(super) errno: Option<i32>,
    pub(super) replies: u32,
    pub(super) found: Vec<bool>,
}

pub(super) fn ip(text: &str) -> IpAddr {
    text.parse().unwrap_or(IpAddr::from([0, 0, 0, 0]))
}

/// Returns the map keys with which the name with this id allows an address.
pub(super) fn grants(cgroup: u64, address: IpAddr, name: u32) -> [AddressGrant; 2] {
    let key = match address {
        IpAddr::V4(address) => Address::from_v4(address.into()),
        IpAddr::V6(address) => Address::from_v6(address.into()),
    }
    .key();
    [AddressGrant::ADDRESS, name].map(|name| AddressGrant::new(cgroup, key, name))
}

fn bytes(grant: &AddressGrant) -> Vec<u8> {
    let mut bytes = grant.cgroup.to_ne_bytes().to_vec();
    bytes.extend(grant.address);
    bytes.extend(grant.name.to_ne_bytes());
    bytes.extend(grant.reserved.to_ne_bytes());
    bytes
}

pub(super) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn in_hex<S: Serializer>(bytes: &[u8], to: S) -> Result<S::Ok, S::Error> {
    to.serialize_str(&hex(bytes))
}

fn all_in_hex<S: Serializer>(all: &[Vec<u8>], to: S) -> Result<S::Ok, S::Error> {
    to.collect_seq(all.iter().map(|bytes| hex(bytes)))
}

/// Parses the client's output.
pub(super) fn parse_report(report: &str) -> Result<Vec<LookupResult>> {
    serde_json::from_str(report).with_context(|| format!("read {report}"))
}
