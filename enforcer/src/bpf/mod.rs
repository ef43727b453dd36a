//! The kernel programs: loading, attaching, pinning, their maps and events. No other module names aya.

mod apply;
mod attach;
mod counters;
mod device;
mod dns_addresses;
mod dns_sockets;
mod events;
mod exclusive;
mod explain;
mod grants;
mod handover;
mod link;
mod links;
mod live_policy;
mod map_of_maps;
mod maps;
mod named_grants;
mod object;
mod pin_watch;
mod pins;
mod program_tags;
mod share;
mod syscall;

pub(crate) use device::{
    DevicePrograms, OptionsGuard, OwnFilters, filtered_devices, rehearse_filters,
    remove_option_links,
};
pub use events::{Counted, EventReader};
pub use exclusive::{ExclusiveProgram, exclusive_programs};
pub(crate) use explain::client_hello;
pub use explain::{Step, TRACE_OBJECT, TestRun, TestRunVerdict, TraceProgram};
pub(crate) use grants::{Grant, Grants};
pub use links::{Lifetime, LinkReader, Links, Undone};
pub use live_policy::LivePolicy;
pub use maps::Maps;
pub(crate) use named_grants::{GrantedBy, NamedGrant, NamedGrants};
pub(crate) use object::FLOOR;
pub use object::{DEVICE_OBJECT, Kernel, OBJECT};
pub use pin_watch::PinWatch;
pub(crate) use pins::BPFFS;
pub use pins::{PinLock, Pins, mount_bpffs};
#[cfg(test)]
pub(crate) use program_tags::AttachedProgram;
pub(crate) use program_tags::ComparedProgram;
