//! State of a TCP connection to an address that a name allows: denied unless it begins with a ClientHello for a name granted for that address.

use super::client_hello::{ParserScratch, ParserState};
use super::phase::{
    FRAGMENTED, NO_VERSION, PARSING, REJECTED, REJECTED_BY, UNTRACKED, VERIFIED, rejected,
    rejection,
};
use super::policy::{Grant, GrantValidity, NamePolicy};
use super::retransmit::SentBytes;
use super::segment::Segment;
use super::tcp::{SYN, TcpSegment};
use crate::address::Address;
use crate::layout::{AddressGrant, Deadline, NameKey};
use crate::reason::{ConnectionEffect, Reason};

/// State of one connection, kept in its socket's storage. All zero: a connection whose SYN was not seen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(C)]
pub struct FlowState {
    /// Destination of the connection's packets.
    pub(super) address: Address,
    /// [`crate::layout::Settings::epoch`] when the grant was looked up.
    pub(super) epoch: u64,
    pub(super) cgroup: u64,
    pub(super) deadline: Deadline,
    pub(super) phase: u32,
    /// Sequence number of the next byte to parse. This field and those before it are what each packet is compared with: one cache line.
    pub(super) expected: u32,
    /// Sequence number of the first byte.
    pub(super) first: u32,
    /// Numbers of the name's two keys; 0 for one that was not found.
    pub(super) names: [u32; 2],
    /// Sequence number after the current segment, or that of the next byte if all of it was parsed before; meaningless between segments.
    pub(super) end: u32,
    /// The parser before the current segment.
    pub(super) parsed: ParserState,
    /// The parser with the current segment; meaningless between segments.
    pub(super) parser: ParserScratch,
    pub(super) sent: SentBytes,
}

/// How far ahead a sequence number can be (RFC 9293 section 3.4); a larger distance means that it is behind.
pub(super) const AHEAD: u32 = i32::MAX as u32;
/// Largest window, in bytes: the most that can be in flight and be retransmitted (RFC 7323 section 2.3).
pub(super) const MAX_WINDOW: u32 = 1 << 30;

const _: () = assert!(size_of::<FlowState>() == 7856);

impl FlowState {
    /// State of a connection whose SYN was not seen.
    pub const UNTRACKED: Self = Self {
        address: Address::from_v6(0),
        epoch: 0,
        cgroup: 0,
        deadline: 0,
        names: [0; 2],
        phase: UNTRACKED,
        first: 0,
        expected: 0,
        end: 0,
        parsed: ParserState::START,
        parser: ParserScratch::EMPTY,
        sent: SentBytes::EMPTY,
    };

    /// The server name in lower case, as far as it was read, if a denial for `reason` shows it.
    #[inline(always)]
    pub fn name_for(&self, reason: Reason) -> Option<&NameKey> {
        let name = self.parser.keys.exact();
        (reason.shows_server_name() && name[0] != 0).then_some(name)
    }

    /// Discards the state: the socket may begin another connection.
    #[inline(always)]
    pub fn reset(&mut self) {
        self.phase = UNTRACKED;
    }

    /// Begins to track a connection to `address` whose first byte has this sequence number.
    #[inline(always)]
    pub fn begin(&mut self, address: Address, sequence: u32) {
        self.phase = PARSING;
        self.address = address;
        self.first = sequence;
        self.expected = sequence;
        self.names = [0; 2];
        self.parsed = ParserState::START;
        self.parser.keys.clear();
    }

    /// Whether the ClientHello was verified, or server names do not count here.
    #[inline(always)]
    pub const fn is_verified(&self) -> bool {
        self.phase == VERIFIED
    }

    /// Whether the ClientHello is being parsed.
    #[inline(always)]
    pub(super) const fn is_parsing(&self) -> bool {
        self.phase & !FRAGMENTED == PARSING
    }

    /// Resets the expected sequence number so that repeated test runs see the same packet.
    #[inline(always)]
    pub fn rewind(&mut self) {
        self.expected = self.first;
    }

    /// Returns the reason that a packet to `address` passes for, if it follows a verified ClientHello whose grant still counts. Not for
    /// segments with SYN.
    #[inline(always)]
    pub fn verified(
        &self,
        address: Address,
        sequence: u32,
        validity: &impl GrantValidity,
    ) -> Option<Reason> {
        let is_valid = self.phase == VERIFIED
            && self.address == address
            && sequence.wrapping_sub(self.expected) <= AHEAD
            && self.epoch == validity.epoch()
            && (self.deadline == Deadline::MAX || validity.is_ahead(self.deadline));
        if !is_valid {
            return None;
        }
        if self.cgroup == 0 {
            return Some(Reason::AllowedName);
        }
        Some(Reason::ExceptionName)
    }

    /// Checks a segment to `address`, and records it if it passes.
    ///
    /// # Errors
    /// The reason to deny it for.
    #[inline(always)]
    pub fn check_segment(
        &mut self,
        segment: &impl Segment,
        tcp: TcpSegment,
        address: Address,
        names: &impl NamePolicy,
    ) -> Result<(), Reason> {
        if tcp.len == 0 {
            if tcp.opens() {
                self.begin(address, tcp.sequence.wrapping_add(1));
            }
            return Ok(());
        }
        // Not `and_then`: in the kernel programs it would be compiled to a separate function.
        let checked = match self.continues_verified(tcp, address, names) {
            Ok(is_verified) => self.check_payload(segment, tcp, names, is_verified),
            Err(reason) => Err(reason),
        };
        if let Err(reason) = checked
            && self.is_rejected_by(reason, names.audits())
            && !self.is_rejected_elsewhere(names.version())
        {
            self.set_phase(rejected(reason, names.version()));
        }
        checked
    }

    /// Sets the phase while the parser is at its present position.
    #[inline(always)]
    pub(super) const fn set_phase(&mut self, phase: u32) {
        self.phase = phase;
        if self.parsed.is_fragmented() {
            self.phase = phase | FRAGMENTED;
        }
    }

    /// Whether a segment's denial for `reason` rejects the whole connection. TCP retries a denied segment with fewer bytes, and those before the
    /// server name would pass. In audit mode the segment passes whole, so that the parser cannot follow.
    #[inline(always)]
    fn is_rejected_by(&self, reason: Reason, audits: bool) -> bool {
        if self.phase == VERIFIED {
            return audits && reason != Reason::ServerNameElsewhere;
        }
        audits || reason.effect_on_connection() != ConnectionEffect::SegmentOnly
    }

    /// Rejects the connection for a name that another version let pass: a second ClientHello would hide it.
    #[inline(always)]
    pub(super) fn reject_for_good(&mut self, reason: Reason) {
        self.set_phase(rejected(reason, NO_VERSION));
    }

    /// Whether another version rejected the connection.
    #[inline(always)]
    fn is_rejected_elsewhere(&self, version: u32) -> bool {
        self.phase & REJECTED != 0 && self.phase >> REJECTED_BY != version
    }

    /// Whether the connection is verified before a segment with a payload, or else may continue.
    #[inline(always)]
    fn continues_verified(
        &mut self,
        tcp: TcpSegment,
        address: Address,
        names: &impl NamePolicy,
    ) -> Result<bool, Reason> {
        // A SYN that carries data begins another connection of the same socket.
        let opens = tcp.flags & SYN != 0;
        let verified = self.phase == VERIFIED && self.address == address && !opens;
        if !verified {
            self.names = [AddressGrant::ANY_NAME, 0];
        }
        let epoch = names.epoch();
        if let Some(grant) = names.grant(self.names) {
            if !verified {
                self.begin(address, tcp.sequence);
                self.accept_as_first(tcp.sequence);
                self.names = [AddressGrant::ANY_NAME, 0];
                self.phase = VERIFIED;
            }
            self.set_grant(grant, epoch);
            return Ok(true);
        }
        if verified {
            return Err(Reason::ServerNameElsewhere);
        }
        if opens {
            if self.phase == VERIFIED {
                self.phase = UNTRACKED;
            }
            return Err(Reason::FastOpen);
        }
        if self.address != address {
            return Err(Reason::NoSynSeen);
        }
        self.may_continue(names)?;
        Ok(false)
    }

    /// Whether a connection that is not verified may continue.
    #[inline(always)]
    fn may_continue(&self, names: &impl NamePolicy) -> Result<(), Reason> {
        match self.phase & !FRAGMENTED {
            PARSING => Ok(()),
            phase @ REJECTED.. => {
                let reason = rejection(phase);
                let is_final =
                    reason.effect_on_connection() != ConnectionEffect::UntilNameIsGranted;
                if is_final || names.audits() || self.is_rejected_elsewhere(names.version()) {
                    return Err(reason);
                }
                Ok(())
            }
            _ => Err(Reason::NoSynSeen),
        }
    }

    /// The reason that the connection was rejected for, if it was.
    #[inline(always)]
    pub(super) fn rejection(&self) -> Option<Reason> {
        let phase = self.phase & !FRAGMENTED;
        (phase >= REJECTED).then(|| rejection(phase))
    }

    /// Stores a grant. `epoch` was read before the grant was looked up: a change in between makes the next packet look it up again.
    #[inline(always)]
    pub(super) fn set_grant(&mut self, grant: Grant, epoch: u64) {
        self.epoch = epoch;
        self.cgroup = grant.cgroup;
        self.deadline = grant.deadline;
    }

    /// Moves the recorded range so far back that no retransmission from this sequence number on is compared with it.
    #[inline(always)]
    pub(super) fn accept_as_first(&mut self, sequence: u32) {
        self.expected = sequence.wrapping_sub(MAX_WINDOW);
        self.first = self.expected;
    }
}
