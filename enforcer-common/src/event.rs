//! Records of the ring buffer: denials and DNS observations.

use crate::coded_enum::coded_enum;
use crate::layout::{DedupKey, NAME_BYTES, NameKey, digest};

/// A denial: the first of its [`DedupKey`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
#[repr(C)]
pub struct Event {
    /// Nanoseconds since boot (`CLOCK_BOOTTIME`).
    pub time: u64,
    /// The cgroup v2 id of the socket (for the packet hook) or of the process.
    pub cgroup: u64,
    /// The destination that was judged, as [`crate::Address::key`].
    pub destination: [u8; 16],
    /// Source address of a frame without a socket, as [`crate::Address::key`]; zero for all others.
    pub source: [u8; 16],
    /// The process (thread group) that connected, sent or opened the socket; 0 if it is unknown.
    pub pid: u32,
    /// Its user; meaningless if `pid` is 0.
    pub uid: u32,
    /// Its command name, NUL-padded.
    pub command: [u8; 16],
    /// [`DedupKey::window`].
    pub window: u32,
    /// The destination port in host byte order; 0 if there is none.
    pub port: u16,
    /// The IP protocol number.
    pub protocol: u8,
    /// The code of the [`crate::Hook`].
    pub hook: u8,
    /// The code of the [`crate::Reason`].
    pub reason: u8,
    /// 1 in audit mode: it was reported and let through.
    pub audited: u8,
    /// Zero.
    pub reserved: [u8; 2],
    /// [`crate::layout::digest`] of the server name that it was denied for; 0 if there is none.
    pub name: u32,
    /// Interface index of the device whose hook denied it, modulo [`DEVICE_INDEXES`]; 0 at the hooks of a cgroup.
    pub device: u32,
    /// Zero.
    pub padding: u32,
}

/// Interface indexes that events distinguish.
pub const DEVICE_INDEXES: u32 = 1 << 23;

/// Bytes of an [`Event`] in the ring buffer.
const EVENT_LEN: usize = 96;
const _: () = assert!(size_of::<Event>() == EVENT_LEN);

impl Event {
    /// The event in a record of the ring buffer; `None` if the record has another length.
    pub fn from_bytes(record: &[u8]) -> Option<Self> {
        let record: &[u8; EVENT_LEN] = record.try_into().ok()?;
        let mut rest = record.as_slice();
        Some(Self {
            time: u64::from_ne_bytes(take(&mut rest)?),
            cgroup: u64::from_ne_bytes(take(&mut rest)?),
            destination: take(&mut rest)?,
            source: take(&mut rest)?,
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
            device: u32::from_ne_bytes(take(&mut rest)?),
            padding: u32::from_ne_bytes(take(&mut rest)?),
        })
    }

    fn source_digest(&self) -> u32 {
        let source = u128::from_ne_bytes(self.source);
        if source == 0 {
            return 0;
        }
        let (words, _) = self.source.as_chunks::<8>();
        digest(words.iter().map(|word| u64::from_ne_bytes(*word)))
    }

    /// The key under which denials like this one are counted.
    pub fn dedup_key(&self) -> DedupKey {
        DedupKey {
            cgroup: self.cgroup,
            destination: self.destination,
            pid: self.pid,
            name: self.name,
            window: self.window,
            port: self.port,
            protocol: self.protocol,
            reason: self.reason,
            audited: self.audited as u32,
            source: self.source_digest(),
        }
    }
}

/// A denial for the contents of a ClientHello.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(C)]
pub struct NamedEvent {
    /// The denial.
    pub event: Event,
    /// The server name as far as it was read; the rest is zero.
    pub name: NameKey,
}

const NAMED_EVENT_LEN: usize = EVENT_LEN + NAME_BYTES;
const _: () = assert!(size_of::<NamedEvent>() == NAMED_EVENT_LEN);

coded_enum! {
    /// Outcome of a DNS answer for an allowed name.
    pub enum ObservationOutcome: u32 {
        /// Its addresses are allowed; one observation for each.
        Allowed = 0,
        /// Truncated, over TCP, or past a bound of the reader: the daemon queries again.
        Unusable = 1,
        /// An address outside the service tag of the name, or one that needs checks that only the daemon makes.
        Unchecked = 2,
        /// The map is full.
        Full = 3,
    }
}

impl ObservationOutcome {
    /// The word in status and metrics.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Allowed => "allowed",
            Self::Unusable => "unusable",
            Self::Unchecked => "unchecked",
            Self::Full => "full",
        }
    }
}

/// A DNS answer for an allowed name, as the kernel reports it to the daemon.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(C)]
pub struct DnsObservation {
    /// Nanoseconds since boot.
    pub time: u64,
    /// The cgroup v2 id of the querying socket.
    pub cgroup: u64,
    /// The address, as [`crate::Address::key`]; zero if it is about none.
    pub address: [u8; 16],
    /// [`crate::layout::NameEntry::id`].
    pub name: u32,
    /// The answer's time to live, in seconds.
    pub ttl: u32,
    /// The code of the [`ObservationOutcome`].
    pub outcome: u32,
    /// Zero.
    pub reserved: u32,
}

const OBSERVATION_LEN: usize = 48;
const _: () = assert!(size_of::<DnsObservation>() == OBSERVATION_LEN);

/// An answer for which the kernel allowed nothing, with the queried name: the number of a pattern's entry does not identify it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(C)]
pub struct NamedDnsObservation {
    /// The observation.
    pub observation: DnsObservation,
    /// The name in the question.
    pub name: NameKey,
}

const NAMED_OBSERVATION_LEN: usize = OBSERVATION_LEN + NAME_BYTES;
const _: () = assert!(size_of::<NamedDnsObservation>() == NAMED_OBSERVATION_LEN);

/// A record of the ring buffer, identified by its length.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Record {
    /// A denial.
    Denial(Event),
    /// A denial with a server name.
    Named(NamedEvent),
    /// A DNS answer that allowed an address.
    DnsObservation(DnsObservation),
    /// A DNS answer that is left to the daemon.
    NamedDnsObservation(NamedDnsObservation),
}

impl Record {
    /// Parses `bytes`; `None` if no record has this length.
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
        if bytes.len() == NAMED_OBSERVATION_LEN {
            let (observation, name) = bytes.split_at_checked(OBSERVATION_LEN)?;
            return Some(Self::NamedDnsObservation(NamedDnsObservation {
                observation: DnsObservation::from_bytes(observation)?,
                name: name.try_into().ok()?,
            }));
        }
        DnsObservation::from_bytes(bytes).map(Self::DnsObservation)
    }
}

impl DnsObservation {
    fn from_bytes(record: &[u8]) -> Option<Self> {
        let record: &[u8; OBSERVATION_LEN] = record.try_into().ok()?;
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
    use crate::Address;

    #[test]
    fn a_record_reads_back_field_by_field() {
        let record: [u8; EVENT_LEN] = core::array::from_fn(|at| at as u8);
        let event = Event::from_bytes(&record).unwrap();
        assert_eq!(event.time.to_ne_bytes(), record[0..8]);
        assert_eq!(event.destination, record[16..32]);
        assert_eq!(event.source, record[32..48]);
        assert_eq!(event.command, record[56..72]);
        assert_eq!(event.port.to_ne_bytes(), record[76..78]);
        assert_eq!((event.protocol, event.hook), (78, 79));
        assert_eq!((event.reason, event.audited), (80, 81));
        assert_eq!(event.name.to_ne_bytes(), record[84..88]);
        assert_eq!(event.device.to_ne_bytes(), record[88..92]);
    }

    #[test]
    fn frames_of_two_sources_without_a_socket_are_two_denials() {
        let event = |last: u32| Event {
            source: Address::from_v4(0x0a63_0000 | last).key(),
            ..Event::default()
        };
        let [one, other] = [event(2), event(3)].map(|event| event.dedup_key());
        assert_ne!(one, other);
        assert_eq!(one, event(2).dedup_key());
        assert_eq!(Event::default().dedup_key().source, 0);
    }

    #[test]
    fn a_record_of_another_length_is_not_an_event() {
        assert_eq!(Event::from_bytes(&[0; EVENT_LEN - 1]), None);
        assert_eq!(Event::from_bytes(&[0; EVENT_LEN + 1]), None);
    }
}
