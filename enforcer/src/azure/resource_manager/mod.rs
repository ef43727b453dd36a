//! Clients of Azure over HTTPS: names of registries and service tags.
//!
//! Azure Resource Manager: `Registries - Get` of `Microsoft.ContainerRegistry`, and `Service Tags - List` of `Microsoft.Network`.
//! The clients neither resolve names nor keep what they fetched; a failure is one line and changes nothing.

mod client;
mod error;
mod registry;
mod service_tags;
mod tags_file;
#[cfg(test)]
mod tests;

pub use self::client::AzureClient;
pub use self::error::{FetchError, FetchProblem, FetchTarget};
pub use self::tags_file::{FetchedTags, Validator};
