//! The first bytes of a TCP connection to an address that a name opened: a ClientHello that names a name bound to the address, or nothing.

use super::denial::{condemned, is_for_its_name, lasts};
use super::policy::{Binding, Names, Policy};
use super::reader::{Desk, Read, Reading};
use super::segment::Segment;
use super::sent::{KEPT, Sent};
use super::tcp::{SYN, Tcp, URG};
use crate::address::Address;
use crate::layout::{Deadline, NameKey, Opening};
use crate::reason::Reason;

/// What is known of a connection's beginning. All zero means: nothing, as of a connection that was open before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(C)]
pub struct Handshake {
    /// Where the connection goes, as its packets say it.
    address: Address,
    /// [`crate::layout::Settings::epoch`] when `binding` was looked up.
    epoch: u64,
    cgroup: u64,
    deadline: Deadline,
    phase: u32,
    /// The sequence number of the next byte to read. All before is what each packet is held against: the kernel has it in one cache line.
    expected: u32,
    /// The sequence number of the first byte.
    first: u32,
    /// What the server name was found as; 0 where not.
    names: [u32; 2],
    /// Zero.
    reserved: u32,
    done: Reading,
    /// As `done`, of the segment at hand: of no meaning once that is judged.
    work: Desk,
    sent: Sent,
}

/// Values of [`Handshake::phase`]; those from [`CONDEMNED`] on are that and the code of a [`Reason`]. Besides, [`FRAGMENTED`] may be set.
const UNWATCHED: u32 = 0;
const FOLLOWING: u32 = 1;
const VERIFIED: u32 = 2;
pub(super) const CONDEMNED: u32 = 256;
/// The hello takes more than one record. A version that follows one record only, and finds this connection, takes it for an unwatched one.
const FRAGMENTED: u32 = 1 << 16;

/// How far a sequence number is ahead at most (RFC 9293 section 3.4); one that is further is behind.
const AHEAD: u32 = i32::MAX as u32;
/// Bytes that can be under way, and be sent again, at most (RFC 7323 section 2.3).
const MAX_WINDOW: u32 = 1 << 30;

/// How a connection stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Standing {
    /// Its hello was read, or names do not count.
    Verified,
    /// Its hello is being read.
    Following,
    /// It was denied for the name in its hello.
    Condemned(Reason),
}

const _: () = assert!(size_of::<Handshake>() == 7856);

impl Handshake {
    /// Of a connection whose opening was not seen.
    pub const UNWATCHED: Self = Self {
        address: Address::from_v6(0),
        epoch: 0,
        cgroup: 0,
        deadline: 0,
        names: [0; 2],
        phase: UNWATCHED,
        first: 0,
        expected: 0,
        reserved: 0,
        done: Reading::START,
        work: Desk::EMPTY,
        sent: Sent::EMPTY,
    };

    /// The server name as far as it was read, in lower case, where a denial for `reason` is about it.
    #[inline(always)]
    pub fn name_for(&self, reason: Reason) -> Option<&NameKey> {
        let name = self.work.keys.exact();
        let is_about_it = matches!(
            reason,
            Reason::HelloUnreadable
                | Reason::ServerNameUnknown
                | Reason::ServerNameElsewhere
                | Reason::ServerNameAddress
        );
        (is_about_it && name[0] != 0).then_some(name)
    }

    /// Forgets the connection: the socket may begin another.
    #[inline(always)]
    pub fn forget(&mut self) {
        self.phase = UNWATCHED;
    }

    /// Begins to follow a connection to `address`, whose first byte is to have this sequence number.
    #[inline(always)]
    pub fn begin(&mut self, address: Address, sequence: u32) {
        self.phase = FOLLOWING;
        self.address = address;
        self.first = sequence;
        self.expected = sequence;
        self.names = [0; 2];
        self.done = Reading::START;
        self.work.keys.forget();
    }

    /// Takes what comes next for what follows, though it be what came: a test run has one packet for all of its runs.
    #[inline(always)]
    pub fn rewind(&mut self) {
        self.expected = self.first;
    }

    /// For whose name packets to `address` pass without another look, if they do: those behind the hello. The verdict on segments that open
    /// a connection is not to be asked here.
    #[inline(always)]
    pub fn verified(
        &self,
        address: Address,
        sequence: u32,
        policy: &impl Policy,
    ) -> Option<Reason> {
        let holds = self.phase == VERIFIED
            && self.address == address
            && sequence.wrapping_sub(self.expected) <= AHEAD
            && self.epoch == policy.epoch()
            && (self.deadline == Deadline::MAX || policy.is_ahead(self.deadline));
        if !holds {
            return None;
        }
        if self.cgroup == 0 {
            return Some(Reason::AllowedName);
        }
        Some(Reason::ExceptionName)
    }

    /// Judges a segment to `address`, and takes it in where it passes.
    ///
    /// # Errors
    /// With the reason to deny it for.
    #[inline(always)]
    pub fn judge(
        &mut self,
        segment: &impl Segment,
        tcp: Tcp,
        address: Address,
        names: &impl Names,
    ) -> Result<(), Reason> {
        if tcp.len == 0 {
            if tcp.opens() {
                self.begin(address, tcp.sequence.wrapping_add(1));
            }
            return Ok(());
        }
        // Not by `and_then`: in the kernel, that would be a function of its own.
        let judged = match self.standing(tcp, address, names) {
            Ok(standing) => self.payload(segment, tcp, names, standing),
            Err(reason) => Err(reason),
        };
        if let Err(reason) = judged
            && self.ends_with(reason, names.audits())
        {
            self.phase = self.marked(CONDEMNED.wrapping_add(reason as u32));
        }
        judged
    }

    /// A phase in which the reader goes on where it is.
    #[inline(always)]
    const fn marked(&self, phase: u32) -> u32 {
        if self.done.is_fragmented() {
            return phase | FRAGMENTED;
        }
        phase
    }

    /// Whether the connection is done with when a segment is denied for `reason`. The kernel sends less of a refused segment when it tries
    /// again, and what comes before the name would pass. In audit mode all of it passes, so that the rest cannot be followed.
    #[inline(always)]
    fn ends_with(&self, reason: Reason, audits: bool) -> bool {
        if self.phase == VERIFIED {
            return audits && reason != Reason::ServerNameElsewhere;
        }
        audits || lasts(reason)
    }

    /// How the connection stands before a segment with a payload.
    #[inline(always)]
    fn standing(
        &mut self,
        tcp: Tcp,
        address: Address,
        names: &impl Names,
    ) -> Result<Standing, Reason> {
        // A SYN that carries data opens another connection of the same socket.
        let opens = tcp.flags & SYN != 0;
        let verified = self.phase == VERIFIED && self.address == address && !opens;
        if !verified {
            self.names = [Opening::ANY_NAME, 0];
        }
        let epoch = names.epoch();
        if let Some(binding) = names.binding(self.names) {
            if !verified {
                self.begin(address, tcp.sequence);
                self.expect_nothing_before(tcp.sequence);
                self.names = [Opening::ANY_NAME, 0];
                self.phase = VERIFIED;
            }
            self.bind(binding, epoch);
            return Ok(Standing::Verified);
        }
        if verified {
            return Err(Reason::ServerNameElsewhere);
        }
        if opens {
            if self.phase == VERIFIED {
                self.phase = UNWATCHED;
            }
            return Err(Reason::FastOpen);
        }
        if self.address != address {
            return Err(Reason::Unwatched);
        }
        match self.phase & !FRAGMENTED {
            FOLLOWING => Ok(Standing::Following),
            CONDEMNED.. => {
                let reason = condemned(self.phase & !FRAGMENTED);
                if !is_for_its_name(reason) || names.audits() {
                    return Err(reason);
                }
                Ok(Standing::Condemned(reason))
            }
            _ => Err(Reason::Unwatched),
        }
    }

    /// Holds what is sent again against what was sent before, and reads on.
    #[inline(always)]
    fn payload(
        &mut self,
        segment: &impl Segment,
        tcp: Tcp,
        names: &impl Names,
        standing: Standing,
    ) -> Result<(), Reason> {
        let is_verified = standing == Standing::Verified;
        let taken = self.expected.wrapping_sub(self.first);
        let behind = self.expected.wrapping_sub(tcp.sequence);
        if behind > taken {
            return self.elsewhere(tcp, behind, is_verified);
        }
        let known = tcp.len.min(behind);
        if is_verified && known == 0 {
            return Ok(());
        }
        if !is_verified && tcp.flags & URG != 0 {
            return Err(Reason::Urgent);
        }
        if segment.is_held_back() {
            return Err(Reason::HelloHeld);
        }
        self.compare(segment, tcp.at, taken.wrapping_sub(behind), known)?;
        let new = tcp.len.wrapping_sub(known);
        if is_verified || new == 0 {
            return Ok(());
        }
        let at = tcp.at.wrapping_add(known);
        self.keep(segment, at, taken, new)?;
        self.work.reading = self.done;
        let read = segment.follow(&mut self.work, at, new)?;
        self.take_in(tcp, read, names, standing)
    }

    /// Judges a segment that begins neither with what comes next nor with what was read, so many bytes `behind` what comes next.
    #[inline(always)]
    fn elsewhere(&mut self, tcp: Tcp, behind: u32, is_verified: bool) -> Result<(), Reason> {
        if is_verified && behind > AHEAD {
            return Ok(());
        }
        if !is_verified || behind < MAX_WINDOW {
            return Err(Reason::HelloOutOfOrder);
        }
        // Sequence numbers have come half around: what was the hello is long received.
        self.expect_nothing_before(tcp.sequence);
        Ok(())
    }

    /// Has nothing that can still be sent again when a segment has this sequence number be held against anything.
    #[inline(always)]
    fn expect_nothing_before(&mut self, sequence: u32) {
        self.expected = sequence.wrapping_sub(MAX_WINDOW);
        self.first = self.expected;
    }

    /// Holds `len` bytes at `at`, number `offset` and on of the stream, against what was kept of them.
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
        if end > KEPT {
            return Err(Reason::HelloChanged);
        }
        let loaded = segment.load(&mut self.sent, Sent::beside(offset), at, len);
        if loaded.is_none() {
            return Err(Reason::HelloUnreadable);
        }
        match segment.is_again(&self.sent, offset, end) {
            Some(true) => Ok(()),
            Some(false) => Err(Reason::HelloChanged),
            None => Err(Reason::Unwatched),
        }
    }

    /// Keeps the first of `len` bytes at `at`, number `offset` and on of the stream.
    #[inline(always)]
    fn keep(
        &mut self,
        segment: &impl Segment,
        at: u32,
        offset: u32,
        len: u32,
    ) -> Result<(), Reason> {
        let len = len.min(KEPT.saturating_sub(offset));
        if len > 0 && segment.load(&mut self.sent, offset, at, len).is_none() {
            return Err(Reason::HelloUnreadable);
        }
        Ok(())
    }

    /// Takes in what was read. What was denied for its name may go on where that has come to lead here, with a segment that has all of the
    /// name.
    #[inline(always)]
    fn take_in(
        &mut self,
        tcp: Tcp,
        read: Read,
        names: &impl Names,
        standing: Standing,
    ) -> Result<(), Reason> {
        if self.work.reading.is_named() {
            self.look_up(names)?;
        } else if let Standing::Condemned(reason) = standing {
            return Err(reason);
        }
        self.done = self.work.reading;
        match read {
            Read::Whole => {
                self.phase = VERIFIED;
                let hello = self.done.at().wrapping_sub(tcp.at);
                self.expected = tcp.sequence.wrapping_add(hello);
            }
            Read::Part => {
                self.phase = self.marked(FOLLOWING);
                self.expected = tcp.sequence.wrapping_add(tcp.len);
            }
        }
        Ok(())
    }

    /// Finds what the name is known as, and whether it leads here.
    #[inline(always)]
    fn look_up(&mut self, names: &impl Names) -> Result<(), Reason> {
        let number = |key| names.entry(key).map_or(0, |entry| entry.id);
        let keys = &self.work.keys;
        self.names = [number(keys.exact()), number(keys.wild())];
        if self.names == [0; 2] {
            return Err(if self.work.reading.is_address() {
                Reason::ServerNameAddress
            } else {
                Reason::ServerNameUnknown
            });
        }
        let epoch = names.epoch();
        let binding = names.binding(self.names);
        let binding = binding.ok_or(Reason::ServerNameElsewhere)?;
        self.bind(binding, epoch);
        Ok(())
    }

    /// Keeps a binding. The `epoch` is that from before it was looked up: a change meanwhile has it looked up again.
    #[inline(always)]
    fn bind(&mut self, binding: Binding, epoch: u64) {
        self.epoch = epoch;
        self.cgroup = binding.cgroup;
        self.deadline = binding.deadline;
    }
}
