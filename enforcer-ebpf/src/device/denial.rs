//! Reports denials of frames. What a report shows of the frame is kept in this CPU's memory until then, as the stack of the program has no room left.

use aya_ebpf::programs::SkBuffContext;
use enforcer_common::layout::{COUNTER_LOST, NAME_BYTES, digest};
use enforcer_common::tls::FlowState;
use enforcer_common::{Address, Decision, Event, Flow, Hook, NamedEvent, Reason};

use super::flow_store;
use super::frame::Frame;
use super::maps::DenialDetails;
use crate::copy::copy_words;
use crate::maps::EVENTS;
use crate::policy_maps::{halves, joined};
use crate::report::counters::count;
use crate::report::dedup::{FROM_SOURCE, NOT_REPORTED, report_window};
use crate::report::denied::denied;
use crate::report::{owner, write_event};

/// Keeps the server name of a connection for the report of a denial for `reason`, which it returns.
#[inline(always)]
pub(super) fn note_name(flow: &FlowState, reason: Reason) -> Reason {
    if let Some(name) = flow.name_for(reason)
        && let Some(scratch) = flow_store::scratch()
    {
        let details = &mut scratch.denial;
        let words = details.name.as_mut_ptr();
        // SAFETY: both are whole keys, which are aligned as words are.
        unsafe { copy_words(name.as_ptr().cast(), words, NAME_BYTES / 8) };
        details.has_name = 1;
    }
    reason
}

/// Keeps the source address of a denied frame, if no socket shows who sends it.
#[inline(always)]
pub(super) fn note_source(frame: &Frame<'_>) {
    if frame.packet().socket().is_none()
        && let Some(source) = frame.source()
        && let Some(scratch) = flow_store::scratch()
    {
        scratch.denial.source = halves(source).map(u64::to_be);
        scratch.denial.has_source = 1;
    }
}

/// Discards what was kept of a frame that passes unreported.
#[inline(always)]
pub(super) fn discard() {
    if let Some(scratch) = flow_store::scratch() {
        forget(&mut scratch.denial);
    }
}

#[inline(always)]
const fn forget(details: &mut DenialDetails) {
    details.has_source = 0;
    details.has_name = 0;
}

/// Counts and reports a denial at the device with this index.
#[inline(always)]
pub(super) fn report(
    context: &SkBuffContext,
    flow: Flow,
    decision: Decision,
    device: u32,
    audited: bool,
) {
    let packet = denied(context, flow, decision, Hook::Device, device, audited);
    let [high, low] = halves(decision.destination);
    report_frame(packet.facts, packet.cgroup, packet.cookie, high, low);
}

/// Reports the denial of a frame with what was kept of it. Exported for the verifier: see [`crate::policy_maps`].
#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn report_frame(facts: u64, cgroup: u64, cookie: u64, high: u64, low: u64) -> u32 {
    let Some(scratch) = flow_store::scratch() else {
        return 0;
    };
    let details = &mut scratch.denial;
    let name = name_digest(details);
    let (flag, who) = match details.has_source {
        0 => (0, owner(cookie).pid),
        _ => (FROM_SOURCE, digest(details.source.into_iter())),
    };
    let who = u64::from(name) << 32 | u64::from(who);
    let window = report_window(facts | flag, cgroup, high, low, who);
    if window != NOT_REPORTED {
        let written = Written {
            facts,
            cgroup,
            cookie,
            destination: joined(high, low),
            window,
            name,
        };
        let is_sent = if name == 0 {
            written.send(details)
        } else {
            written.send_named(details)
        };
        if is_sent.is_none() {
            count(COUNTER_LOST);
        }
    }
    forget(details);
    0
}

/// Digest of the server name; 0 without one.
#[inline(always)]
fn name_digest(details: &DenialDetails) -> u32 {
    if details.has_name == 0 {
        return 0;
    }
    let words = details.name.as_ptr();
    // SAFETY: within the name.
    digest((0..NAME_BYTES / 8).map(|word| unsafe { words.add(word).read() }))
}

/// What an event contains.
struct Written {
    facts: u64,
    cgroup: u64,
    cookie: u64,
    destination: Address,
    window: u64,
    name: u32,
}

impl Written {
    /// Sends the event; `None` if the ring buffer is full.
    #[inline(always)]
    fn send(&self, details: &DenialDetails) -> Option<()> {
        let mut record = EVENTS.reserve_untyped::<Event>(0)?;
        // SAFETY: the program owns the record until it submits it.
        unsafe { self.write(record.as_mut_ptr(), details) };
        record.submit(0);
        Some(())
    }

    #[inline(always)]
    fn send_named(&self, details: &DenialDetails) -> Option<()> {
        let mut record = EVENTS.reserve_untyped::<NamedEvent>(0)?;
        let place = record.as_mut_ptr();
        // SAFETY: the program owns the record until it submits it, and both parts of it are written.
        unsafe {
            self.write(&raw mut (*place).event, details);
            let name = (&raw mut (*place).name).cast();
            copy_words(details.name.as_ptr(), name, NAME_BYTES / 8);
        }
        record.submit(0);
        Some(())
    }

    /// # Safety
    /// `place` is valid for writes.
    #[inline(always)]
    unsafe fn write(&self, place: *mut Event, details: &DenialDetails) {
        let owner = owner(self.cookie);
        // SAFETY: as the caller promises; every field is written.
        unsafe {
            write_event(
                place,
                self.facts,
                self.cgroup,
                owner,
                self.destination,
                self.window,
                self.name,
            );
        }
        if details.has_source != 0 {
            // SAFETY: as above.
            unsafe {
                copy_words(
                    details.source.as_ptr(),
                    (&raw mut (*place).source).cast(),
                    2,
                )
            };
        }
    }
}
