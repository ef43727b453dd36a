use std::collections::BTreeMap;
use std::time::Duration;

use enforcer_common::layout::{Arrivals, DeviceMode, LinkHeader};

use super::{DevicePlan, Devices, FoundDevice, FoundFilter, FoundFilters};
use crate::config::{Frames, parse};

const SECOND: Duration = Duration::from_secs(1);

fn frames(keys: &str) -> Frames {
    let text = format!("registry = []\n[frames]\n{keys}\n");
    parse(&text, "/etc/x.toml".as_ref()).unwrap().frames
}

fn filters(both: &FoundFilter) -> FoundFilters {
    FoundFilters {
        egress: both.clone(),
        ingress: both.clone(),
    }
}

fn current() -> FoundFilters {
    filters(&FoundFilter::Current(Vec::new()))
}

fn device(index: u32, name: &str, found: &FoundFilter) -> FoundDevice {
    FoundDevice {
        index,
        name: name.to_owned(),
        link_type: libc::ARPHRD_ETHER,
        is_loopback: false,
        is_bonded: false,
        is_card: false,
        kind: None,
        master: None,
        lower: None,
        filters: filters(found),
    }
}

fn plan(index: u32, mode: DeviceMode) -> DevicePlan {
    DevicePlan {
        index,
        name: "eth0".to_owned(),
        header: LinkHeader::Ethernet,
        mode,
        arrivals: Arrivals::Any,
    }
}

/// Devices of which `eth0` has the filters of this start since the first second.
fn filtered() -> Devices {
    let mut devices = Devices {
        found: vec![device(2, "eth0", &FoundFilter::Missing)],
        ..Devices::default()
    };
    let lost = devices.take_filters(plan(2, DeviceMode::Enforce), current(), SECOND);
    assert_eq!(lost, None, "it had no filter before");
    devices
}

#[test]
fn named_devices_are_wanted_unless_frames_are_off() {
    let devices = Devices {
        found: vec![
            device(2, "eth0", &FoundFilter::Missing),
            device(3, "veth0", &FoundFilter::Outdated),
        ],
        ..Devices::default()
    };
    let wanted = |keys: &str| devices.wanted(&frames(keys));
    assert!(wanted("mode = \"off\"").is_empty());
    assert_eq!(wanted("mode = \"on\"").len(), 2);
    let audited = wanted("mode = \"audit\"\ninterfaces = [\"eth*\"]");
    assert_eq!(audited.len(), 1);
    assert_eq!(audited[&2].mode, DeviceMode::Audit);
    // What an earlier start left goes.
    let unwanted = devices.unwanted(&audited);
    assert_eq!(unwanted.into_keys().collect::<Vec<_>>(), [3]);
    assert_eq!(devices.unwanted(&wanted("mode = \"off\"")).len(), 1);
}

#[test]
fn filters_are_attached_once_and_again_if_they_or_the_mode_change() {
    let mut devices = filtered();
    let enforce = plan(2, DeviceMode::Enforce);
    let later = 10 * SECOND;
    assert!(!devices.is_due(&enforce, later));
    assert!(devices.is_due(&plan(2, DeviceMode::Audit), later));
    assert!(devices.is_due(&plan(3, DeviceMode::Enforce), later));
    for found in [
        FoundFilter::Missing,
        FoundFilter::Outdated,
        FoundFilter::Displaced,
    ] {
        devices.found[0].filters.egress = found;
        assert!(devices.is_due(&enforce, later));
        assert!(devices.is_pending(&devices.found[0]));
    }
}

#[test]
fn another_program_causes_one_repair_a_second_at_most() {
    let mut devices = filtered();
    devices.found[0].filters.egress = FoundFilter::Missing;
    let enforce = plan(2, DeviceMode::Enforce);
    assert!(!devices.is_due(&enforce, SECOND + SECOND / 2));
    assert!(devices.is_due(&enforce, 2 * SECOND));
}

#[test]
fn what_failed_is_tried_again_also_where_the_filters_are_in_force() {
    let mut devices = filtered();
    devices.found[0].filters = current();
    let enforce = plan(2, DeviceMode::Enforce);
    assert!(!devices.is_due(&enforce, 10 * SECOND));
    let known = devices.filtered.get_mut(&2).unwrap();
    known.failure = Some("cannot write a map".to_owned());
    assert!(devices.is_due(&enforce, 10 * SECOND));
    assert!(devices.is_pending(&devices.found[0]));
    devices.take_filters(enforce.clone(), current(), 10 * SECOND);
    assert!(!devices.is_due(&enforce, 20 * SECOND));
}

#[test]
fn only_filters_that_were_in_force_and_judge_no_longer_are_lost() {
    let enforce = plan(2, DeviceMode::Enforce);
    for (found, is_lost) in [
        (FoundFilter::Missing, true),
        (FoundFilter::Outdated, true),
        (FoundFilter::Displaced, false),
    ] {
        let mut devices = filtered();
        devices.found[0].filters.egress = found.clone();
        let lost = devices.take_filters(enforce.clone(), current(), 2 * SECOND);
        assert_eq!(lost.is_some(), is_lost, "{found:?}");
        assert!(devices.found[0].filters.are_current());
    }
}

#[test]
fn nothing_is_left_where_nothing_is_wanted() {
    let mut devices = filtered();
    devices
        .found
        .push(device(3, "veth0", &FoundFilter::Outdated));
    devices
        .found
        .push(device(4, "veth1", &FoundFilter::Missing));
    let left = devices.unwanted(&BTreeMap::new());
    assert_eq!(left.into_keys().collect::<Vec<_>>(), [2, 3]);
}

#[test]
fn a_device_that_went_is_unwanted_until_it_is_forgotten() {
    let mut devices = filtered();
    devices.found.clear();
    let on = frames("mode = \"on\"");
    let unwanted = devices.unwanted(&devices.wanted(&on));
    assert_eq!(unwanted.into_keys().collect::<Vec<_>>(), [2]);
    devices.without_filters(2);
    assert!(devices.unwanted(&devices.wanted(&on)).is_empty());
}
