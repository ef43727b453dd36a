//! The control socket: snapshots, events and metrics, read-only.

pub mod client;
mod error;
mod metrics;
pub mod server;
#[cfg(test)]
mod tests;

use std::path::{Path, PathBuf};

pub use crate::core::{EventRecord, NameStatus, Status};

pub use error::ControlError;
pub use metrics::{metrics, prometheus_text};
pub use server::{serve, serve_metrics};

/// Members of this group may connect to the control socket.
pub const GROUP: &str = "egress-enforcer";

/// Returns the path of the control socket in `runtime_dir` (`paths.runtime`).
pub fn socket_path(runtime_dir: &Path) -> PathBuf {
    runtime_dir.join("control.sock")
}
