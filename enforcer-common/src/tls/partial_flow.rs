//! Connections without a socket of this host, at a network device. Their sender may send any segment, so the segments of the server
//! decide: its SYN-ACK begins it, and its acknowledgement completes the ClientHello.

use super::flow_state::{AHEAD, FlowState, MAX_WINDOW};
use crate::address::Address;
use crate::layout::VerifiedFlow;
use crate::reason::Reason;

/// A connection whose ClientHello the server has not acknowledged to its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(C)]
pub struct PartialFlow {
    /// Its state, as for a socket.
    pub flow: FlowState,
    /// Time of the last segment that passed, in nanoseconds since boot.
    pub last_seen: u64,
    /// Sequence number of the server's first byte.
    pub server_first: u32,
    /// Index in [`crate::layout::DEVICE_FLOW_RING`].
    pub slot: u32,
    /// Sequence number up to which the server has everything.
    pub acknowledged: u32,
    /// 1 once `acknowledged` is set.
    pub is_acknowledged: u32,
}

const _: () = assert!(size_of::<PartialFlow>() == size_of::<FlowState>() + 24);

impl PartialFlow {
    /// Whether a segment from `sequence` to `end` may pass: it continues what passed so far, and nothing passes beyond a verified ClientHello before the
    /// server has acknowledged one. Clients wait for the server's answer there.
    #[inline(always)]
    pub const fn accepts(&self, sequence: u32, end: u32) -> bool {
        let flow = &self.flow;
        let taken = flow.expected.wrapping_sub(flow.first);
        let offset = sequence.wrapping_sub(flow.first);
        if !flow.is_verified() {
            return offset <= taken;
        }
        if self.is_acknowledged == 0 {
            return offset <= taken && end.wrapping_sub(flow.first) <= taken;
        }
        let acknowledged = self.acknowledged.wrapping_sub(flow.first);
        offset <= acknowledged.wrapping_add(MAX_WINDOW)
    }

    /// The reason to deny a segment for that it does not accept: after a rejected ClientHello still that of its rejection.
    #[inline(always)]
    pub fn refusal(&self) -> Reason {
        self.flow.rejection().unwrap_or(Reason::HelloOutOfOrder)
    }

    /// Records an acknowledgement of the server, in a segment with the server's number `sequence`. The first one counts if it acknowledges exactly what passed
    /// and is in the first of the server's segments: another connection with the same addresses and ports has other numbers.
    #[inline(always)]
    pub const fn acknowledge(&mut self, acknowledged: u32, sequence: u32) {
        let counts = if self.is_acknowledged == 0 {
            let has_begun = self.flow.expected != self.flow.first;
            has_begun && acknowledged == self.flow.expected && sequence == self.server_first
        } else {
            acknowledged.wrapping_sub(self.acknowledged) <= MAX_WINDOW
        };
        if counts {
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
            && self.acknowledged.wrapping_sub(flow.expected) <= MAX_WINDOW;
        if is_complete {
            verified.acknowledged = self.acknowledged;
            verified.first = flow.first;
            verified.hello_end = flow.expected;
            verified.slot = 0;
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
    /// Whether a SYN-ACK for the first byte `first` can be one that the server sent again. Once more than the ClientHello was acknowledged, it belongs to
    /// another connection, whose numbers may be the same.
    #[inline(always)]
    pub const fn begins_at(&self, first: u32) -> bool {
        self.first == first && self.acknowledged == self.hello_end
    }

    /// Whether a segment follows the ClientHello, within a window of what the server has acknowledged.
    #[inline(always)]
    pub const fn follows(&self, sequence: u32) -> bool {
        if sequence.wrapping_sub(self.acknowledged) <= MAX_WINDOW {
            return true;
        }
        let is_after_hello = sequence.wrapping_sub(self.hello_end) <= AHEAD;
        is_after_hello && self.acknowledged.wrapping_sub(sequence) <= MAX_WINDOW
    }

    /// Records an acknowledgement of the server.
    #[inline(always)]
    pub const fn acknowledge(&mut self, acknowledged: u32) {
        if acknowledged.wrapping_sub(self.acknowledged) <= MAX_WINDOW {
            self.acknowledged = acknowledged;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tls::phase::{PARSING, VERIFIED, rejected};

    const FIRST: u32 = 1_000;
    const END: u32 = 1_500;
    const SERVER: u32 = 77;

    fn partial(phase: u32) -> PartialFlow {
        let mut flow = FlowState::UNTRACKED;
        flow.begin(Address::from_v4(1), FIRST);
        flow.set_phase(phase);
        flow.expected = END;
        PartialFlow {
            flow,
            last_seen: 7,
            server_first: SERVER,
            slot: 3,
            acknowledged: 0,
            is_acknowledged: 0,
        }
    }

    fn verified(partial: PartialFlow) -> Option<VerifiedFlow> {
        let mut flow = VerifiedFlow {
            acknowledged: 0,
            first: 0,
            hello_end: 0,
            slot: 0,
            names: [0; 2],
            epoch: 0,
            cgroup: 0,
            deadline: 0,
            last_seen: 0,
        };
        partial.write_verified(&mut flow).then_some(flow)
    }

    fn acknowledged() -> VerifiedFlow {
        let mut flow = partial(VERIFIED);
        flow.acknowledge(END, SERVER);
        verified(flow).unwrap()
    }

    /// A client that waits in vain sends an alert or data behind the ClientHello, or FIN with the rest of it.
    #[test]
    fn what_follows_a_rejected_hello_is_refused_for_the_same_reason() {
        let mut flow = partial(rejected(Reason::ServerNameUnknown, 5));
        flow.flow.expected = FIRST;
        assert!(!flow.accepts(END, END + 7));
        assert_eq!(flow.refusal(), Reason::ServerNameUnknown);
        assert_eq!(partial(PARSING).refusal(), Reason::HelloOutOfOrder);
        assert_eq!(partial(VERIFIED).refusal(), Reason::HelloOutOfOrder);
    }

    #[test]
    fn only_the_servers_first_segment_with_all_that_passed_binds_it() {
        for (acknowledged, sequence) in [
            (END - 1, SERVER),
            (END + 1, SERVER),
            (END, SERVER + 1),
            (END, SERVER - 1),
        ] {
            let mut flow = partial(VERIFIED);
            flow.acknowledge(acknowledged, sequence);
            assert_eq!(verified(flow), None, "{acknowledged} {sequence}");
        }
        let mut empty = partial(PARSING);
        empty.flow.expected = FIRST;
        empty.acknowledge(FIRST, SERVER);
        assert_eq!(empty.is_acknowledged, 0);
        assert_eq!(acknowledged().hello_end, END);
    }

    #[test]
    fn a_hello_that_was_acknowledged_while_a_second_one_could_follow_is_complete_later() {
        let mut flow = partial(PARSING);
        flow.acknowledge(END, SERVER);
        assert_eq!(verified(flow), None);
        flow.flow.set_phase(VERIFIED);
        flow.flow.expected = END + 5;
        assert!(flow.accepts(END, END + 80));
        assert_eq!(verified(flow), None);
        flow.acknowledge(END + 80, SERVER + 3_000);
        assert_eq!(verified(flow).unwrap().acknowledged, END + 80);
    }

    #[test]
    fn nothing_passes_beyond_the_hello_before_it_is_acknowledged() {
        let mut flow = partial(VERIFIED);
        assert!(flow.accepts(FIRST, END));
        assert!(flow.accepts(END - 10, END));
        assert!(!flow.accepts(END, END + 1));
        assert!(!flow.accepts(FIRST, END + 1));
        flow.acknowledge(END, SERVER);
        assert!(flow.accepts(END, END + 1));
    }

    #[test]
    fn a_hello_grows_without_gaps_and_never_wraps() {
        let flow = partial(PARSING);
        assert!(flow.accepts(END, END + 700));
        for sequence in [
            END + 1,
            FIRST - 1,
            END.wrapping_sub(MAX_WINDOW),
            END.wrapping_add(AHEAD),
        ] {
            assert!(
                !flow.accepts(sequence, sequence.wrapping_add(1)),
                "{sequence}"
            );
        }
    }

    #[test]
    fn only_the_server_moves_what_a_verified_connection_may_send() {
        let flow = acknowledged();
        for sequence in [END, END + 1, END + MAX_WINDOW] {
            assert!(flow.follows(sequence), "{sequence}");
        }
        // A second connection with the same first number: its bytes before the end of the hello stay denied, however far the first one went.
        for sequence in [FIRST, END - 1, END.wrapping_add(MAX_WINDOW + 1)] {
            assert!(!flow.follows(sequence), "{sequence}");
        }
        let mut flow = flow;
        flow.acknowledge(END.wrapping_add(AHEAD));
        assert_eq!(flow.acknowledged, END, "no server is a window ahead");
    }

    #[test]
    fn a_syn_ack_after_the_hello_begins_another_connection() {
        let mut flow = acknowledged();
        assert!(flow.begins_at(FIRST));
        assert!(!flow.begins_at(FIRST + 1));
        flow.acknowledge(END + 1);
        assert!(!flow.begins_at(FIRST));
    }

    #[test]
    fn a_connection_stays_verified_over_more_bytes_than_there_are_sequence_numbers() {
        let mut flow = acknowledged();
        let mut sequence = END;
        for _ in 0..20 {
            assert!(flow.follows(sequence));
            flow.acknowledge(sequence);
            sequence = sequence.wrapping_add(MAX_WINDOW / 2 + 7);
        }
    }
}
