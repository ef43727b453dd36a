//! The first bytes of a TCP connection to an address that a name opened: a ClientHello that names a name bound to the address, or nothing.

use super::policy::{Binding, Names, Policy};
use super::reader::{Desk, Read, Reading, Segment};
use super::sent::{KEPT, Sent, Span};
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

/// Values of [`Handshake::phase`]; those from [`CONDEMNED`] on are that and the code of a [`Reason`].
const UNWATCHED: u32 = 0;
const FOLLOWING: u32 = 1;
const VERIFIED: u32 = 2;
const CONDEMNED: u32 = 256;

/// How far a sequence number is ahead at most (RFC 9293 section 3.4); one that is further is behind.
const AHEAD: u32 = i32::MAX as u32;

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

const _: () = assert!(size_of::<Handshake>() == 4800);

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
            && self.phase != VERIFIED
            && (lasts(reason) || names.audits())
        {
            // The kernel sends less of a refused segment when it tries again, and what comes before the name would pass. In audit mode all
            // of it passes, so that the rest cannot be followed.
            self.phase = CONDEMNED.wrapping_add(reason as u32);
        }
        judged
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
        match self.phase {
            FOLLOWING => Ok(Standing::Following),
            CONDEMNED.. => {
                let reason = condemned(self.phase);
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
        let taken = self.expected.wrapping_sub(self.first);
        let behind = self.expected.wrapping_sub(tcp.sequence);
        let is_verified = standing == Standing::Verified;
        if behind > taken {
            if !is_verified {
                return Err(Reason::HelloOutOfOrder);
            }
            if behind <= AHEAD {
                // Sequence numbers have come half around: what was the hello is long received.
                self.first = tcp.sequence;
                self.expected = tcp.sequence;
            }
            return Ok(());
        }
        let known = tcp.len.min(behind);
        if known == 0 && is_verified {
            return Ok(());
        }
        let offset = taken.wrapping_sub(behind);
        let kept = taken.min(KEPT);
        let span = Span {
            at: tcp.at,
            offset,
            again: known.min(kept.saturating_sub(offset)),
            keep: tcp.len.wrapping_sub(known).min(KEPT.wrapping_sub(kept)),
            known,
        };
        if span.again < known && !self.done.is_named_within(KEPT) {
            return Err(Reason::HelloChanged);
        }
        if !is_verified && tcp.flags & URG != 0 {
            return Err(Reason::Urgent);
        }
        // What the kernel sends again has nothing new to read.
        let len = if is_verified {
            0
        } else {
            tcp.len.wrapping_sub(known)
        };
        self.work.reading = self.done;
        let at = tcp.at.wrapping_add(behind);
        let read = segment.follow(&mut self.work, &mut self.sent, span, at, len)?;
        if len == 0 {
            return Ok(());
        }
        self.take_in(tcp, read, names, standing)
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
                self.phase = FOLLOWING;
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

#[inline(always)]
const fn is_for_its_name(reason: Reason) -> bool {
    matches!(
        reason,
        Reason::ServerNameUnknown | Reason::ServerNameElsewhere
    )
}

/// Whether a denial is of the connection, and not of the one segment.
#[inline(always)]
const fn lasts(reason: Reason) -> bool {
    matches!(
        reason,
        Reason::NotTls
            | Reason::HelloUnreadable
            | Reason::NoServerName
            | Reason::ServerNameUnknown
            | Reason::ServerNameElsewhere
            | Reason::ServerNameAddress
            | Reason::Urgent
            | Reason::EarlyData
    )
}

/// The reason that a phase from [`CONDEMNED`] on holds.
#[inline(always)]
fn condemned(phase: u32) -> Reason {
    const REASONS: [Reason; 13] = [
        Reason::NotTls,
        Reason::HelloUnreadable,
        Reason::NoServerName,
        Reason::ServerNameUnknown,
        Reason::ServerNameElsewhere,
        Reason::HelloOutOfOrder,
        Reason::FastOpen,
        Reason::Urgent,
        Reason::Unwatched,
        Reason::NotASocket,
        Reason::ServerNameAddress,
        Reason::HelloChanged,
        Reason::EarlyData,
    ];
    let index = phase.wrapping_sub(CONDEMNED + Reason::NotTls as u32);
    let reason = REASONS.get(index as usize).copied();
    reason.unwrap_or(Reason::Unwatched)
}
