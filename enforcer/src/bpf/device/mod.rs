//! The programs of network devices: loading them, and attaching them as filters. Filters belong to their device and outlive the daemon; each instance knows
//! its own by their handles.

mod attach;
mod connections;
mod delete;
mod filtered;
mod lsm;
mod object;
mod options;
mod order;
mod own;
mod place;
mod rehearse;
mod tcx;

pub(crate) use filtered::filtered_devices;
pub(crate) use object::DevicePrograms;
pub(crate) use options::{OptionsGuard, remove_option_links};
pub(crate) use own::OwnFilters;
pub(crate) use rehearse::rehearse_filters;
