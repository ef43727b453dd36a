//! Which filters are to be attached or removed, and what was found of them.

use std::collections::BTreeMap;
use std::time::Duration;

use enforcer_common::layout::Arrivals;

use super::forwarding::outside;
use super::options::mode;
use super::{Choice, DevicePlan, Devices, FoundDevice, FoundFilters, choose};
use crate::config::Frames;

/// Minimum interval between two repairs of one device's filters: another program may remove them again and again.
const REPAIR_INTERVAL: Duration = Duration::from_secs(1);

impl Devices {
    /// Returns the filters that devices are to have, by interface index.
    pub(super) fn wanted(&self, frames: &Frames) -> BTreeMap<u32, DevicePlan> {
        let Some(mode) = mode(frames) else {
            return BTreeMap::new();
        };
        let outside = outside(&self.found);
        let plan = |found: &FoundDevice| {
            let choice = choose(frames, found);
            let Choice::Filter(header) = choice else {
                return None;
            };
            let plan = DevicePlan {
                index: found.index,
                name: found.name.clone(),
                header,
                mode,
                arrivals: if outside.contains(&found.index) {
                    Arrivals::Outside
                } else {
                    Arrivals::Any
                },
            };
            Some((found.index, plan))
        };
        self.found.iter().filter_map(plan).collect()
    }

    /// Returns the devices that have filters of this instance, or had them until they went, and are not `wanted`.
    pub(super) fn unwanted(&self, wanted: &BTreeMap<u32, DevicePlan>) -> BTreeMap<u32, String> {
        let found = self.found.iter().filter(|found| found.filters.are_any());
        let found = found.map(|found| (found.index, found.name.clone()));
        let filtered = self.filtered.iter();
        let known = filtered.map(|(index, known)| (*index, known.name.clone()));
        let mut unwanted: BTreeMap<_, _> = known.chain(found).collect();
        unwanted.retain(|index, _| !wanted.contains_key(index));
        unwanted
    }

    fn find(&self, index: u32) -> Option<&FoundDevice> {
        self.found.iter().find(|found| found.index == index)
    }

    /// Returns whether the filters of `plan` are to be attached at `now`.
    pub(super) fn is_due(&self, plan: &DevicePlan, now: Duration) -> bool {
        let Some(known) = self.filtered.get(&plan.index) else {
            return true;
        };
        let is_other = known
            .plan
            .as_ref()
            .is_none_or(|in_force| !in_force.judges_like(plan));
        let is_current = self
            .find(plan.index)
            .is_some_and(|found| found.filters.are_current());
        let rested = known
            .attached
            .is_none_or(|attached| now.saturating_sub(attached) >= REPAIR_INTERVAL);
        // Also with filters in force: what belongs to them may have failed.
        let failed = known.failure.is_some();
        is_other || ((!is_current || failed) && rested)
    }

    /// Returns whether a device's filters failed, or were changed by another program.
    pub(super) fn is_pending(&self, found: &FoundDevice) -> bool {
        let known = self.filtered.get(&found.index);
        known.is_some_and(|known| known.failure.is_some() || !found.filters.are_current())
    }

    /// Notes attached filters; returns what happened to those that were in force before, if another program removed them.
    pub(super) fn take_filters(
        &mut self,
        plan: DevicePlan,
        filters: FoundFilters,
        now: Duration,
    ) -> Option<String> {
        let index = plan.index;
        let judged = self.find(index).is_some_and(|found| found.filters.judge());
        let known = self.filtered.entry(index).or_default();
        let was_in_force = known.plan.is_some() && known.failure.is_none();
        let lost = (was_in_force && !judged).then(|| {
            format!(
                "a filter of the network device {} was removed or replaced: attached again",
                plan.name
            )
        });
        known.plan = Some(plan);
        known.attached = Some(now);
        known.failure = None;
        if let Some(found) = self.found.iter_mut().find(|found| found.index == index) {
            found.filters = filters;
        }
        lost
    }

    pub(super) fn without_filters(&mut self, index: u32) {
        self.filtered.remove(&index);
        if let Some(found) = self.found.iter_mut().find(|found| found.index == index) {
            found.filters = FoundFilters::NONE;
        }
    }

    pub(super) fn forget(&mut self, index: u32) {
        self.found.retain(|found| found.index != index);
    }
}
