//! The daemon's state.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use enforcer_common::Hook;
use enforcer_common::layout::Settings;
use jiff::Timestamp;

use super::alarm_kind::AlarmKind;
use super::alarms::Alarms;
use super::clock::Clock;
use super::counters::ObservationCounts;
use super::devices::Devices;
use super::dns_visibility::DnsVisibility;
use super::effect::{Effect, Pending};
use super::event::{ResolverSet, TargetCgroups};
use super::exception_state::{ExceptionState, Running};
use super::inherited::Inherited;
use super::ipsec_policy::IpsecPolicy;
use super::observation_budgets::Budgets;
use super::patterns::Patterns;
use super::queried_names::QueriedNames;
use super::registry_names::RegistryNames;
use super::tags_status::TagsChange;
use crate::config::{TTL_CEILING, TTL_FLOOR};
use crate::now::Now;
use crate::policy::{Held, NameIds, Protected, Tables};
use crate::resolver::cache::{Cache, CacheSettings};
use crate::resolver::rate_limiter::RateLimiter;
use crate::sources::{DynamicSources, PersistedSources, Sources};

/// Constant parameters of this run.
#[derive(Clone, Debug)]
pub(crate) struct Run {
    /// Enforcement ends with the process, and nothing is saved.
    pub(crate) ephemeral: bool,
    /// The governed cgroup.
    pub(crate) scope: PathBuf,
    /// The configuration file, if there is one.
    pub(crate) config: Option<PathBuf>,
    /// The process id.
    pub(crate) pid: u32,
    /// When it started.
    pub(crate) started: Timestamp,
    /// The cookie of the daemon's network namespace, whose sockets are trusted like those of the initial one; 0 for none.
    pub(crate) network: u64,
    /// A random number per start, so that hosts that start together do not query together.
    pub(crate) seed: u64,
}

/// The daemon's state. [`State::on`] is the only way to change it.
#[derive(Debug)]
pub(crate) struct State {
    pub(super) run: Run,
    pub(super) now: Now,
    /// Effects of the current event.
    pub(super) effects: Vec<Effect>,
    pub(super) due: Due,

    pub(super) sources: Sources,
    pub(super) dynamic: DynamicSources,
    /// Source data last saved, as acknowledged.
    pub(super) persisted: PersistedSources,
    /// Source data being saved.
    pub(super) saving_sources: Option<PersistedSources>,
    pub(super) cache: Cache,
    pub(super) rate_limiter: RateLimiter,
    pub(super) resolvers: Option<ResolverSet>,
    pub(super) registries: RegistryNames,
    pub(super) patterns: Patterns,
    pub(super) ids: NameIds,
    pub(super) inherited: Inherited,
    pub(super) exceptions: Vec<ExceptionState>,
    pub(super) running: Running,
    /// The cgroups of targets at the last lookup.
    pub(super) cgroups: TargetCgroups,
    pub(super) local_addresses: Vec<IpAddr>,
    pub(super) clock: Clock,

    pub(super) visibility: DnsVisibility,
    pub(super) observations: ObservationCounts,
    pub(super) budgets: Budgets,
    pub(super) queried_names: QueriedNames,
    /// Observed addresses that the answer check refuses.
    pub(super) refused_observations: BTreeSet<IpAddr>,

    pub(super) maps: Maps,
    pub(super) hooks: Hooks,
    pub(super) devices: Devices,
    /// The IPsec policies at the last listing.
    pub(super) ipsec: Vec<IpsecPolicy>,
    pub(super) alarms: Alarms,
    pub(super) tags_change: Option<TagsChange>,
    /// Since when other processes share the enforcer's cgroup, so that it cannot allow itself hosts.
    pub(super) cgroup_shared_since: Option<Duration>,
    /// When all names were last requeried because a registry was denied.
    pub(super) requeried: Duration,
    pub(super) ticked: Duration,
    /// Whether addresses changed since they were last saved.
    pub(super) unsaved: bool,
    /// When they are to be saved, since the start.
    pub(super) save_at: Option<Duration>,
}

/// The content of the maps, as acknowledged.
#[derive(Debug)]
pub(super) struct Maps {
    pub(super) held: Arc<Held>,
    /// Whether a change failed and the maps could not be read back: they may hold more than `held`.
    pub(super) is_held_unknown: bool,
    pub(super) settings: Settings,
    pub(super) generation: u64,
    pub(super) applied: Timestamp,
    /// The protected set in force; `None` while unknown.
    pub(super) in_force: Option<(Protected, Arc<Tables>)>,
    /// A change not yet acknowledged.
    pub(super) pending: Option<Pending>,
    /// Why the last change was refused.
    pub(super) refusal: Option<String>,
}

impl Maps {
    /// The content that an earlier daemon left, or that of new maps.
    pub(super) fn new(held: Held, settings: Settings, now: Timestamp) -> Self {
        Self {
            held: Arc::new(held),
            is_held_unknown: false,
            generation: settings.generation,
            settings,
            applied: now,
            in_force: None,
            pending: None,
            refusal: None,
        }
    }
}

/// The attached programs at the last check.
#[derive(Debug, Default)]
pub(super) struct Hooks {
    pub(super) attached: Vec<Hook>,
    pub(super) checked: Duration,
    /// Time between the last two checks.
    pub(super) unchecked: Duration,
    pub(super) failures: BTreeMap<String, String>,
    pub(super) socket_memory: Option<String>,
    /// Whether the programs were attached once; before that, none counts as missing.
    pub(super) started: bool,
}

/// Work to do before the next event.
#[derive(Debug, Default)]
pub(super) struct Due {
    /// Reconcile the maps with the desired policy.
    pub(super) reconcile: bool,
    /// Then remove observations that are expired or no longer granted.
    pub(super) sweep: bool,
    /// Query the current resolvers.
    pub(super) resolve: bool,
    /// The resolvers are being read.
    pub(super) reading_resolvers: bool,
    /// Save the configuration for the next start.
    pub(super) keep_configuration: bool,
    /// Save the source data.
    pub(super) save_sources: bool,
    /// Report the difference from these previous sources, replaced at this time since the start.
    pub(super) source_changes: Option<(Box<Sources>, Duration)>,
}

impl State {
    /// Returns when addresses are to be saved, since the start.
    pub(crate) fn save_at(&self) -> Option<Duration> {
        self.save_at
    }

    /// Returns the sources in force.
    pub(crate) fn sources(&self) -> &Sources {
        &self.sources
    }

    /// Returns whether any source is fetched, so that the enforcer needs a separate cgroup.
    pub(crate) fn fetches(&self) -> bool {
        !self.dynamic.hosts().is_empty()
    }

    /// Returns the number of policies applied since the maps were created.
    pub(crate) fn generation(&self) -> u64 {
        self.maps.generation
    }

    /// Returns why the last policy change was refused, if it was.
    pub(crate) fn refusal(&self) -> Option<&str> {
        self.maps.refusal.as_deref()
    }

    /// Returns cache settings with the linger of the configuration.
    pub(super) fn cache_settings(sources: &Sources, seed: u64) -> CacheSettings {
        CacheSettings {
            linger: sources.config.dns.linger,
            ttl_floor: TTL_FLOOR,
            ttl_ceiling: TTL_CEILING,
            seed,
            ..CacheSettings::default()
        }
    }

    /// Raises or clears an alarm without a subject.
    pub(super) fn report(&mut self, kind: AlarmKind, failure: Option<String>) {
        self.alarms.set(kind, "", failure);
    }
}
