//! Exact counts under floods of denials.

use std::net::Ipv4Addr;

use anyhow::Result;
use enforcer::bpf::Counted;
use enforcer_common::layout::{REPORT_BURST, SuppressedKey};
use lab::bpf::loaded_policy;

use crate::{
    events::{drain, fixture, reader, runtime},
    fixture::{EPERM, Fixture, Probe},
};

/// Much more than a cgroup's report burst.
const MANY: u32 = 4_000;
const _: () = assert!(MANY as u64 > 8 * REPORT_BURST);
/// Number of cgroups whose reports together overflow the ring buffer.
const CGROUPS: usize = 14;

/// Returns probes that send datagrams to distinct storage addresses.
fn datagrams(numbers: std::ops::Range<u32>) -> Vec<Probe> {
    let to = |number: u32| {
        let [_, _, high, low] = number.to_be_bytes();
        Probe::plain("udp-sendto", Ipv4Addr::new(20, 38, high, low).into())
    };
    numbers.map(to).collect()
}

/// Takes the kernel's counts so far.
fn taken(fixture: &mut Fixture) -> Result<Counted> {
    Ok(fixture.loaded.kernel.maps.take_counted(u32::MAX)?)
}

fn denials(counted: &Counted) -> (u64, u64) {
    let deduplicated = counted.deduplicated.iter().map(|(_, entry)| entry.denials);
    let suppressed = counted.suppressed.iter().map(|(_, denials)| *denials);
    (deduplicated.sum(), suppressed.sum())
}

#[test]
fn a_flood_from_one_cgroup_is_counted_exactly_and_masks_no_event_of_another() -> Result<()> {
    let mut fixture = fixture(false)?;
    let runtime = runtime()?;
    let mut reader = reader(&runtime, &fixture)?;
    let other = fixture.device.child("other")?;
    let flooded = fixture.run(&fixture.device, &datagrams(0..MANY))?;
    assert!(flooded.iter().all(|outcome| outcome.errno == EPERM));
    fixture.run(&other, &datagrams(0..1))?;

    let events = drain(&runtime, &mut reader)?;
    let other = loaded_policy::open(&other)?.id;
    assert_eq!(
        events.iter().filter(|event| event.cgroup == other).count(),
        1
    );
    let reported = events.len() as u64;
    assert!(
        reported > REPORT_BURST && reported < 3 * REPORT_BURST,
        "{reported}"
    );
    let device = loaded_policy::open(&fixture.device)?.id;
    let counted = taken(&mut fixture)?;
    let is_of_device = |(key, _): &(SuppressedKey, u64)| (key.cgroup, key.audited) == (device, 0);
    assert!(counted.suppressed.iter().all(is_of_device), "{counted:?}");
    let (deduplicated, suppressed) = denials(&counted);
    assert_eq!(
        (deduplicated, deduplicated + suppressed),
        (reported, u64::from(MANY) + 1)
    );
    let counters = fixture.loaded.counters()?;
    assert_eq!(
        (counters.suppressed_events, counters.lost_events),
        (suppressed, 0)
    );
    assert_eq!(counters.denied(), u64::from(MANY) + 1);
    Ok(())
}

#[test]
fn a_full_ring_buffer_changes_no_verdict_and_loses_no_count() -> Result<()> {
    let mut fixture = fixture(false)?;
    let burst = u32::try_from(REPORT_BURST)?;
    for number in 0..CGROUPS {
        let cgroup = fixture.device.child(&format!("flood{number}"))?;
        let outcomes = fixture.run(&cgroup, &datagrams(0..burst))?;
        assert!(outcomes.iter().all(|outcome| outcome.errno == EPERM));
    }
    let lost = fixture.loaded.counters()?.lost_events;
    assert!(lost > 0);
    let allowed = Probe::plain("udp-sendto", "192.0.2.80".parse()?);
    let allowed = fixture.run(&fixture.device, &[allowed])?;
    assert_eq!(allowed[0].errno, None);

    let runtime = runtime()?;
    let mut reader = reader(&runtime, &fixture)?;
    let reported = drain(&runtime, &mut reader)?.len() as u64;
    let (deduplicated, suppressed) = denials(&taken(&mut fixture)?);
    assert_eq!((reported + lost, suppressed), (deduplicated, 0));
    assert_eq!(deduplicated, CGROUPS as u64 * REPORT_BURST);
    fixture.run(&fixture.device, &datagrams(0..1))?;
    let next = drain(&runtime, &mut reader)?;
    assert_eq!(next.len(), 1, "with free space, denials are reported again");
    Ok(())
}
