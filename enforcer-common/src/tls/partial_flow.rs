//! Connections without a socket of this host, at a network device.

use super::flow_state::{AHEAD, FlowState, MAX_WINDOW};
use crate::address::Address;
use crate::layout::VerifiedFlow;

/// A connection whose ClientHello the server has not acknowledged to its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(C)]
pub struct PartialFlow {
    /// Its state, as for a socket.
    pub flow: FlowState,
    /// Time of the last segment, in nanoseconds since boot.
    pub last_seen: u64,
    /// Sequence number up to which the server has everything.
    pub acknowledged: u32,
    /// 1 once `acknowledged` is set.
    pub is_acknowledged: u32,
}

const _: () = assert!(size_of::<PartialFlow>() == size_of::<FlowState>() + 16);

impl PartialFlow {
    /// Records an acknowledgement of the server.
    #[inline(always)]
    pub const fn acknowledge(&mut self, acknowledged: u32) {
        let is_newer = acknowledged.wrapping_sub(self.acknowledged) <= AHEAD;
        if self.is_acknowledged == 0 || is_newer {
            self.acknowledged = acknowledged;
            self.is_acknowledged = 1;
        }
    }

    /// Writes the connection once its ClientHello is verified and acknowledged to its end: it cannot be sent again with other bytes. Returns whether it is.
    #[inline(always)]
    pub const fn write_verified(&self, verified: &mut VerifiedFlow) -> bool {
        let flow = &self.flow;
        let is_complete = flow.is_verified()
            && self.is_acknowledged != 0
            && self.acknowledged.wrapping_sub(flow.expected) <= AHEAD;
        if is_complete {
            verified.expected = flow.expected;
            verified.first = flow.first;
            verified.names = flow.names;
            verified.epoch = flow.epoch;
            verified.cgroup = flow.cgroup;
            verified.deadline = flow.deadline;
            verified.last_seen = self.last_seen;
        }
        is_complete
    }
}

impl FlowState {
    /// Whether the connection's first byte has this sequence number.
    #[inline(always)]
    pub const fn begins_at(&self, first: u32) -> bool {
        self.first == first
    }

    /// Destination of the connection.
    #[inline(always)]
    pub const fn destination(&self) -> Address {
        self.address
    }
}

impl VerifiedFlow {
    /// Whether a segment follows the ClientHello, however many bytes were sent since.
    #[inline(always)]
    pub const fn follows(&mut self, sequence: u32) -> bool {
        let ahead = sequence.wrapping_sub(self.expected);
        if ahead > AHEAD {
            return false;
        }
        if ahead > MAX_WINDOW {
            self.expected = sequence.wrapping_sub(MAX_WINDOW);
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn partial(acknowledged: u32, is_acknowledged: u32) -> PartialFlow {
        let mut flow = FlowState::UNTRACKED;
        flow.begin(Address::from_v4(1), 1_000);
        flow.set_phase(super::super::phase::VERIFIED);
        flow.expected = 1_500;
        PartialFlow {
            flow,
            last_seen: 7,
            acknowledged,
            is_acknowledged,
        }
    }

    fn verified(partial: PartialFlow) -> Option<VerifiedFlow> {
        let mut flow = VerifiedFlow {
            expected: 0,
            first: 0,
            names: [0; 2],
            epoch: 0,
            cgroup: 0,
            deadline: 0,
            last_seen: 0,
        };
        partial.write_verified(&mut flow).then_some(flow)
    }

    #[test]
    fn a_connection_is_verified_once_the_server_has_the_whole_client_hello() {
        assert_eq!(verified(partial(0, 0)), None);
        assert_eq!(verified(partial(1_499, 1)), None);
        assert_eq!(verified(partial(1_500, 1)).unwrap().expected, 1_500);
        let mut parsing = partial(1_500, 1);
        parsing.flow.reset();
        assert_eq!(verified(parsing), None);
    }

    #[test]
    fn acknowledgements_never_move_back() {
        let mut flow = partial(0, 0);
        for (acknowledged, kept) in [(1_000, 1_000), (1_500, 1_500), (1_200, 1_500)] {
            flow.acknowledge(acknowledged);
            assert_eq!(flow.acknowledged, kept);
        }
    }

    #[test]
    fn a_connection_stays_verified_over_more_bytes_than_there_are_sequence_numbers() {
        let mut flow = verified(partial(1_500, 1)).unwrap();
        assert!(!flow.follows(1_499));
        let mut sequence = 1_500_u32;
        for _ in 0..20 {
            assert!(flow.follows(sequence));
            sequence = sequence.wrapping_add(MAX_WINDOW / 2 + 7);
        }
    }
}
