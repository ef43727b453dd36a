//! Checks the payload of a segment: compares retransmitted bytes, parses new ones.

use super::flow_state::{AHEAD, FlowState, MAX_WINDOW};
use super::phase::{PARSING, REJECTED, VERIFIED, rejection};
use super::policy::NamePolicy;
use super::retransmit::{RECORDED_BYTES, SentBytes};
use super::segment::{NewBytes, Segment};
use super::tcp::{TcpSegment, URG};
use crate::reason::Reason;

impl FlowState {
    /// Compares retransmitted bytes with the recorded ones, and parses new ones. To the second of two attached programs every byte is a retransmission:
    /// it looks up the server name that the first one has parsed.
    #[inline(always)]
    pub(super) fn check_payload(
        &mut self,
        segment: &impl Segment,
        tcp: TcpSegment,
        names: &impl NamePolicy,
        is_verified: bool,
    ) -> Result<(), Reason> {
        let taken = self.expected.wrapping_sub(self.first);
        let behind = self.expected.wrapping_sub(tcp.sequence);
        if behind > taken {
            return self.check_out_of_order(tcp, behind, is_verified);
        }
        let known = tcp.len.min(behind);
        if is_verified && known == 0 {
            return Ok(());
        }
        if !is_verified && tcp.flags & URG != 0 {
            return Err(Reason::Urgent);
        }
        if segment.has_future_departure() {
            return Err(Reason::DelayedTransmit);
        }
        self.compare(segment, tcp.at, taken.wrapping_sub(behind), known)?;
        if is_verified {
            return Ok(());
        }
        self.parser.state = self.parsed;
        let new = tcp.len.wrapping_sub(known);
        if new > 0 {
            let at = tcp.at.wrapping_add(known);
            self.record(segment, at, taken, new)?;
            let new = NewBytes {
                sent: &self.sent,
                from: taken,
                at,
                len: new,
            };
            segment.parse(&mut self.parser, new)?;
            self.end = tcp.sequence.wrapping_add(tcp.len);
        } else if self.parsed.has_name() {
            self.end = self.expected;
        } else {
            return Ok(());
        }
        self.advance(names)
    }

    /// Checks a segment that begins neither with the next byte nor with a parsed one, but `behind` bytes before the next byte.
    #[inline(always)]
    fn check_out_of_order(
        &mut self,
        tcp: TcpSegment,
        behind: u32,
        is_verified: bool,
    ) -> Result<(), Reason> {
        if is_verified && behind > AHEAD {
            return Ok(());
        }
        if !is_verified || behind < MAX_WINDOW {
            return Err(Reason::HelloOutOfOrder);
        }
        // The sequence numbers have wrapped half-way around: the server received the ClientHello long ago.
        self.accept_as_first(tcp.sequence);
        Ok(())
    }

    /// Compares `len` bytes at packet offset `at` with those recorded from stream offset `offset` on.
    #[inline(always)]
    fn compare(
        &mut self,
        segment: &impl Segment,
        at: u32,
        offset: u32,
        len: u32,
    ) -> Result<(), Reason> {
        if len == 0 {
            return Ok(());
        }
        let end = offset.wrapping_add(len);
        if end > RECORDED_BYTES {
            return Err(Reason::RetransmitMismatch);
        }
        let loaded = segment.load(&mut self.sent, SentBytes::incoming(offset), at, len);
        if loaded.is_none() {
            return Err(Reason::HelloUnreadable);
        }
        match segment.matches_retransmission(&self.sent, offset, end) {
            Some(true) => Ok(()),
            Some(false) => Err(Reason::RetransmitMismatch),
            None => Err(Reason::NoSynSeen),
        }
    }

    /// Records `len` bytes at packet offset `at` from stream offset `offset` on, as far as there is room.
    #[inline(always)]
    fn record(
        &mut self,
        segment: &impl Segment,
        at: u32,
        offset: u32,
        len: u32,
    ) -> Result<(), Reason> {
        let len = len.min(RECORDED_BYTES.saturating_sub(offset));
        if len > 0 && segment.load(&mut self.sent, offset, at, len).is_none() {
            return Err(Reason::HelloUnreadable);
        }
        Ok(())
    }

    /// Commits the parsed bytes up to [`FlowState::end`]. A connection that was rejected for its server name continues once the name is granted, with a
    /// segment that holds the whole name. Takes nothing from the segment: where the paths of new and of retransmitted bytes join, the verifier of
    /// Linux 5.10 would follow each to the end for different numbers in registers, but it knows none in the flow state.
    #[inline(always)]
    fn advance(&mut self, names: &impl NamePolicy) -> Result<(), Reason> {
        if self.parser.state.has_name() {
            let checked = self.check_server_name(names);
            if let Err(reason) = checked
                && self.end == self.expected
            {
                self.reject_for_good(reason);
            }
            checked?;
        } else if self.phase & REJECTED != 0 {
            return Err(rejection(self.phase));
        }
        self.parsed = self.parser.state;
        self.expected = self.end.wrapping_sub(self.parsed.rest());
        if self.parsed.is_whole() {
            self.phase = VERIFIED;
        } else {
            self.set_phase(PARSING);
        }
        Ok(())
    }

    /// Looks up the server name, and its grant for this address.
    #[inline(always)]
    fn check_server_name(&mut self, names: &impl NamePolicy) -> Result<(), Reason> {
        let number = |key| names.entry(key).map_or(0, |entry| entry.id);
        let keys = &self.parser.keys;
        self.names = [number(keys.exact()), number(keys.wild())];
        if self.names == [0; 2] {
            return Err(if self.parser.state.is_address() {
                Reason::ServerNameAddress
            } else {
                Reason::ServerNameUnknown
            });
        }
        let epoch = names.epoch();
        let grant = names.grant(self.names);
        let grant = grant.ok_or(Reason::ServerNameElsewhere)?;
        self.set_grant(grant, epoch);
        Ok(())
    }
}
