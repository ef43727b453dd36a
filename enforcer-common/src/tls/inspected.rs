//! The inspected bytes that a segment carries again at the network device: the sender may have changed them since the packet hook read them.

use super::flow_state::{AHEAD, FlowState, MAX_WINDOW};
use super::retransmit::{RECORDED_BYTES, SentBytes};
use super::tcp::TcpSegment;
use crate::address::Address;
use crate::reason::Reason;

/// Part of a connection's stream that was inspected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Inspected {
    /// Stream offset, at most [`RECORDED_BYTES`] with `len`.
    pub from: u32,
    /// Length in bytes; 0 for none.
    pub len: u32,
}

const NOTHING: Inspected = Inspected { from: 0, len: 0 };

impl FlowState {
    /// The bytes recorded at the packet hook.
    pub const fn sent(&self) -> &SentBytes {
        &self.sent
    }

    /// Returns which inspected bytes a segment to `address` begins with, after the packet hook let it pass. Changes nothing: the socket may be sending
    /// on another CPU.
    ///
    /// # Errors
    /// The reason to deny the segment for, where the packet hook cannot have let it pass in this state.
    #[inline(always)]
    pub fn inspected(&self, tcp: TcpSegment, address: Address) -> Result<Inspected, Reason> {
        if tcp.len == 0 {
            return Ok(NOTHING);
        }
        if tcp.flags & super::tcp::SYN != 0 {
            return Err(Reason::FastOpen);
        }
        let is_verified = self.is_verified();
        if self.address != address {
            return Err(Reason::NoSynSeen);
        }
        if !is_verified && !self.is_parsing() {
            return Err(self.rejection().unwrap_or(Reason::NoSynSeen));
        }
        let taken = self.expected.wrapping_sub(self.first);
        let behind = self.expected.wrapping_sub(tcp.sequence);
        if behind > taken {
            // After the ClientHello, or so long before it that the sequence numbers have wrapped half-way around.
            let is_later = behind > AHEAD || behind >= MAX_WINDOW;
            return if is_verified && is_later {
                Ok(NOTHING)
            } else {
                Err(Reason::HelloOutOfOrder)
            };
        }
        let len = tcp.len.min(behind);
        if !is_verified && len < tcp.len {
            return Err(Reason::HelloOutOfOrder);
        }
        let from = taken.wrapping_sub(behind);
        if len > 0 && from.wrapping_add(len) > RECORDED_BYTES {
            return Err(Reason::RetransmitMismatch);
        }
        Ok(Inspected { from, len })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tls::phase::{PARSING, VERIFIED, rejected};

    const FIRST: u32 = u32::MAX - 99;
    const HELLO: u32 = 500;

    fn address() -> Address {
        Address::from_v4(0x1428_0001)
    }

    /// A connection that sent `HELLO` bytes, all inspected.
    fn flow(phase: u32) -> FlowState {
        let mut flow = FlowState::UNTRACKED;
        flow.begin(address(), FIRST);
        flow.expected = FIRST.wrapping_add(HELLO);
        flow.set_phase(phase);
        flow
    }

    fn segment(offset: u32, len: u32) -> TcpSegment {
        TcpSegment {
            sequence: FIRST.wrapping_add(offset),
            flags: 0x18,
            at: 54,
            len,
        }
    }

    #[test]
    fn what_was_inspected_is_compared_and_what_follows_is_not() {
        let flow = flow(VERIFIED);
        for (offset, len, from, compared) in [
            (0, 500, 0, 500),
            (0, 1400, 0, 500),
            (100, 50, 100, 50),
            (490, 20, 490, 10),
            (499, 1, 499, 1),
        ] {
            let part = flow.inspected(segment(offset, len), address());
            assert_eq!(
                part,
                Ok(Inspected {
                    from,
                    len: compared
                }),
                "{offset}"
            );
        }
        for offset in [500, 501, 100_000, AHEAD] {
            let part = flow.inspected(segment(offset, 10), address()).unwrap();
            assert_eq!(part.len, 0, "{offset}");
        }
    }

    #[test]
    fn before_the_name_is_verified_only_inspected_bytes_pass() {
        let flow = flow(PARSING);
        let whole = flow.inspected(segment(0, 500), address());
        assert_eq!(whole, Ok(Inspected { from: 0, len: 500 }));
        for (offset, len) in [(0, 501), (500, 1), (600, 10)] {
            let part = flow.inspected(segment(offset, len), address());
            assert_eq!(part, Err(Reason::HelloOutOfOrder), "{offset}");
        }
    }

    #[test]
    fn bytes_before_the_first_one_or_beyond_the_record_are_denied() {
        let mut flow = flow(VERIFIED);
        let before = segment(0u32.wrapping_sub(10), 20);
        assert_eq!(
            flow.inspected(before, address()),
            Err(Reason::HelloOutOfOrder)
        );
        flow.expected = FIRST.wrapping_add(RECORDED_BYTES + 10);
        assert_eq!(
            flow.inspected(segment(RECORDED_BYTES - 5, 6), address()),
            Err(Reason::RetransmitMismatch)
        );
    }

    #[test]
    fn a_connection_that_the_packet_hook_rejected_is_denied_for_the_same_reason() {
        let flow = flow(rejected(Reason::ServerNameUnknown, 5));
        for offset in [0, 500] {
            let part = flow.inspected(segment(offset, 10), address());
            assert_eq!(part, Err(Reason::ServerNameUnknown), "{offset}");
        }
    }

    #[test]
    fn a_connection_that_the_packet_hook_did_not_track_is_denied() {
        let other = Address::from_v4(0x1428_0002);
        assert_eq!(
            flow(VERIFIED).inspected(segment(0, 10), other),
            Err(Reason::NoSynSeen)
        );
        let untracked = FlowState::UNTRACKED.inspected(segment(0, 10), address());
        assert_eq!(untracked, Err(Reason::NoSynSeen));
        let syn = TcpSegment {
            flags: 0x02,
            ..segment(0, 10)
        };
        assert_eq!(
            flow(VERIFIED).inspected(syn, address()),
            Err(Reason::FastOpen)
        );
        assert_eq!(
            flow(VERIFIED).inspected(segment(0, 0), other),
            Ok(NOTHING),
            "an acknowledgement carries nothing"
        );
    }
}
