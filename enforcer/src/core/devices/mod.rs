//! Filters at network devices: which device has them, and their repair.

mod choice;
mod follow;
mod forwarding;
mod found;
mod options;
mod repair;
mod report;
mod status;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::time::Duration;

use enforcer_common::layout::DeviceMode;

use jiff::Timestamp;

pub(crate) use self::choice::{Choice, choose};
pub(crate) use self::found::{DevicePlan, ForwardedModes, FoundDevice, FoundFilter, FoundFilters};

/// The network devices at the last listing.
#[derive(Debug, Default)]
pub(super) struct Devices {
    programs: Programs,
    options: Options,
    /// The modes of forwarded frames that were asked for last.
    forwarded: Option<ForwardedModes>,
    /// Why the devices could not be listed.
    unlisted: Option<String>,
    found: Vec<FoundDevice>,
    /// The devices whose filters were attached or tried, by interface index.
    filtered: BTreeMap<u32, Filtered>,
}

/// Whether the programs of network devices are loaded.
#[derive(Debug, Default)]
enum Programs {
    #[default]
    NotLoaded,
    Loading,
    Loaded,
    Failed(String),
}

/// What this run did at a device.
#[derive(Debug, Default)]
struct Filtered {
    name: String,
    /// What was put in force last, as acknowledged.
    plan: Option<DevicePlan>,
    /// When filters were last attached, since the start.
    attached: Option<Duration>,
    /// When those that another program removed were last restored.
    restored: Option<Timestamp>,
    /// Why that failed.
    failure: Option<String>,
}

/// What is known of the programs that refuse socket options.
#[derive(Debug, Default)]
struct Options {
    /// What was asked for last; `None`: nothing yet in this run.
    asked: Option<Option<DeviceMode>>,
    /// Why that failed.
    failure: Option<String>,
}
