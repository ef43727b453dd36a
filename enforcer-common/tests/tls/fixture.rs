//! A policy with a few names, and a client that sends segments.

use std::collections::BTreeMap;

use enforcer_common::layout::{Deadline, NAME_BYTES, NameEntry, NameKey, VERSION};
use enforcer_common::tls::{FlowState, Grant, GrantValidity, NamePolicy};
use enforcer_common::{Address, Reason};
pub(crate) use test_data::packet::tcp_flags::{ACK, SYN, URG};

use crate::any_name::verified_after_hello;
use crate::payload::Payload;

pub(crate) const ADDRESS: Address = Address::from_v6(7);
pub(crate) const OTHER_ADDRESS: Address = Address::from_v6(8);

pub(crate) const NAME: &str = "contoso.azurecr.io";
pub(crate) const WILD: &str = "contoso.*.data.azurecr.io";
/// An allowed name that does not resolve to the address.
pub(crate) const ELSEWHERE: &str = "fabrikam.azurecr.io";

/// The sequence number of the SYN.
pub(crate) const ISN: u32 = 1000;

#[derive(Clone, Debug)]
pub(crate) struct TestPolicy {
    pub(crate) names: BTreeMap<String, u32>,
    /// Grants of the address, by the number of the name.
    pub(crate) grants: BTreeMap<u32, Grant>,
    pub(crate) epoch: u64,
    pub(crate) now: Deadline,
    pub(crate) audits: bool,
    pub(crate) version: u32,
}

impl TestPolicy {
    /// Returns a policy in which [`NAME`] and [`WILD`] allow the address for all cgroups without a deadline.
    pub(crate) fn new() -> Self {
        let names = [(NAME, 1), (WILD, 2), (ELSEWHERE, 3)];
        let mut policy = Self {
            names: names.map(|(name, id)| (name.to_owned(), id)).into(),
            grants: BTreeMap::new(),
            epoch: 1,
            now: 1,
            audits: false,
            version: VERSION,
        };
        policy.grant_until(1, 0, Deadline::MAX);
        policy.grant_until(2, 0, Deadline::MAX);
        policy
    }

    pub(crate) fn grant_until(&mut self, id: u32, cgroup: u64, deadline: Deadline) {
        self.grants.insert(id, Grant { cgroup, deadline });
    }
}

impl GrantValidity for TestPolicy {
    fn epoch(&self) -> u64 {
        self.epoch
    }

    fn is_ahead(&self, deadline: Deadline) -> bool {
        deadline > self.now
    }
}

impl NamePolicy for TestPolicy {
    fn entry(&self, key: &NameKey) -> Option<NameEntry> {
        let name = std::str::from_utf8(key).ok()?.trim_end_matches('\0');
        self.names.get(name).map(|id| NameEntry {
            id: *id,
            ..NameEntry::default()
        })
    }

    fn grant(&self, names: [u32; 2]) -> Option<Grant> {
        let mut grants = names.iter().filter_map(|id| self.grants.get(id)).copied();
        grants.find(|grant| self.is_ahead(grant.deadline))
    }

    fn audits(&self) -> bool {
        self.audits
    }

    fn version(&self) -> u32 {
        self.version
    }
}

/// A connection, and the bytes that it has sent.
#[derive(Clone)]
pub(crate) struct Client {
    pub(crate) flow: FlowState,
    /// The sequence number of the first byte.
    pub(crate) first: u32,
    /// The offset after the last byte that was sent.
    sent: u32,
}

impl Client {
    /// Returns a client that has sent its SYN.
    pub(crate) fn new(policy: &TestPolicy) -> Self {
        Self::from(ISN, policy)
    }

    /// Returns a client that has sent its SYN with this sequence number.
    pub(crate) fn from(start: u32, policy: &TestPolicy) -> Self {
        let mut client = Self::untracked(start.wrapping_add(1));
        assert_eq!(client.open(policy), Ok(()), "a SYN without data passes");
        client
    }

    /// Returns a client whose SYN, with the sequence number before `first`, was not observed.
    pub(crate) fn untracked(first: u32) -> Self {
        Self {
            flow: FlowState::UNTRACKED,
            first,
            sent: 0,
        }
    }

    /// Sends a SYN.
    pub(crate) fn open(&mut self, policy: &TestPolicy) -> Result<(), Reason> {
        self.sent = 0;
        let payload = Payload(&[]);
        let tcp = payload.tcp(self.first.wrapping_sub(1), SYN);
        self.flow.check_segment(&payload, tcp, ADDRESS, policy)
    }

    /// Sends bytes, the first of which is at offset `from` of the connection.
    pub(crate) fn send(
        &mut self,
        policy: &TestPolicy,
        address: Address,
        flags: u8,
        from: u32,
        bytes: &[u8],
    ) -> Result<(), Reason> {
        let payload = Payload(bytes);
        self.sent = self.sent.max(from.wrapping_add(bytes.len() as u32));
        let tcp = payload.tcp(self.first.wrapping_add(from), flags);
        self.flow.check_segment(&payload, tcp, address, policy)
    }

    /// Sends the bytes in `range` at their offset.
    pub(crate) fn send_range(
        &mut self,
        policy: &TestPolicy,
        bytes: &[u8],
        range: std::ops::Range<usize>,
    ) -> Result<(), Reason> {
        let from = range.start as u32;
        self.send(policy, ADDRESS, ACK, from, &bytes[range])
    }

    /// Returns the reason for which packets pass from now on.
    pub(crate) fn verified(&self, policy: &TestPolicy) -> Option<Reason> {
        let next = self.first.wrapping_add(self.sent);
        verified_after_hello(&self.flow, ADDRESS, next, policy)
    }

    /// Returns whether packets pass already, whatever follows.
    pub(crate) fn is_verified(&self, policy: &TestPolicy) -> bool {
        let next = self.first.wrapping_add(self.sent);
        self.flow.verified(ADDRESS, next, policy).is_some()
    }

    /// Returns the name as far as it was parsed.
    pub(crate) fn name(&self) -> Option<String> {
        let key = self.flow.name_for(Reason::ServerNameUnknown)?;
        let len = key.iter().position(|byte| *byte == 0);
        let key = key.get(..len.unwrap_or(NAME_BYTES))?;
        String::from_utf8(key.to_vec()).ok()
    }
}

/// Sends a ClientHello in segments that end at `cuts` and at its end; returns whether it is verified, or the first denial.
pub(crate) fn outcome(policy: &TestPolicy, bytes: &[u8], cuts: &[usize]) -> Result<bool, Reason> {
    let mut client = Client::new(policy);
    let mut from = 0;
    for to in cuts.iter().copied().chain([bytes.len()]) {
        let sent = client.send_range(policy, bytes, from..to);
        if sent.is_err() {
            assert_eq!(
                client.verified(policy),
                None,
                "a denied hello verifies nothing"
            );
        }
        sent?;
        from = to;
    }
    Ok(client.verified(policy) == Some(Reason::AllowedName))
}

/// As [`outcome`], in one segment.
pub(crate) fn outcome_at_once(policy: &TestPolicy, bytes: &[u8]) -> Result<bool, Reason> {
    outcome(policy, bytes, &[])
}
