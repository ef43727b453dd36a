//! What the daemon tells: snapshots, events and metrics over a socket that takes no orders.

pub mod client;
mod error;
pub mod event_kinds;
mod event_log;
pub mod identity;
mod metrics;
mod sentence;
pub mod server;
mod snapshot;
#[cfg(test)]
mod test_data;
#[cfg(test)]
mod tests;

use std::path::{Path, PathBuf};

pub use error::ControlError;
pub use event_log::EventLog;
pub use metrics::metrics;
pub use snapshot::{
    AddressStatus, Alarm, EventRecord, ExceptionStatus, NameStatus, PatternStatus, RegistryStatus,
    SourceStatus, Status, TagsChange, TagsStatus,
};

/// Members of this group may ask the daemon.
pub const GROUP: &str = "egress-enforcer";

/// The control socket in the directory that `paths.runtime` names.
pub fn socket_path(runtime_dir: &Path) -> PathBuf {
    runtime_dir.join("control.sock")
}
