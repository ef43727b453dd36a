//! What files say and what was found since, as one.

use super::Sources;
use crate::azure::TagSnapshot;
use crate::azure::endpoints::{Endpoint, unique};
use crate::config::{Config, Registry};

/// What sources besides files said last.
pub(in crate::daemon) trait Found {
    /// Their names of `registry`, as far as its configuration calls for them.
    fn endpoints(&self, registry: &Registry) -> Vec<Endpoint>;

    /// The service tags that are in force where the files' are `given`.
    fn tags(&self, config: &Config, given: &TagSnapshot) -> TagSnapshot;
}

impl Sources {
    /// These sources with what was `found`.
    ///
    /// # Errors
    /// Where other service tags do not go together with the configuration.
    pub(in crate::daemon) fn with(&self, found: &impl Found) -> anyhow::Result<Self> {
        let tags = found.tags(&self.config, &self.given.tags);
        let registries = self.config.registries.iter().zip(self.given.names());
        let endpoints = registries
            .map(|(registry, given)| unique(given.cloned().chain(found.endpoints(registry))));
        let merged = Self {
            endpoints: endpoints.collect(),
            tags,
            ..self.clone()
        };
        merged.check()?;
        Ok(merged)
    }
}
