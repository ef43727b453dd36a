//! Azure: service tags and the bundle of them in the binary, endpoint names of registries, and the clients of Azure's APIs.

pub mod bundle;
pub mod endpoints;
pub mod identity;
mod json_problem;
mod pinned_addresses;
pub mod poll_schedule;
mod prefixes;
pub mod regions;
pub mod resource_manager;
pub mod tags;
#[cfg(test)]
pub(crate) mod test_data;
mod trailing_commas;

pub use pinned_addresses::PinnedAddresses;
pub use prefixes::PrefixSet;
pub use tags::{TagError, TagOrigin, TagSnapshot, configured_tags, required_tags};
