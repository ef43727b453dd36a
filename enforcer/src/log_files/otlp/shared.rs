//! What the thread and its owner share.

use std::sync::atomic::AtomicU64;

use tokio::sync::Notify;

/// What the thread and its owner share.
#[derive(Default)]
pub(super) struct Shared {
    /// Wakes a thread that waits before it tries again.
    pub(super) ended: Notify,
    /// Denials and notes that found no room to wait.
    pub(super) dropped: AtomicU64,
}
