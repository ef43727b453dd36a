//! Sorts events by what would allow them.

use std::collections::{BTreeMap, BTreeSet};

use ipnet::IpNet;
use jiff::Timestamp;
use serde::{Serialize, Serializer};

use crate::config::Cloud;
use crate::core::{EventRecord, Status};
use crate::name::Name;

/// What would allow the events, and what of them cannot be allowed.
#[derive(Debug, Default, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub(in crate::cli) struct Suggestion {
    /// Registries by their login servers.
    pub(super) registries: BTreeMap<Name, Registry>,
    /// Exceptions by unit or cgroup.
    #[serde(serialize_with = "as_list")]
    #[cfg_attr(test, schemars(with = "Vec<ListedException<'static>>"))]
    pub(super) exceptions: BTreeMap<Target, Exception>,
    /// Attempts that no name allows, by reason.
    pub(super) unexplained: BTreeMap<String, Seen>,
}

/// An exception in JSON, where keys are text.
#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[cfg_attr(test, schemars(rename = "SuggestedException"))]
struct ListedException<'a> {
    /// What it is for.
    target: &'a Target,
    #[serde(flatten)]
    exception: &'a Exception,
}

fn as_list<S: Serializer>(
    exceptions: &BTreeMap<Target, Exception>,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    let list = exceptions.iter();
    serializer.collect_seq(list.map(|(target, exception)| ListedException { target, exception }))
}

/// A registry that was used.
#[derive(Debug, Default, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
#[cfg_attr(test, schemars(rename = "SuggestedRegistry"))]
pub(super) struct Registry {
    /// Whether the configuration in force has it.
    pub(super) configured: bool,
    /// Its other names that were used.
    pub(super) endpoints: BTreeSet<Name>,
    /// The attempts.
    pub(super) seen: Seen,
}

/// What an exception is for.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
#[cfg_attr(test, schemars(rename = "SuggestedTarget"))]
pub(super) enum Target {
    /// A systemd unit.
    Unit(String),
    /// A cgroup, by its path.
    Cgroup(String),
    /// A cgroup that ends with its container.
    Container(String),
}

/// What one unit or cgroup reached.
#[derive(Debug, Default, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub(super) struct Exception {
    /// Attempts by name.
    pub(super) names: BTreeMap<Name, Seen>,
    /// Attempts by prefix, where no name is known.
    #[cfg_attr(test, schemars(with = "std::collections::BTreeMap<String, Seen>"))]
    pub(super) cidrs: BTreeMap<IpNet, Seen>,
    /// Attempts at addresses of Azure services by a name that is not known: the connection was judged before it sent one.
    pub(super) unnamed: Option<Seen>,
    /// Names that other programs asked DNS for and that have the addresses of those attempts.
    pub(super) perhaps: BTreeSet<Name>,
}

/// Attempts.
#[derive(Debug, Default, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub(super) struct Seen {
    /// Number of attempts.
    pub(super) count: u64,
    /// The time of the last one.
    #[cfg_attr(test, schemars(with = "crate::documents::Time"))]
    pub(super) last: Timestamp,
    /// Command names.
    pub(super) processes: BTreeSet<String>,
    /// Units, containers or cgroups.
    pub(super) units: BTreeSet<String>,
    /// Destinations with their ports.
    pub(super) destinations: BTreeSet<String>,
}

impl Seen {
    fn add(&mut self, event: &EventRecord) {
        let count = event.duplicates.saturating_add(1);
        self.count = self.count.saturating_add(count);
        self.last = self.last.max(event.time);
        self.processes.extend(event.command.clone());
        self.units.extend(event.place());
        self.destinations.extend(event.target_text());
    }
}

impl Suggestion {
    /// Sorts `events`; `status` has the registries of the configuration in force.
    pub(super) fn of(events: &[EventRecord], status: &Status) -> Self {
        let mut suggestion = Self::default();
        for event in events {
            suggestion.add(event, status);
        }
        suggestion
    }

    fn add(&mut self, event: &EventRecord, status: &Status) {
        let name: Option<Name> = event.wanted_name().and_then(|name| name.parse().ok());
        let is_named = allows_by_name(&event.reason);
        if let Some(name) = name.filter(|_| is_named) {
            if let Some((login, _kind)) = Cloud::registry_of(&name) {
                return self.add_registry(login, name, event, status);
            }
            if let Some(exception) = self.exception(event) {
                return exception.names.entry(name).or_default().add(event);
            }
        }
        // Customers share the addresses of Azure services; others may be allowed.
        let is_own = matches!(event.reason.as_str(), "configured-prefix" | "default-deny");
        if let Some(address) = event.destination.filter(|_| is_own)
            && let Some(exception) = self.exception(event)
        {
            let cidr = IpNet::from(address.to_canonical());
            return exception.cidrs.entry(cidr).or_default().add(event);
        }
        if is_named
            && event.destination.is_some()
            && let Some(exception) = self.exception(event)
        {
            exception.perhaps.extend(event.queried_name.clone());
            return exception.unnamed.get_or_insert_default().add(event);
        }
        let reason = self.unexplained.entry(event.reason.clone());
        reason.or_default().add(event);
    }

    fn add_registry(&mut self, login: Name, name: Name, event: &EventRecord, status: &Status) {
        let mut configured = status.registries.iter();
        let is_configured = configured.any(|known| known.login_server == login);
        let registry = self.registries.entry(login.clone()).or_default();
        registry.configured = is_configured;
        if name != login {
            registry.endpoints.insert(name);
        }
        registry.seen.add(event);
    }

    /// Returns the exception for the sender; `None` if it is not known.
    fn exception(&mut self, event: &EventRecord) -> Option<&mut Exception> {
        let path = event.cgroup.as_ref().map(|path| path.display().to_string());
        let target = match (&event.container, &event.unit, path) {
            (Some(_), _, Some(path)) => Target::Container(path),
            (None, Some(unit), _) => Target::Unit(unit.clone()),
            (None, None, Some(path)) if path != "/" => Target::Cgroup(path),
            (Some(_), _, None) | (None, None, _) => return None,
        };
        Some(self.exceptions.entry(target).or_default())
    }
}

/// Whether a name allows what was denied for this reason.
fn allows_by_name(reason: &str) -> bool {
    matches!(
        reason,
        "storage"
            | "registry"
            | "configured-prefix"
            | "default-deny"
            | "server-name-unknown"
            | "server-name-elsewhere"
    )
}
