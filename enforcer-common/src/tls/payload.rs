//! Checks the payload of a segment: compares retransmitted bytes, parses new ones.

use super::client_hello::Progress;
use super::flow_state::{AHEAD, FlowState, MAX_WINDOW};
use super::phase::{PARSING, Phase, VERIFIED};
use super::policy::NamePolicy;
use super::retransmit::{RECORDED_BYTES, SentBytes};
use super::segment::Segment;
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
        phase: Phase,
    ) -> Result<(), Reason> {
        let is_verified = phase == Phase::Verified;
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
        let mut progress = None;
        if new > 0 {
            let at = tcp.at.wrapping_add(known);
            self.record(segment, at, taken, new)?;
            progress = Some(segment.parse(&mut self.parser, at, new)?);
        }
        self.advance(tcp, progress, names, phase)
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

    /// Commits the parsed bytes; none (`None`) if all were parsed before. A connection that was rejected for its server name continues once the name is
    /// granted, with a segment that holds the whole name.
    #[inline(always)]
    fn advance(
        &mut self,
        tcp: TcpSegment,
        progress: Option<Progress>,
        names: &impl NamePolicy,
        phase: Phase,
    ) -> Result<(), Reason> {
        if self.parser.state.has_name() {
            let checked = self.check_server_name(names);
            if let Err(reason) = checked {
                if progress.is_none() {
                    self.reject_for_good(reason);
                }
                return Err(reason);
            }
        } else if progress.is_none() {
            return Ok(());
        } else if let Phase::Rejected(reason) = phase {
            return Err(reason);
        }
        self.parsed = self.parser.state;
        if progress == Some(Progress::Whole) {
            self.phase = VERIFIED;
            let hello = self.parsed.at().wrapping_sub(tcp.at);
            self.expected = tcp.sequence.wrapping_add(hello);
            return Ok(());
        }
        self.set_phase(PARSING);
        if progress.is_some() {
            self.expected = tcp.sequence.wrapping_add(tcp.len);
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
