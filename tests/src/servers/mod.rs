//! The servers of the cloud, each a real program, and the stub resolver of the device.

pub mod azurite;
pub mod certificates;
pub mod dns;
pub mod image;
pub mod nginx;
pub mod registry;
pub mod stub_resolver;
pub mod token_registry;
