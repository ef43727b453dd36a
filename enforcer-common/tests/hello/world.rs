//! What names there are, where they lead, and a client that sends segments.

use std::collections::BTreeMap;

use enforcer_common::layout::{Deadline, NAME_BYTES, NameEntry, NameKey};
use enforcer_common::tls::{FlowState, Grant, GrantValidity, NamePolicy};
use enforcer_common::{Address, Reason};

use crate::anywhere::settled;
use crate::payload::Payload;

pub(crate) const ADDRESS: Address = Address::from_v6(7);
pub(crate) const OTHER_ADDRESS: Address = Address::from_v6(8);

pub(crate) const NAME: &str = "contoso.azurecr.io";
pub(crate) const WILD: &str = "contoso.*.data.azurecr.io";
/// Allowed, and led nowhere.
pub(crate) const ELSEWHERE: &str = "fabrikam.azurecr.io";

pub(crate) const SYN: u8 = 0x02;
pub(crate) const ACK: u8 = 0x10;
pub(crate) const URG: u8 = 0x20;

/// Sequence number of the SYN.
pub(crate) const START: u32 = 1000;

#[derive(Clone, Debug)]
pub(crate) struct World {
    pub(crate) names: BTreeMap<String, u32>,
    /// Numbers of names that lead to the address at hand.
    pub(crate) bound: BTreeMap<u32, Grant>,
    pub(crate) epoch: u64,
    pub(crate) now: Deadline,
    pub(crate) audits: bool,
}

impl World {
    /// In which [`NAME`] and [`WILD`] lead to the address for everybody and for good.
    pub(crate) fn new() -> Self {
        let names = [(NAME, 1), (WILD, 2), (ELSEWHERE, 3)];
        let mut world = Self {
            names: names.map(|(name, id)| (name.to_owned(), id)).into(),
            bound: BTreeMap::new(),
            epoch: 1,
            now: 1,
            audits: false,
        };
        world.bind(1, 0, Deadline::MAX);
        world.bind(2, 0, Deadline::MAX);
        world
    }

    pub(crate) fn bind(&mut self, id: u32, cgroup: u64, deadline: Deadline) {
        self.bound.insert(id, Grant { cgroup, deadline });
    }
}

impl GrantValidity for World {
    fn epoch(&self) -> u64 {
        self.epoch
    }

    fn is_ahead(&self, deadline: Deadline) -> bool {
        deadline > self.now
    }
}

impl NamePolicy for World {
    fn entry(&self, key: &NameKey) -> Option<NameEntry> {
        let name = std::str::from_utf8(key).ok()?.trim_end_matches('\0');
        self.names.get(name).map(|id| NameEntry {
            id: *id,
            ..NameEntry::default()
        })
    }

    fn grant(&self, names: [u32; 2]) -> Option<Grant> {
        let mut bound = names.iter().filter_map(|id| self.bound.get(id)).copied();
        bound.find(|binding| self.is_ahead(binding.deadline))
    }

    fn audits(&self) -> bool {
        self.audits
    }
}

/// A connection, and what was sent over it so far.
#[derive(Clone)]
pub(crate) struct Client {
    pub(crate) handshake: FlowState,
    /// The sequence number of the first byte.
    pub(crate) first: u32,
    /// One more than the largest number of a byte that was sent.
    sent: u32,
}

impl Client {
    /// That sent its SYN.
    pub(crate) fn new(world: &World) -> Self {
        Self::from(START, world)
    }

    /// That sent its SYN with this sequence number.
    pub(crate) fn from(start: u32, world: &World) -> Self {
        let mut client = Self::unwatched(start.wrapping_add(1));
        assert_eq!(client.open(world), Ok(()), "a SYN without data passes");
        client
    }

    /// Whose SYN, with the sequence number before `first`, was not seen.
    pub(crate) fn unwatched(first: u32) -> Self {
        Self {
            handshake: FlowState::UNTRACKED,
            first,
            sent: 0,
        }
    }

    /// Sends a SYN.
    pub(crate) fn open(&mut self, world: &World) -> Result<(), Reason> {
        self.sent = 0;
        let payload = Payload(&[]);
        let tcp = payload.tcp(self.first.wrapping_sub(1), SYN);
        self.handshake.check_segment(&payload, tcp, ADDRESS, world)
    }

    /// Sends bytes, the first one of which is number `from` of the connection's.
    pub(crate) fn send(
        &mut self,
        world: &World,
        address: Address,
        flags: u8,
        from: u32,
        bytes: &[u8],
    ) -> Result<(), Reason> {
        let payload = Payload(bytes);
        self.sent = self.sent.max(from.wrapping_add(bytes.len() as u32));
        let tcp = payload.tcp(self.first.wrapping_add(from), flags);
        self.handshake.check_segment(&payload, tcp, address, world)
    }

    /// Sends what of `bytes` is in `range`.
    pub(crate) fn part(
        &mut self,
        world: &World,
        bytes: &[u8],
        range: std::ops::Range<usize>,
    ) -> Result<(), Reason> {
        let from = range.start as u32;
        self.send(world, ADDRESS, ACK, from, &bytes[range])
    }

    /// Whether, and for whom, packets pass from now on.
    pub(crate) fn verified(&self, world: &World) -> Option<Reason> {
        let next = self.first.wrapping_add(self.sent);
        settled(&self.handshake, ADDRESS, next, world)
    }

    /// Whether they pass already, whatever comes next.
    pub(crate) fn is_verified(&self, world: &World) -> bool {
        let next = self.first.wrapping_add(self.sent);
        self.handshake.verified(ADDRESS, next, world).is_some()
    }

    /// The name as far as it was read.
    pub(crate) fn name(&self) -> Option<String> {
        let key = self.handshake.name_for(Reason::ServerNameUnknown)?;
        let len = key.iter().position(|byte| *byte == 0);
        let key = key.get(..len.unwrap_or(NAME_BYTES))?;
        String::from_utf8(key.to_vec()).ok()
    }
}

/// What comes of a hello that is cut at these places: whether it was verified, or the first denial.
pub(crate) fn outcome(world: &World, bytes: &[u8], cuts: &[usize]) -> Result<bool, Reason> {
    let mut client = Client::new(world);
    let mut from = 0;
    for to in cuts.iter().copied().chain([bytes.len()]) {
        let sent = client.part(world, bytes, from..to);
        if sent.is_err() {
            assert_eq!(
                client.verified(world),
                None,
                "a denied hello verifies nothing"
            );
        }
        sent?;
        from = to;
    }
    Ok(client.verified(world) == Some(Reason::AllowedName))
}

/// As [`outcome`], in one segment.
pub(crate) fn whole(world: &World, bytes: &[u8]) -> Result<bool, Reason> {
    outcome(world, bytes, &[])
}
