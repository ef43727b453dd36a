//! Merges static and dynamic sources.

use super::{DynamicSources, Sources};
use crate::azure::endpoints::unique;

impl Sources {
    /// Returns these sources with the names and tags of `dynamic`.
    ///
    /// # Errors
    /// If the service tags are not consistent with the configuration.
    pub(crate) fn with(&self, dynamic: &DynamicSources) -> anyhow::Result<Self> {
        let tags = dynamic.tags(&self.config, &self.given.tags);
        let registries = self.config.registries.iter().zip(self.given.names());
        let endpoints = registries
            .map(|(registry, given)| unique(given.cloned().chain(dynamic.endpoints(registry))));
        let merged = Self {
            endpoints: endpoints.collect(),
            tags,
            ..self.clone()
        };
        merged.check()?;
        Ok(merged)
    }
}
