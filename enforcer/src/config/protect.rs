//! The section `[protect]`.

use std::path::{Path, PathBuf};
use std::time::Duration;

use ipnet::{IpNet, Ipv6Net};
use serde::{Deserialize, Serialize};

use super::Cloud;
use super::faults::Faults;
use super::value::{
    DurationKey, File, Guid, HttpsUrl, Located, Nat64, Tag, Text, bounded, poll_interval,
    protected_prefixes, values,
};

/// The service tag of all storage accounts.
pub const STORAGE_TAG: &str = "Storage";
/// The service tag of all registries.
pub const REGISTRY_TAG: &str = "AzureContainerRegistry";

/// Service tags are published weekly, so a shorter limit would raise the alarm all the time.
const MIN_MAX_AGE: Duration = Duration::from_hours(7 * 24);

/// The section `[protect]`.
#[derive(Clone, Debug, PartialEq)]
pub struct Protect {
    /// Protected service tags; each includes all its regional tags.
    pub tags: Vec<String>,
    /// The cloud whose tags and suffixes apply.
    pub cloud: Cloud,
    /// A published service-tags file; `None` means the bundle in the binary.
    pub service_tags: Option<PathBuf>,
    /// The URL of newer service-tags files.
    pub service_tags_url: Option<HttpsUrl>,
    /// The subscription, a GUID, for queries to the Service Tag Discovery API.
    pub service_tags_subscription: Option<String>,
    /// Interval between requests to the URL and to the API.
    pub service_tags_poll: Duration,
    /// Additional protected prefixes.
    pub cidrs: Vec<IpNet>,
    /// The verdict for destinations that nothing else decides.
    pub default: DefaultAction,
    /// The age from which on service tags are reported as stale.
    pub max_age: Duration,
    /// NAT64 prefixes besides `64:ff9b::/96`, of the lengths in RFC 6052 section 2.2.
    pub nat64: Vec<Ipv6Net>,
}

/// The verdict for destinations that nothing else decides.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub enum DefaultAction {
    /// The packet passes.
    #[default]
    Allow,
    /// The packet is denied: the host reaches only what this file names.
    Deny,
}

/// The protected destinations: denied unless a registry or an exception allows them.
#[derive(Default, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(super) struct RawProtect {
    /// Service tags; each includes its regional tags. Without AzureContainerRegistry, every registry accepts pushes from this host.
    #[cfg_attr(test, schemars(
        example = ["Storage", "AzureContainerRegistry", "AzureFrontDoor"],
        extend("default" = ["Storage", "AzureContainerRegistry"]),
    ))]
    tags: Option<Located<Vec<Text<Tag>>>>,
    /// The cloud whose service tags and name suffixes apply.
    #[serde(default)]
    #[cfg_attr(test, schemars(example = &"us-government"))]
    cloud: Cloud,
    /// A service-tags file as Azure publishes it, reread whenever it changes; `tags import` replaces it. Its change number
    /// is its version, not its name or its modification time: if it is older than the bundle in the program, or lacks much of it,
    /// the bundle is in force instead (alarm `tags-replaced`).
    ///
    /// Default: the bundle in the program.
    #[cfg_attr(test, schemars(example = &"ServiceTags_Public.json"))]
    service_tags: Option<Text<File>>,
    /// The URL of newer service-tags files. The last valid one survives a restart.
    ///
    /// Default: none.
    #[cfg_attr(
        test,
        schemars(example = &"https://mirror.example.com/ServiceTags_Public.json")
    )]
    service_tags_url: Option<Text<HttpsUrl>>,
    /// The subscription for queries to the Service Tag Discovery API, with the identity of `[azure]`, which needs the permission
    /// Microsoft.Network/locations/serviceTags/read. The prefixes in its answers are protected in addition; they allow nothing, as the
    /// answers are a subset of the file and up to four weeks late.
    ///
    /// Default: none.
    #[cfg_attr(test, schemars(example = &"00000000-0000-0000-0000-000000000000"))]
    service_tags_subscription: Option<Text<Guid>>,
    /// Interval between requests to the URL and to the API: 1 second to 7 days.
    #[cfg_attr(test, schemars(example = &"12h", extend("default" = "24h")))]
    service_tags_poll: DurationKey,
    /// Additional protected prefixes.
    #[serde(default)]
    #[cfg_attr(test, schemars(example = ["203.0.113.0/24"]))]
    cidrs: Vec<Located<Text<IpNet>>>,
    /// The verdict for all other destinations.
    #[serde(default)]
    #[cfg_attr(test, schemars(example = &"deny"))]
    default: DefaultAction,
    /// The age from which on `status`, the log and the metrics report service tags as stale. At least 7 days.
    #[cfg_attr(test, schemars(example = &"30d", extend("default" = "90d")))]
    max_age: DurationKey,
    /// NAT64 prefixes besides 64:ff9b::/96: an address inside one is judged as the IPv4 address that it embeds.
    #[serde(default)]
    #[cfg_attr(test, schemars(example = ["2001:db8:64::/96"]))]
    nat64: Vec<Text<Nat64>>,
}

impl Default for Protect {
    fn default() -> Self {
        Self {
            tags: vec![STORAGE_TAG.to_owned(), REGISTRY_TAG.to_owned()],
            cloud: Cloud::default(),
            service_tags: None,
            service_tags_url: None,
            service_tags_subscription: None,
            service_tags_poll: Duration::from_hours(24),
            cidrs: Vec::new(),
            default: DefaultAction::default(),
            max_age: Duration::from_hours(90 * 24),
            nat64: Vec::new(),
        }
    }
}

impl RawProtect {
    /// Validates the section; relative files are relative to `base`.
    pub(super) fn validate(self, base: &Path, faults: &mut Faults) -> Protect {
        let defaults = Protect::default();
        let tags_at = self.tags.as_ref().map(|tags| tags.span());
        let tags = self.tags.map(Located::into_inner).map(values);
        let nat64: Vec<Ipv6Net> = values(self.nat64).into_iter().map(|net| net.0).collect();
        let max_age = MIN_MAX_AGE..=Duration::MAX;
        let protect = Protect {
            tags: tags.map_or(defaults.tags, |tags: Vec<Tag>| {
                tags.into_iter().map(|tag| tag.0).collect()
            }),
            cloud: self.cloud,
            service_tags: self.service_tags.map(|Text(File(file))| base.join(file)),
            service_tags_url: self.service_tags_url.map(|Text(url)| url),
            service_tags_subscription: self.service_tags_subscription.map(|Text(Guid(guid))| guid),
            service_tags_poll: poll_interval(
                self.service_tags_poll,
                defaults.service_tags_poll,
                faults,
            ),
            cidrs: protected_prefixes(self.cidrs, &nat64, faults),
            default: self.default,
            max_age: bounded(self.max_age, defaults.max_age, max_age, faults),
            nat64,
        };
        let problem = nothing_protected(&protect, faults);
        faults.check(&tags_at.unwrap_or_default(), problem);
        protect
    }
}

/// Returns the problem that nothing would be protected, unless a key that protects something is faulty.
fn nothing_protected(protect: &Protect, faults: &Faults) -> Option<String> {
    let is_empty = protect.tags.is_empty()
        && protect.cidrs.is_empty()
        && protect.default == DefaultAction::Allow;
    let protecting = ["protect.tags", "protect.cidrs", "protect.default"];
    let is_faulty = protecting.iter().any(|key| faults.is_skipped(key));
    (is_empty && !is_faulty).then(|| {
        "nothing would be protected; list tags or cidrs, or set default = \"deny\"".to_owned()
    })
}
