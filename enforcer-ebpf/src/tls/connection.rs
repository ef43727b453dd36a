//! A packet to an address that a name allows, as the TLS check sees it: its payload, and the names granted for its destination.

use core::hint::black_box;

use aya_ebpf::helpers::bpf_ktime_get_ns;
use enforcer_common::layout::{AddressGrant, Deadline, NameEntry, NameKey};
use enforcer_common::tls::{
    Grant, GrantValidity, NamePolicy, NewBytes, ParserScratch, Progress, RECORDED_BYTES, Segment,
    SentBytes,
};
use enforcer_common::{Decision, Reason};

use super::scratch;
use crate::maps::NAMES;
use crate::policy_maps::{self, halves};
use crate::trace::{self, Step};

/// Access to a packet of a connection.
pub(crate) trait Payload {
    /// `len` bytes, 1 to 8, the first one lowest and the rest zero.
    fn word(&self, offset: u32, len: u32) -> Option<u64>;

    /// Copies `len` bytes from packet offset `offset` to `place`.
    ///
    /// # Safety
    /// `place` is valid for writes of `len` bytes, and any bytes are valid there.
    unsafe fn load_to(&self, place: *mut u8, offset: u32, len: u32) -> Option<()>;

    /// Key of scratch memory, which no packet of another connection has.
    fn scratch_key(&self) -> u64;

    /// Earliest departure time, in nanoseconds of the monotonic clock; 0 if the bytes that are checked cannot change until then.
    fn departure_time(&self) -> u64;

    /// First result of `found` for a scope of exceptions that the packet belongs to.
    fn first_scope<T>(&self, found: impl Fn(u64) -> Option<T>) -> Option<T>;
}

/// The settings in force, which do not depend on the packet.
pub(crate) struct CurrentSettings;

/// A packet to an address that a name allows.
pub(crate) struct Connection<'a, P> {
    pub(super) packet: &'a P,
    pub(super) decision: Decision,
}

impl<'a, P: Payload> Connection<'a, P> {
    /// A packet that `decision` allows for a name.
    #[inline(always)]
    pub(crate) const fn new(packet: &'a P, decision: Decision) -> Self {
        Self { packet, decision }
    }

    #[inline(always)]
    fn current_grant(&self, names: [u32; 2]) -> Option<Grant> {
        let [high, low] = halves(self.decision.destination);
        let names = u64::from(names[0]) << 32 | u64::from(names[1]);
        let for_all = policy_maps::grant_deadline(0, high, low, names);
        if for_all != 0 {
            return Some(Grant {
                cgroup: 0,
                deadline: for_all,
            });
        }
        if self.decision.reason != Reason::ExceptionName {
            return None;
        }
        self.packet.first_scope(|cgroup| {
            let deadline = policy_maps::grant_deadline(cgroup, high, low, names);
            (deadline != 0).then_some(Grant { cgroup, deadline })
        })
    }

    /// Whether server names are not checked at the destination.
    #[inline(always)]
    pub(crate) fn is_unchecked(&self) -> bool {
        self.grant([AddressGrant::ANY_NAME, 0]).is_some()
    }
}

impl GrantValidity for CurrentSettings {
    #[inline(always)]
    fn epoch(&self) -> u64 {
        policy_maps::settings().epoch
    }

    #[inline(always)]
    fn is_ahead(&self, deadline: Deadline) -> bool {
        policy_maps::is_ahead(deadline)
    }
}

impl<P: Payload> GrantValidity for Connection<'_, P> {
    #[inline(always)]
    fn epoch(&self) -> u64 {
        CurrentSettings.epoch()
    }

    #[inline(always)]
    fn is_ahead(&self, deadline: Deadline) -> bool {
        policy_maps::is_ahead(deadline)
    }
}

impl<P: Payload> NamePolicy for Connection<'_, P> {
    #[inline(always)]
    fn entry(&self, key: &NameKey) -> Option<NameEntry> {
        // SAFETY: an entry that changes while it is read is that of one name or of none.
        let entry = unsafe { NAMES.get(key) }.copied();
        trace::step(Step::NameEntry(entry));
        entry
    }

    #[inline(always)]
    fn grant(&self, names: [u32; 2]) -> Option<Grant> {
        let grant = self.current_grant(names);
        trace::step(Step::Grant(names, grant));
        grant
    }

    #[inline(always)]
    fn audits(&self) -> bool {
        policy_maps::audits()
    }
}

impl<P: Payload> Segment for Connection<'_, P> {
    #[inline(always)]
    fn word(&self, offset: u32, len: u32) -> Option<u64> {
        self.packet.word(offset, len)
    }

    #[inline(always)]
    fn load(&self, sent: &mut SentBytes, offset: u32, at: u32, len: u32) -> Option<()> {
        load(self.packet, sent, offset, at, len)
    }

    #[inline(always)]
    fn matches_retransmission(&self, sent: &SentBytes, from: u32, to: u32) -> Option<bool> {
        scratch::matches_retransmission(self.packet.scratch_key(), sent, from, to)
    }

    #[inline(always)]
    fn has_future_departure(&self) -> bool {
        // SAFETY: the helper takes no pointer.
        let now = unsafe { bpf_ktime_get_ns() };
        self.packet.departure_time() > now
    }

    #[inline(always)]
    fn parse(&self, parser: &mut ParserScratch, new: NewBytes<'_>) -> Result<Progress, Reason> {
        // Not a terminal reason: TCP sends the segment again, and it is then checked.
        let key = scratch::claim(self.packet.scratch_key(), parser).ok_or(Reason::NoSynSeen)?;
        let progress = scratch::parse(self, key, new);
        trace::step(Step::ServerName(key));
        scratch::release(key, parser);
        progress
    }
}

/// Copies `len` bytes from packet offset `at` to `sent[offset..]`; `None` past the end of either.
#[inline(always)]
pub(crate) fn load(
    packet: &impl Payload,
    sent: &mut SentBytes,
    offset: u32,
    at: u32,
    len: u32,
) -> Option<()> {
    let [offset, less] = [offset, len.wrapping_sub(1)].map(black_box);
    if offset > SentBytes::LAST || less >= RECORDED_BYTES {
        return None;
    }
    // SAFETY: `SentBytes` has room for `RECORDED_BYTES` from `SentBytes::LAST` on.
    unsafe {
        let target = sent.as_mut_ptr().add(offset as usize);
        packet.load_to(target, at, less.wrapping_add(1))
    }
}
