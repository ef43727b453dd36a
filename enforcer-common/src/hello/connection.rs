//! The first bytes of a TCP connection to an address that a name opened: a ClientHello that names a name bound to the address, or nothing.

use super::reader::{Keys, Read, Reading, Segment};
use crate::layout::{AddressKey, Deadline, NameEntry, NameKey, Opening};
use crate::packet::Bytes;
use crate::reason::Reason;

/// Flags of a TCP header (RFC 9293 section 3.1).
const SYN: u8 = 0x02;
const ACK: u8 = 0x10;
const URG: u8 = 0x20;
/// Bytes of a header without options.
const MIN_HEADER: u32 = 20;

/// What of a TCP segment counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tcp {
    /// The sequence number.
    pub sequence: u32,
    /// The flags, RFC 9293's byte 13.
    pub flags: u8,
    /// Where in the packet the payload begins.
    pub at: u32,
    /// Bytes of the payload.
    pub len: u32,
}

impl Tcp {
    /// Reads the header at `at` of a packet of `len` bytes; `None` where the packet ends before it does.
    #[inline(always)]
    pub fn read(packet: &impl Bytes, at: u32, len: u32) -> Option<Self> {
        let header: [u8; 10] = packet.at(at.wrapping_add(4))?;
        let [a, b, c, d, _, _, _, _, offset, flags] = header;
        let header = (u32::from(offset >> 4) * 4).max(MIN_HEADER);
        let at = at.wrapping_add(header);
        Some(Self {
            sequence: u32::from_be_bytes([a, b, c, d]),
            flags,
            at,
            len: len.saturating_sub(at),
        })
    }

    /// Whether it opens a connection, or repeats the opening.
    #[inline(always)]
    pub const fn opens(self) -> bool {
        self.flags & (SYN | ACK) == SYN
    }
}

/// What may end what was verified.
pub trait Policy {
    /// [`crate::layout::Settings::epoch`].
    fn epoch(&self) -> u64;

    /// Whether a deadline is still ahead.
    fn is_ahead(&self, deadline: Deadline) -> bool;
}

/// What is known of names, for the address and the socket at hand.
pub trait Names: Policy {
    /// The entry of [`crate::layout::NAMES`].
    fn entry(&self, key: &NameKey) -> Option<NameEntry>;

    /// For whom one of the names is bound to the address, and until when. A number of 0 is no name.
    fn binding(&self, names: [u32; 2]) -> Option<Binding>;

    /// Whether denials are only reported.
    fn audits(&self) -> bool;
}

/// For whom a name leads to an address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Binding {
    /// The cgroup of the exception; 0 for everybody.
    pub cgroup: u64,
    /// When it ends.
    pub deadline: Deadline,
}

/// What is known of a connection's beginning. All zero means: nothing, as of a connection that was open before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(C)]
pub struct Handshake {
    /// Where the connection goes, as its packets say it.
    address: AddressKey,
    /// [`crate::layout::Settings::epoch`] when `binding` was looked up.
    epoch: u64,
    cgroup: u64,
    deadline: Deadline,
    /// What the server name was found as; 0 where not.
    names: [u32; 2],
    phase: u32,
    /// The sequence number of the next byte to read.
    expected: u32,
    done: Reading,
    /// As `done`, of the segment at hand: of no meaning once that is judged.
    work: Reading,
    keys: Keys,
}

/// Values of [`Handshake::phase`]; those from [`CONDEMNED`] on are that and the code of a [`Reason`].
const UNWATCHED: u32 = 0;
const FOLLOWING: u32 = 1;
const VERIFIED: u32 = 2;
const CONDEMNED: u32 = 256;

const _: () = assert!(size_of::<Handshake>() == 680);

impl Handshake {
    /// Of a connection whose opening was not seen.
    pub const UNWATCHED: Self = Self {
        address: [0; 16],
        epoch: 0,
        cgroup: 0,
        deadline: 0,
        names: [0; 2],
        phase: UNWATCHED,
        expected: 0,
        done: Reading::START,
        work: Reading::START,
        keys: Keys::EMPTY,
    };

    /// The server name as far as it was read, in lower case, where a denial for `reason` is about it.
    #[inline(always)]
    pub fn name_for(&self, reason: Reason) -> Option<&NameKey> {
        let name = self.keys.exact();
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
    pub fn begin(&mut self, address: AddressKey, sequence: u32) {
        self.phase = FOLLOWING;
        self.address = address;
        self.expected = sequence;
        self.names = [0; 2];
        self.done = Reading::START;
        self.keys = Keys::EMPTY;
    }

    /// For whose name packets to `address` pass without another look, if they do. The verdict on segments that open a connection is not
    /// to be asked here.
    #[inline(always)]
    pub fn verified(&self, address: AddressKey, policy: &impl Policy) -> Option<Reason> {
        let holds = self.phase == VERIFIED
            && self.address == address
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
        address: AddressKey,
        names: &impl Names,
    ) -> Result<(), Reason> {
        if tcp.len == 0 {
            if tcp.opens() {
                self.begin(address, tcp.sequence.wrapping_add(1));
            }
            return Ok(());
        }
        // A SYN that carries data opens another connection of the same socket.
        let verified = self.phase == VERIFIED && self.address == address && tcp.flags & SYN == 0;
        if !verified {
            self.names = [Opening::ANY_NAME, 0];
        }
        if let Some(binding) = names.binding(self.names) {
            self.phase = VERIFIED;
            self.address = address;
            self.bind(binding, names);
            return Ok(());
        }
        if verified {
            return Err(Reason::ServerNameElsewhere);
        }
        let judged = self.payload(segment, tcp, address, names);
        if let Err(reason) = judged
            && (lasts(reason) || names.audits())
        {
            // The kernel sends less of a refused segment when it tries again, and what comes before the name would pass. In audit mode all
            // of it passes, so that the rest cannot be followed.
            self.phase = CONDEMNED.wrapping_add(reason as u32);
        }
        judged
    }

    #[inline(always)]
    fn payload(
        &mut self,
        segment: &impl Segment,
        tcp: Tcp,
        address: AddressKey,
        names: &impl Names,
    ) -> Result<(), Reason> {
        if tcp.flags & SYN != 0 {
            return Err(Reason::FastOpen);
        }
        if self.address != address {
            return Err(Reason::Unwatched);
        }
        match self.phase {
            FOLLOWING => self.follow(segment, tcp, names, None),
            CONDEMNED.. => {
                let reason = condemned(self.phase);
                if !is_for_its_name(reason) || names.audits() {
                    return Err(reason);
                }
                self.follow(segment, tcp, names, Some(reason))
            }
            _ => Err(Reason::Unwatched),
        }
    }

    /// Reads on. What was denied for its name may go on where that has come to lead here, with a segment that has all of the name.
    #[inline(always)]
    fn follow(
        &mut self,
        segment: &impl Segment,
        tcp: Tcp,
        names: &impl Names,
        denied: Option<Reason>,
    ) -> Result<(), Reason> {
        if tcp.flags & URG != 0 {
            return Err(Reason::Urgent);
        }
        let known = self.expected.wrapping_sub(tcp.sequence);
        if known > i32::MAX as u32 {
            return Err(Reason::HelloOutOfOrder);
        }
        // The kernel sends again what it sent before: nothing new to read.
        if known >= tcp.len {
            return Ok(());
        }
        let [at, len] = [tcp.at.wrapping_add(known), tcp.len.wrapping_sub(known)];
        self.work = self.done;
        let read = segment.follow(&mut self.work, &mut self.keys, at, len)?;
        if self.work.is_named() {
            self.look_up(names)?;
        } else if let Some(reason) = denied {
            return Err(reason);
        }
        self.done = self.work;
        self.expected = tcp.sequence.wrapping_add(tcp.len);
        self.phase = match read {
            Read::Whole => VERIFIED,
            Read::Part => FOLLOWING,
        };
        Ok(())
    }

    /// Finds what the name is known as, and whether it leads here.
    #[inline(always)]
    fn look_up(&mut self, names: &impl Names) -> Result<(), Reason> {
        let number = |key| names.entry(key).map_or(0, |entry| entry.id);
        self.names = [number(self.keys.exact()), number(self.keys.wild())];
        if self.names == [0; 2] {
            return Err(if self.work.is_address() {
                Reason::ServerNameAddress
            } else {
                Reason::ServerNameUnknown
            });
        }
        let binding = names.binding(self.names);
        let binding = binding.ok_or(Reason::ServerNameElsewhere)?;
        self.bind(binding, names);
        Ok(())
    }

    #[inline(always)]
    fn bind(&mut self, binding: Binding, names: &impl Names) {
        self.epoch = names.epoch();
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
    )
}

/// The reason that a phase from [`CONDEMNED`] on holds.
#[inline(always)]
fn condemned(phase: u32) -> Reason {
    const REASONS: [Reason; 11] = [
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
    ];
    let index = phase.wrapping_sub(CONDEMNED + Reason::NotTls as u32);
    let reason = REASONS.get(index as usize).copied();
    reason.unwrap_or(Reason::Unwatched)
}
