//! DNS observations: records for the daemon.

use aya_ebpf::helpers::bpf_ktime_get_boot_ns;
use enforcer_common::layout::NAME_BYTES;
use enforcer_common::{Address, DnsObservation, NamedDnsObservation, ObservationOutcome};

use super::scratch::scratch;
use crate::copy::copy_words;
use crate::maps::{DnsScratch, EVENTS};
use crate::policy_maps::joined;

/// Reports the outcome of the message in scratch `slot` to the daemon.
#[inline(always)]
pub(crate) fn report(slot: u32, outcome: ObservationOutcome, ttl: u32, high: u64, low: u64) {
    match outcome {
        ObservationOutcome::Allowed => report_allowed(slot, ttl, high, low),
        ObservationOutcome::Unusable | ObservationOutcome::Unchecked | ObservationOutcome::Full => {
            report_to_query(slot, outcome as u32, ttl, high, low)
        }
    };
}

#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn report_allowed(slot: u32, ttl: u32, high: u64, low: u64) -> u32 {
    if let Some(scratch) = scratch(slot) {
        let observation = observation(
            scratch,
            ObservationOutcome::Allowed as u32,
            ttl,
            joined(high, low),
        );
        let _may_fail = EVENTS.output_untyped(&observation, 0);
    }
    0
}

/// Reports with the queried name, so that the daemon can query it.
#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn report_to_query(slot: u32, outcome: u32, ttl: u32, high: u64, low: u64) -> u32 {
    let Some(scratch) = scratch(slot) else {
        return 0;
    };
    let Some(mut record) = EVENTS.reserve_untyped::<NamedDnsObservation>(0) else {
        return 0;
    };
    let observation = observation(scratch, outcome, ttl, joined(high, low));
    let target = record.as_mut_ptr();
    // SAFETY: the program owns the record until it submits it, and both parts of it are written; cells have the layout of their
    // contents, and nothing writes the key meanwhile.
    unsafe {
        (&raw mut (*target).observation).write(observation);
        copy_words(
            scratch.reading.key().as_ptr().cast(),
            (&raw mut (*target).name).cast(),
            NAME_BYTES / 8,
        );
    }
    record.submit(0);
    0
}

#[inline(always)]
fn observation(scratch: &DnsScratch, outcome: u32, ttl: u32, address: Address) -> DnsObservation {
    DnsObservation {
        // SAFETY: the helper takes no pointer.
        time: unsafe { bpf_ktime_get_boot_ns() },
        cgroup: scratch.cgroup.get(),
        address: address.key(),
        name: scratch.entry.get().id,
        ttl,
        outcome,
        reserved: 0,
    }
}
