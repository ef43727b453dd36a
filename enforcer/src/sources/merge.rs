//! What files say and what was found since, as one.

use super::{DynamicSources, Sources};
use crate::azure::endpoints::unique;

impl Sources {
    /// These sources with what was `found`.
    ///
    /// # Errors
    /// Where other service tags do not go together with the configuration.
    pub(crate) fn with(&self, found: &DynamicSources) -> anyhow::Result<Self> {
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
