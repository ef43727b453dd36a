//! The status of the service tags in force.

use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::azure::bundle;
use crate::sources::Sources;

/// Seconds in a day.
pub(super) const DAY: u64 = 86_400;

/// The protected set in force.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub struct TagsStatus {
    /// "public", "us-government" or "china".
    pub cloud: String,
    /// The protected tags.
    pub names: Vec<String>,
    /// The change number of the service-tags file.
    pub change_number: u32,
    /// The date of the service tags, if known (ISO 8601).
    pub date: Option<String>,
    /// Their age in days, if the date is known.
    pub age_days: Option<u64>,
    /// Age in days above which an alarm is raised.
    pub max_age_days: u64,
    /// "bundle", or the file.
    pub source: String,
    /// Contents of the bundle in the binary; empty from a daemon that does not report it.
    #[serde(default)]
    pub bundle: String,
    /// Aggregated IPv4 prefixes.
    pub ipv4_prefixes: usize,
    /// Aggregated IPv6 prefixes.
    pub ipv6_prefixes: usize,
    /// Further protected prefixes, from the configuration.
    pub cidrs: Vec<String>,
    /// Prefixes that the Service Tag Discovery API added to those of the file.
    pub added_by_api: usize,
    /// The last change of the protected set since the daemon started.
    pub changed: Option<TagsChange>,
}

/// A change of the protected set.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub struct TagsChange {
    /// The time of the change.
    #[cfg_attr(test, schemars(with = "crate::documents::Time"))]
    pub at: Timestamp,
    /// The previous change number.
    pub from: u32,
    /// The new change number.
    pub to: u32,
    /// Number of added aggregated prefixes.
    pub added: usize,
    /// Number of removed aggregated prefixes.
    pub removed: usize,
    /// Milliseconds for compiling, writing, reading back and switching.
    pub took_ms: u64,
}

impl std::fmt::Display for TagsChange {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            formatter,
            "from change {} to {}: {} prefixes came, {} went, in {} ms",
            self.from, self.to, self.added, self.removed, self.took_ms
        )
    }
}

impl Sources {
    /// Returns the alarm message if the service tags are older at `now` than the configuration allows.
    pub fn age_alarm(&self, now: Timestamp) -> Option<String> {
        age_alarm(self.tags.age(now)?, self.config.protect.max_age)
    }

    /// Describes prefixes of the Discovery API that are left out because the service tags in force contradict them.
    pub(crate) fn left_out(&self) -> Option<String> {
        let left_out = &self.tags.added.as_ref()?.left_out;
        let first = left_out.first()?;
        Some(format!(
            "the Service Tag Discovery API has {} prefixes, {first} among them, that the service tags in force contradict: they are left \
             out; if the API is right, import a newer file",
            left_out.len()
        ))
    }

    /// Returns the status of the protected set of these sources.
    pub fn tags_status(&self) -> TagsStatus {
        self.tags_status_at(Timestamp::now())
    }

    /// Like [`Sources::tags_status`], with the age at `now`.
    pub fn tags_status_at(&self, now: Timestamp) -> TagsStatus {
        let protect = &self.config.protect;
        let tags = &self.tags;
        let families = || protect.tags.iter().filter_map(|tag| tags.families.get(tag));
        TagsStatus {
            cloud: protect.cloud.name().to_owned(),
            names: protect.tags.clone(),
            change_number: tags.change_number,
            date: tags.date.map(|date| date.to_string()),
            age_days: tags.age(now).map(|age| age.as_secs() / DAY),
            max_age_days: protect.max_age.as_secs() / DAY,
            source: tags.origin.to_string(),
            bundle: bundle::header(protect.cloud)
                .map_or_else(|error| error.to_string(), |made_of| made_of.to_string()),
            ipv4_prefixes: families().map(|family| family.v4().len()).sum(),
            ipv6_prefixes: families().map(|family| family.v6().len()).sum(),
            cidrs: protect.cidrs.iter().map(ToString::to_string).collect(),
            added_by_api: tags.added.as_ref().map_or(0, |added| {
                let families = added.families.values();
                families.map(|prefixes| prefixes.iter().count()).sum()
            }),
            changed: None,
        }
    }
}

pub(super) fn age(published: Timestamp, now: Timestamp) -> Option<Duration> {
    Duration::try_from(now.duration_since(published)).ok()
}

/// Returns the alarm message for service tags of this age, if it exceeds `limit`.
pub(super) fn age_alarm(age: Duration, limit: Duration) -> Option<String> {
    (age > limit).then(|| {
        format!(
            "the service tags are {} days old (protect.max-age is {}): newer Azure addresses may be allowed; \
             import a newer file (`egress-enforcer tags import FILE`) or update the package",
            age.as_secs() / DAY,
            limit.as_secs() / DAY
        )
    })
}
