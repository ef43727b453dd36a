//! A world in which every name leads everywhere: what passes, passes for what it says.

use std::cell::RefCell;

use enforcer_common::layout::{Deadline, NameEntry, NameKey};
use enforcer_common::tls::{FlowState, Grant, GrantValidity, NamePolicy};
use enforcer_common::{Address, Reason};

use crate::payload::Payload;

const ADDRESS: Address = Address::from_v6(7);
const ACK: u8 = 0x10;

/// The name for which the bytes are let through, sent in segments that end at `cut` and at the end.
pub(crate) fn verified(bytes: &[u8], cut: usize) -> Option<Vec<u8>> {
    let world = Anywhere(RefCell::new(None));
    let mut handshake = FlowState::UNTRACKED;
    handshake.begin(ADDRESS, 0);
    let (first, second) = bytes.split_at_checked(cut)?;
    for (sequence, part) in [(0, first), (cut as u32, second)] {
        let payload = Payload(part);
        let judged = handshake.check_segment(&payload, payload.tcp(sequence, ACK), ADDRESS, &world);
        judged.ok()?;
    }
    let holds = settled(&handshake, ADDRESS, bytes.len() as u32, &world);
    let key = world.0.take()?;
    let name = key.split(|byte| *byte == 0).next()?;
    (holds == Some(Reason::AllowedName)).then(|| name.to_vec())
}

/// For whom packets pass once the client's next record, the first byte of which has the number `next`, is no other hello.
pub(crate) fn settled(
    handshake: &FlowState,
    address: Address,
    next: u32,
    names: &impl NamePolicy,
) -> Option<Reason> {
    let holds = handshake.verified(address, next, names);
    if holds.is_some() {
        return holds;
    }
    let follow = |record: &[u8; 6]| {
        let (mut handshake, payload) = (*handshake, Payload(record));
        let judged = handshake.check_segment(&payload, payload.tcp(next, ACK), address, names);
        judged.map(|()| handshake.verified(address, next.wrapping_add(6), names))
    };
    // In the midst of a hello, its own bytes are missing, and any would do.
    follow(NO_RECORD).err()?;
    follow(APPLICATION_DATA).ok()?
}

/// Type, version, length and first byte of a record, and what begins none. No six bytes that a hello can lack are these.
const APPLICATION_DATA: &[u8; 6] = &[23, 3, 3, 1, 0, 0xff];
const NO_RECORD: &[u8; 6] = &[0xff; 6];

/// In which every name leads everywhere; keeps the name that was asked for first.
struct Anywhere(RefCell<Option<NameKey>>);

impl GrantValidity for Anywhere {
    fn epoch(&self) -> u64 {
        1
    }

    fn is_ahead(&self, _: Deadline) -> bool {
        true
    }
}

impl NamePolicy for Anywhere {
    /// The name is asked for first, then the one with a star: that one alone is unknown.
    fn entry(&self, key: &NameKey) -> Option<NameEntry> {
        let is_star = key.contains(&b'*');
        if !is_star {
            self.0.borrow_mut().get_or_insert(*key);
        }
        (!is_star).then_some(NameEntry {
            id: 1,
            ..NameEntry::default()
        })
    }

    fn grant(&self, names: [u32; 2]) -> Option<Grant> {
        names.contains(&1).then_some(Grant {
            cgroup: 0,
            deadline: Deadline::MAX,
        })
    }

    fn audits(&self) -> bool {
        false
    }
}
