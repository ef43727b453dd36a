//! The section `[discovery]`.

use std::time::Duration;

use serde::Deserialize;

use super::faults::Faults;
use super::value::{DurationKey, Region, Text, poll_interval, values};

/// The section `[discovery]`: the search for replicas in DNS.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Discovery {
    /// Regions besides the known ones, as endpoint names spell them.
    pub regions: Vec<String>,
    /// Interval between two queries for one region.
    pub interval: Duration,
}

/// The search for replicas in DNS, for registries with `regions = "discover"`.
#[derive(Default, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(super) struct RawDiscovery {
    /// Regions besides those that the program and the service tags know.
    #[serde(default)]
    #[cfg_attr(test, schemars(example = ["eastus3"]))]
    regions: Vec<Text<Region>>,
    /// Interval between two queries for one region: 1 second to 7 days.
    #[cfg_attr(test, schemars(example = &"15m", extend("default" = "1h")))]
    interval: DurationKey,
}

impl Default for Discovery {
    fn default() -> Self {
        Self {
            regions: Vec::new(),
            interval: Duration::from_hours(1),
        }
    }
}

impl RawDiscovery {
    /// Validates the section.
    pub(super) fn validate(self, faults: &mut Faults) -> Discovery {
        let defaults = Discovery::default();
        let regions = values(self.regions).into_iter();
        Discovery {
            regions: regions.map(|Region(region)| region).collect(),
            interval: poll_interval(self.interval, defaults.interval, faults),
        }
    }
}
