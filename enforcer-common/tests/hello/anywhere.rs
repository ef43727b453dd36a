//! A world in which every name leads everywhere: what passes, passes for what it says.

use std::cell::RefCell;

use enforcer_common::hello::{Binding, Handshake, Names, Policy};
use enforcer_common::layout::{Deadline, NameEntry, NameKey};
use enforcer_common::{Address, Reason};

use crate::payload::Payload;

const ADDRESS: Address = Address::from_v6(7);
const ACK: u8 = 0x10;

/// The name for which the bytes are let through, sent in segments that end at `cut` and at the end.
pub(crate) fn verified(bytes: &[u8], cut: usize) -> Option<Vec<u8>> {
    let world = Anywhere(RefCell::new(None));
    let mut handshake = Handshake::UNWATCHED;
    handshake.begin(ADDRESS, 0);
    let (first, second) = bytes.split_at_checked(cut)?;
    for (sequence, part) in [(0, first), (cut as u32, second)] {
        let payload = Payload(part);
        let judged = handshake.judge(&payload, payload.tcp(sequence, ACK), ADDRESS, &world);
        judged.ok()?;
    }
    let holds = handshake.verified(ADDRESS, bytes.len() as u32, &world);
    let key = world.0.take()?;
    let name = key.split(|byte| *byte == 0).next()?;
    (holds == Some(Reason::AllowedName)).then(|| name.to_vec())
}

/// In which every name leads everywhere; keeps the name that was last asked for.
struct Anywhere(RefCell<Option<NameKey>>);

impl Policy for Anywhere {
    fn epoch(&self) -> u64 {
        1
    }

    fn is_ahead(&self, _: Deadline) -> bool {
        true
    }
}

impl Names for Anywhere {
    /// The name is asked for first, then the one with a star: that one alone is unknown.
    fn entry(&self, key: &NameKey) -> Option<NameEntry> {
        let is_star = key.contains(&b'*');
        if !is_star {
            self.0.replace(Some(*key));
        }
        (!is_star).then_some(NameEntry {
            id: 1,
            ..NameEntry::default()
        })
    }

    fn binding(&self, names: [u32; 2]) -> Option<Binding> {
        names.contains(&1).then_some(Binding {
            cgroup: 0,
            deadline: Deadline::MAX,
        })
    }

    fn audits(&self) -> bool {
        false
    }
}
