//! A policy that allows every name for every address, so that the verdict depends only on the parser.

use std::cell::RefCell;

use enforcer_common::layout::{Deadline, NameEntry, NameKey};
use enforcer_common::tls::{FlowState, Grant, GrantValidity, NamePolicy};
use enforcer_common::{Address, Reason};

use crate::payload::Payload;

const ADDRESS: Address = Address::from_v6(7);
const ACK: u8 = 0x10;

/// Returns the server name that verifies a connection with these bytes, sent in segments that end at `cut` and at the end.
pub(crate) fn verified(bytes: &[u8], cut: usize) -> Option<Vec<u8>> {
    let policy = AnyName(RefCell::new(None));
    let mut flow = FlowState::UNTRACKED;
    flow.begin(ADDRESS, 0);
    let (first, second) = bytes.split_at_checked(cut)?;
    for (sequence, part) in [(0, first), (cut as u32, second)] {
        let payload = Payload(part);
        let checked = flow.check_segment(&payload, payload.tcp(sequence, ACK), ADDRESS, &policy);
        checked.ok()?;
    }
    let reason = verified_after_hello(&flow, ADDRESS, bytes.len() as u32, &policy);
    let key = policy.0.take()?;
    let name = key.split(|byte| *byte == 0).next()?;
    (reason == Some(Reason::AllowedName)).then(|| name.to_vec())
}

/// Returns the reason for which packets pass once the record that begins at sequence number `next` is not a second ClientHello.
pub(crate) fn verified_after_hello(
    flow: &FlowState,
    address: Address,
    next: u32,
    names: &impl NamePolicy,
) -> Option<Reason> {
    let reason = flow.verified(address, next, names);
    if reason.is_some() {
        return reason;
    }
    let follow = |record: &[u8; 6]| {
        let (mut flow, payload) = (*flow, Payload(record));
        let checked = flow.check_segment(&payload, payload.tcp(next, ACK), address, names);
        checked.map(|()| flow.verified(address, next.wrapping_add(6), names))
    };
    // Within a ClientHello any bytes pass as a part of it.
    follow(NO_RECORD).err()?;
    follow(APPLICATION_DATA).ok()?
}

/// Type, version, length and first byte of a record, and bytes that begin no record. The rest of an incomplete ClientHello cannot be
/// these six bytes.
const APPLICATION_DATA: &[u8; 6] = &[23, 3, 3, 1, 0, 0xff];
const NO_RECORD: &[u8; 6] = &[0xff; 6];

/// Allows every name for every address; stores the name that was looked up first.
struct AnyName(RefCell<Option<NameKey>>);

impl GrantValidity for AnyName {
    fn epoch(&self) -> u64 {
        1
    }

    fn is_ahead(&self, _: Deadline) -> bool {
        true
    }
}

impl NamePolicy for AnyName {
    /// Knows every name but the one with a star, which is looked up after the name itself.
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
