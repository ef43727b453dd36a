//! What the daemon tells: snapshots, events and metrics over a socket that takes no orders.

mod snapshot;

pub use snapshot::{
    AddressStatus, Alarm, EventRecord, ExceptionStatus, NameStatus, RegistryStatus, Status,
    TagsStatus,
};

/// T.
#[derive(Default)]
pub struct EventLog;
impl EventLog {
    /// T.
    pub fn push(&self, _r: EventRecord) {}
}
/// T.
pub struct Identify;
impl Identify {
    /// T.
    pub fn new(_p: std::path::PathBuf) -> Self {
        Self
    }
    /// T.
    pub fn describe(
        &mut self,
        _e: &enforcer_common::Event,
        _n: impl Fn(std::net::IpAddr) -> Vec<crate::name::Name>,
    ) -> EventRecord {
        todo!()
    }
}
/// T.
pub trait Source {
    /// T.
    fn status(&self) -> Status;
    /// T.
    fn events(&self) -> std::sync::Arc<EventLog>;
}
/// T.
pub struct Server;
impl Server {
    /// T.
    pub fn bind(_p: &std::path::Path) -> Result<Self, std::io::Error> {
        Ok(Self)
    }
    /// T.
    pub async fn serve(self, _s: impl Source + 'static) {}
}
/// T.
pub fn socket_path(p: &std::path::Path) -> std::path::PathBuf {
    p.join("control.sock")
}
