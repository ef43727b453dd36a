//! What files say and what was found since, as one.

use super::Sources;
use crate::azure::TagSnapshot;
use crate::azure::endpoints::{Endpoint, unique};
use crate::name::Name;

/// What sources besides files said last.
pub(in crate::daemon) trait Found {
    /// Their names of the registry behind `login_server`.
    fn endpoints(&self, login_server: &Name) -> Vec<Endpoint>;

    /// The service tags that are in force where the files' are `given`.
    ///
    /// # Errors
    /// Where what was found contradicts them.
    fn tags(&self, given: &TagSnapshot) -> anyhow::Result<TagSnapshot>;
}

impl Sources {
    /// These sources with what was `found`.
    ///
    /// # Errors
    /// Where other service tags do not go together with the configuration.
    pub(in crate::daemon) fn with(&self, found: &impl Found) -> anyhow::Result<Self> {
        let tags = found.tags(&self.given.tags)?;
        let registries = self.config.registries.iter().zip(self.given.names());
        let endpoints = registries.map(|(registry, given)| {
            unique(
                given
                    .cloned()
                    .chain(found.endpoints(&registry.login_server)),
            )
        });
        let merged = Self {
            endpoints: endpoints.collect(),
            tags,
            ..self.clone()
        };
        merged.check()?;
        Ok(merged)
    }
}
