//! Denials and lessons as they travel through the ring buffer.

use crate::layout::{FoldKey, NAME_BYTES, NameKey};

/// The program that judged. Codes are counter indices and stand in events: append, never renumber.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[repr(u8)]
pub enum Hook {
    /// `cgroup_skb/egress`: a packet.
    Egress = 0,
    /// `cgroup/connect4`.
    Connect4 = 1,
    /// `cgroup/connect6`.
    Connect6 = 2,
    /// `cgroup/sendmsg4`.
    Sendmsg4 = 3,
    /// `cgroup/sendmsg6`.
    Sendmsg6 = 4,
}

impl Hook {
    /// One more than the largest code.
    pub const COUNT: u32 = 5;

    /// Every hook, in the order of the codes.
    pub const ALL: [Self; 5] = [
        Self::Egress,
        Self::Connect4,
        Self::Connect6,
        Self::Sendmsg4,
        Self::Sendmsg6,
    ];

    /// The hook of a code that an event holds.
    pub fn from_code(code: u8) -> Option<Self> {
        Self::ALL.into_iter().find(|hook| *hook as u8 == code)
    }

    /// The word in events and metrics; also the name of the program and of its pins.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Egress => "egress",
            Self::Connect4 => "connect4",
            Self::Connect6 => "connect6",
            Self::Sendmsg4 => "sendmsg4",
            Self::Sendmsg6 => "sendmsg6",
        }
    }
}

/// A denial: the first of its [`FoldKey`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
#[repr(C)]
pub struct Event {
    /// Nanoseconds since boot (`CLOCK_BOOTTIME`).
    pub time: u64,
    /// The cgroup v2 id of the socket (for the packet hook) or of the process.
    pub cgroup: u64,
    /// The destination that was judged, as [`crate::Address::key`].
    pub destination: [u8; 16],
    /// The process (thread group) that connected, sent or opened the socket; 0 where it is not known.
    pub pid: u32,
    /// Its user; meaningless where `pid` is 0.
    pub uid: u32,
    /// Its command name, NUL-padded.
    pub command: [u8; 16],
    /// [`FoldKey::window`].
    pub window: u32,
    /// The destination port in host byte order; 0 where there is none.
    pub port: u16,
    /// The IP protocol number.
    pub protocol: u8,
    /// The code of the [`Hook`].
    pub hook: u8,
    /// The code of the [`crate::Reason`].
    pub reason: u8,
    /// 1 in audit mode: it was reported and let through.
    pub audited: u8,
    /// Zero.
    pub reserved: [u8; 2],
    /// [`crate::layout::digest`] of the server name that it was denied for; 0 where there is none.
    pub name: u32,
}

/// Bytes of an [`Event`] in the ring buffer.
const EVENT_LEN: usize = 72;
const _: () = assert!(size_of::<Event>() == EVENT_LEN);

impl Event {
    /// The event in a record of the ring buffer; `None` where the record has another length.
    pub fn from_bytes(record: &[u8]) -> Option<Self> {
        let record: &[u8; EVENT_LEN] = record.try_into().ok()?;
        let mut rest = record.as_slice();
        Some(Self {
            time: u64::from_ne_bytes(take(&mut rest)?),
            cgroup: u64::from_ne_bytes(take(&mut rest)?),
            destination: take(&mut rest)?,
            pid: u32::from_ne_bytes(take(&mut rest)?),
            uid: u32::from_ne_bytes(take(&mut rest)?),
            command: take(&mut rest)?,
            window: u32::from_ne_bytes(take(&mut rest)?),
            port: u16::from_ne_bytes(take(&mut rest)?),
            protocol: u8::from_ne_bytes(take(&mut rest)?),
            hook: u8::from_ne_bytes(take(&mut rest)?),
            reason: u8::from_ne_bytes(take(&mut rest)?),
            audited: u8::from_ne_bytes(take(&mut rest)?),
            reserved: take(&mut rest)?,
            name: u32::from_ne_bytes(take(&mut rest)?),
        })
    }

    /// What denials like this one are counted under.
    pub const fn fold_key(&self) -> FoldKey {
        FoldKey {
            cgroup: self.cgroup,
            destination: self.destination,
            pid: self.pid,
            name: self.name,
            window: self.window,
            port: self.port,
            protocol: self.protocol,
            reason: self.reason,
            audited: self.audited as u32,
            reserved: 0,
        }
    }
}

/// A denial for what a ClientHello says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(C)]
pub struct NamedEvent {
    /// The denial.
    pub event: Event,
    /// The server name as it was written, or as much of it as came; the rest is zero.
    pub name: NameKey,
}

const NAMED_EVENT_LEN: usize = EVENT_LEN + NAME_BYTES;
const _: () = assert!(size_of::<NamedEvent>() == NAMED_EVENT_LEN);

/// What came of a DNS answer to an allowed name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub enum Outcome {
    /// Its addresses are open; one lesson for each.
    Learned = 0,
    /// It was truncated, went over TCP or past a bound of the reader: to be asked again.
    Unusable = 1,
    /// An address lies where the name has none, or needs more checks than the kernel makes.
    Unchecked = 2,
    /// There was no room for it.
    Full = 3,
}

impl Outcome {
    /// Every outcome, in the order of the codes.
    pub const ALL: [Self; 4] = [Self::Learned, Self::Unusable, Self::Unchecked, Self::Full];

    /// The word in status and metrics.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Learned => "learned",
            Self::Unusable => "unusable",
            Self::Unchecked => "unchecked",
            Self::Full => "full",
        }
    }
}

/// What the kernel tells the daemon of a DNS answer to an allowed name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(C)]
pub struct Lesson {
    /// Nanoseconds since boot.
    pub time: u64,
    /// The cgroup v2 id of the socket that asked.
    pub cgroup: u64,
    /// The address, as [`crate::Address::key`]; zero where it is not about one.
    pub address: [u8; 16],
    /// [`crate::layout::NameEntry::id`].
    pub name: u32,
    /// The answer's time to live, in seconds.
    pub ttl: u32,
    /// The code of the [`Outcome`].
    pub outcome: u32,
    /// Zero.
    pub reserved: u32,
}

const LESSON_LEN: usize = 48;
const _: () = assert!(size_of::<Lesson>() == LESSON_LEN);

/// An answer that the kernel opened nothing by, and the name that was asked for: of a pattern, the entry's number does not tell it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(C)]
pub struct NamedLesson {
    /// The lesson.
    pub lesson: Lesson,
    /// The name in the question.
    pub name: NameKey,
}

const NAMED_LESSON_LEN: usize = LESSON_LEN + NAME_BYTES;
const _: () = assert!(size_of::<NamedLesson>() == NAMED_LESSON_LEN);

/// A record of the ring buffer; its length says which.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Record {
    /// A denial.
    Denial(Event),
    /// A denial with a server name.
    Named(NamedEvent),
    /// A DNS answer that opened an address.
    Lesson(Lesson),
    /// A DNS answer that is left to the daemon.
    Unlearned(NamedLesson),
}

impl Record {
    /// The record in `bytes`; `None` where no record has this length.
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        if let Some(event) = Event::from_bytes(bytes) {
            return Some(Self::Denial(event));
        }
        if bytes.len() == NAMED_EVENT_LEN {
            let (event, name) = bytes.split_at_checked(EVENT_LEN)?;
            return Some(Self::Named(NamedEvent {
                event: Event::from_bytes(event)?,
                name: name.try_into().ok()?,
            }));
        }
        if bytes.len() == NAMED_LESSON_LEN {
            let (lesson, name) = bytes.split_at_checked(LESSON_LEN)?;
            return Some(Self::Unlearned(NamedLesson {
                lesson: Lesson::from_bytes(lesson)?,
                name: name.try_into().ok()?,
            }));
        }
        Lesson::from_bytes(bytes).map(Self::Lesson)
    }
}

impl Lesson {
    fn from_bytes(record: &[u8]) -> Option<Self> {
        let record: &[u8; LESSON_LEN] = record.try_into().ok()?;
        let mut rest = record.as_slice();
        Some(Self {
            time: u64::from_ne_bytes(take(&mut rest)?),
            cgroup: u64::from_ne_bytes(take(&mut rest)?),
            address: take(&mut rest)?,
            name: u32::from_ne_bytes(take(&mut rest)?),
            ttl: u32::from_ne_bytes(take(&mut rest)?),
            outcome: u32::from_ne_bytes(take(&mut rest)?),
            reserved: u32::from_ne_bytes(take(&mut rest)?),
        })
    }
}

/// The next `N` bytes of `rest`, which moves on past them.
fn take<const N: usize>(rest: &mut &[u8]) -> Option<[u8; N]> {
    let (taken, left) = rest.split_first_chunk()?;
    *rest = left;
    Some(*taken)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_reads_back_field_by_field() {
        let record: [u8; EVENT_LEN] = core::array::from_fn(|at| at as u8);
        let event = Event::from_bytes(&record).unwrap();
        assert_eq!(event.time.to_ne_bytes(), record[0..8]);
        assert_eq!(event.destination, record[16..32]);
        assert_eq!(event.command, record[40..56]);
        assert_eq!(event.port.to_ne_bytes(), record[60..62]);
        assert_eq!((event.protocol, event.hook), (62, 63));
        assert_eq!((event.reason, event.audited), (64, 65));
        assert_eq!(event.name.to_ne_bytes(), record[68..72]);
    }

    #[test]
    fn a_record_of_another_length_is_no_event() {
        assert_eq!(Event::from_bytes(&[0; EVENT_LEN - 1]), None);
        assert_eq!(Event::from_bytes(&[0; EVENT_LEN + 1]), None);
    }
}
