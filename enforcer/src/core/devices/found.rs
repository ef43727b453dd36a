//! Devices and filters as the shell finds them, and what it is to do.

use std::collections::BTreeMap;

use enforcer_common::layout::{Arrivals, DeviceMode, ForwardedMode, LinkHeader};

/// A network device with this instance's filters.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct FoundDevice {
    /// The interface index.
    pub(crate) index: u32,
    /// The name.
    pub(crate) name: String,
    /// The type of its link-layer header: `ARPHRD_*` of linux/if_arp.h.
    pub(crate) link_type: u16,
    /// Whether it is the loopback device.
    pub(crate) is_loopback: bool,
    /// Whether it belongs to a bond or team, which sends by one of its devices and receives by another.
    pub(crate) is_bonded: bool,
    /// Whether it is a network card.
    pub(crate) is_card: bool,
    /// The kind of a virtual device ("veth", "bridge", "vlan").
    pub(crate) kind: Option<String>,
    /// The index of the bridge or bond that it belongs to.
    pub(crate) master: Option<u32>,
    /// The index of the device below it, in the same network namespace.
    pub(crate) lower: Option<u32>,
    /// The filters.
    pub(crate) filters: FoundFilters,
}

/// This instance's filters at a device.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct FoundFilters {
    /// Those of packets that the device sends.
    pub(crate) egress: FoundFilter,
    /// Those of packets that the device received.
    pub(crate) ingress: FoundFilter,
}

/// This instance's filters at one place of a device.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum FoundFilter {
    /// There is none.
    Missing,
    /// There are others than one with the program of this start.
    Outdated,
    /// It runs after filters of others, which it would precede if it were attached again.
    Displaced,
    /// It has the program of this start, and runs after these filters of others.
    Current(Vec<String>),
}

/// The filters that a device is to have.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct DevicePlan {
    /// The interface index.
    pub(crate) index: u32,
    /// The name.
    pub(crate) name: String,
    /// What precedes the network header of its frames.
    pub(crate) header: LinkHeader,
    /// What happens to denied frames.
    pub(crate) mode: DeviceMode,
    /// What comes in by it.
    pub(crate) arrivals: Arrivals,
}

impl DevicePlan {
    /// Returns whether the programs do the same under both plans; the device may have another name.
    pub(super) fn judges_like(&self, other: &Self) -> bool {
        let read = |plan: &Self| (plan.header, plan.mode, plan.arrivals);
        read(self) == read(other)
    }
}

/// What becomes of denied frames, by the device that they came in by; enforced for all others.
pub(crate) type ForwardedModes = BTreeMap<u32, ForwardedMode>;

impl FoundFilters {
    /// None at either place.
    pub(super) const NONE: Self = Self {
        egress: FoundFilter::Missing,
        ingress: FoundFilter::Missing,
    };

    /// Returns the filters at both places.
    pub(crate) const fn both(&self) -> [&FoundFilter; 2] {
        [&self.egress, &self.ingress]
    }

    /// Returns whether there is any filter of this instance.
    pub(crate) fn are_any(&self) -> bool {
        self.both()
            .iter()
            .any(|found| **found != FoundFilter::Missing)
    }

    /// Returns whether the program of this start judges at both places.
    pub(super) fn judge(&self) -> bool {
        self.both().iter().all(|found| match found {
            FoundFilter::Missing | FoundFilter::Outdated => false,
            FoundFilter::Displaced | FoundFilter::Current(_) => true,
        })
    }

    /// Returns whether attaching the filters again would change nothing.
    pub(super) fn are_current(&self) -> bool {
        let is_current = |found: &&FoundFilter| matches!(found, FoundFilter::Current(_));
        self.both().iter().all(is_current)
    }

    /// Returns the filters of others that run before this instance's, each once.
    pub(super) fn before(&self) -> Vec<String> {
        let mut before = Vec::new();
        for found in self.both() {
            if let FoundFilter::Current(others) = found {
                before.extend(others.iter().cloned());
            }
        }
        before.sort_unstable();
        before.dedup();
        before
    }
}
