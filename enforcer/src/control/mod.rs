//! What the daemon tells: snapshots, events and metrics over a socket that takes no orders.

mod snapshot;

pub use snapshot::{
    AddressStatus, Alarm, EventRecord, ExceptionStatus, NameStatus, RegistryStatus, Status,
    TagsStatus,
};
