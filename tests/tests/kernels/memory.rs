//! Kernel memory of all maps together, with the programs of network devices.

use std::collections::BTreeMap;

use anyhow::Result;
use enforcer_common::layout::{DEVICE_EGRESS, DEVICE_INGRESS, SOCKET_OPTIONS_PLAIN};
use lab::bpf::{
    Map, device_programs::DevicePrograms, features::release, loaded_policy::LoadedPolicy,
    possible_processors,
};

use crate::{
    device::{inputs, protected},
    programs::PROGRAMS,
    report::report,
};

/// Bytes of all maps on a machine of [`PROCESSORS`] processors, with a policy and without connections.
const BUDGET: u64 = 8 << 20;
/// The same with every entry in use, memory of the allocator aside.
const FULL: u64 = 26 << 20;
/// First series that reports the memory that a map occupies; those before report what it would occupy with all entries.
const REPORTS_USE: (u32, u32) = (6, 4);
const PROCESSORS: u64 = 2;

#[test]
fn all_maps_together_stay_within_their_budget() -> Result<()> {
    let mut policy = LoadedPolicy::new()?;
    policy.apply(&protected()?, &inputs()?)?;
    let mut devices = DevicePrograms::load(&policy)?;
    devices.load_options(SOCKET_OPTIONS_PLAIN)?;
    let sizes = sizes(&policy)?;
    let all: u64 = sizes.values().map(|(_, bytes)| bytes).sum();
    let (release, series) = release()?;
    let budget = if series < REPORTS_USE { FULL } else { BUDGET };
    report("MAPS", &[&all.to_string(), &budget.to_string()]);
    assert!(all <= budget, "{all} of {budget} on {release}: {sizes:?}");
    Ok(())
}

/// Another enforcer may run on the machine.
#[test]
fn programs_of_other_instances_are_not_measured() -> Result<()> {
    let policy = LoadedPolicy::new()?;
    let own = policy.newest("egress")?.id()?;
    let _other = LoadedPolicy::new()?;
    assert_eq!(policy.newest("egress")?.id()?, own);
    Ok(())
}

/// Name and bytes of each map of a loaded program, inner maps included, by its id.
fn sizes(policy: &LoadedPolicy) -> Result<BTreeMap<u32, (String, u64)>> {
    let mut sizes = BTreeMap::new();
    let devices = [DEVICE_EGRESS, DEVICE_INGRESS, SOCKET_OPTIONS_PLAIN];
    for program in PROGRAMS.into_iter().chain(devices) {
        for map in policy.newest(program)?.maps()? {
            let info = map.info()?;
            let inner = if info.has_inner_maps() {
                size(&map.inner()?)?
            } else {
                0
            };
            sizes.insert(info.id, (info.name, size(&map)? + inner));
        }
    }
    Ok(sizes)
}

/// Bytes of a map on a machine of [`PROCESSORS`] processors.
fn size(map: &Map) -> Result<u64> {
    let bytes = map.memory()?;
    if !map.info()?.is_per_processor() {
        return Ok(bytes);
    }
    let processors = u64::try_from(possible_processors()?)?;
    Ok(bytes * PROCESSORS / processors)
}
