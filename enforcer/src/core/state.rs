//! Everything that the daemon knows, and what each event does to it.

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
use super::dns_visibility::DnsVisibility;
use super::effect::{Effect, Pending};
use super::event::{ResolverSet, TargetCgroups};
use super::exception_state::{ExceptionState, Running};
use super::inherited::Inherited;
use super::observation_budgets::Budgets;
use super::patterns::Patterns;
use super::registry_names::RegistryNames;
use super::snapshot::TagsChange;
use crate::config::{TTL_CEILING, TTL_FLOOR};
use crate::now::Now;
use crate::policy::{Held, NameIds, Protected, Tables};
use crate::resolver::cache::{Cache, CacheSettings};
use crate::resolver::rate_limiter::RateLimiter;
use crate::sources::{DynamicSources, PersistedSources, Sources};

/// How this run was started; it never changes.
#[derive(Clone, Debug)]
pub(crate) struct Run {
    /// Enforcement ends with the process, and nothing is saved.
    pub(crate) ephemeral: bool,
    /// The governed cgroup.
    pub(crate) scope: PathBuf,
    /// The configuration's file, where there is one.
    pub(crate) config: Option<PathBuf>,
    /// The process.
    pub(crate) pid: u32,
    /// When it started.
    pub(crate) started: Timestamp,
    /// The cookie of the daemon's network namespace, whose sockets are trusted beside those of the initial one; 0 for none.
    pub(crate) network: u64,
    /// Another number at each start, so that hosts that start together do not ask together.
    pub(crate) seed: u64,
}

/// The daemon's state. [`State::on`] is the only way to change it.
#[derive(Debug)]
pub(crate) struct State {
    pub(super) run: Run,
    pub(super) now: Now,
    /// What the events at hand call for.
    pub(super) effects: Vec<Effect>,
    pub(super) due: Due,

    pub(super) sources: Sources,
    pub(super) dynamic: DynamicSources,
    /// What is saved of the sources, as acknowledged.
    pub(super) persisted: PersistedSources,
    /// What is being saved of them.
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
    /// The cgroups of targets, as they were last looked up.
    pub(super) cgroups: TargetCgroups,
    pub(super) local_addresses: Vec<IpAddr>,
    pub(super) clock: Clock,

    pub(super) visibility: DnsVisibility,
    pub(super) observations: ObservationCounts,
    pub(super) budgets: Budgets,
    /// Observed addresses that the answer check refuses.
    pub(super) refused_observations: BTreeSet<IpAddr>,

    pub(super) maps: Maps,
    pub(super) hooks: Hooks,
    pub(super) alarms: Alarms,
    pub(super) tags_change: Option<TagsChange>,
    /// Since when the enforcer's cgroup is shared with others, so that it cannot allow itself hosts.
    pub(super) cgroup_shared_since: Option<Duration>,
    /// When all names were last asked for again because a registry was denied.
    pub(super) requeried: Duration,
    pub(super) ticked: Duration,
    /// Whether addresses changed since they were saved.
    pub(super) unsaved: bool,
    /// When they are to be saved.
    pub(super) save_at: Option<Duration>,
}

/// What the maps hold, as acknowledged.
#[derive(Debug)]
pub(super) struct Maps {
    pub(super) held: Arc<Held>,
    pub(super) settings: Settings,
    pub(super) generation: u64,
    pub(super) applied: Timestamp,
    /// The protected set; `None` while it is not known.
    pub(super) in_force: Option<(Protected, Arc<Tables>)>,
    /// A change that is not acknowledged yet.
    pub(super) pending: Option<Pending>,
    /// Why the last change was refused.
    pub(super) refusal: Option<String>,
}

/// The attached programs, as last checked.
#[derive(Debug, Default)]
pub(super) struct Hooks {
    pub(super) attached: Vec<Hook>,
    pub(super) checked: Duration,
    /// How long they had not been checked before that.
    pub(super) unchecked: Duration,
    pub(super) failures: BTreeMap<String, String>,
    pub(super) socket_memory: Option<String>,
    /// Whether they were attached at all: before that, none is missing.
    pub(super) started: bool,
}

/// What an event leaves to be done before the next one.
#[derive(Debug, Default)]
pub(super) struct Due {
    /// Evaluate, compare, apply.
    pub(super) reconcile: bool,
    /// Then remove the observations that are over or no longer granted.
    pub(super) sweep: bool,
    /// Ask the resolvers at hand.
    pub(super) resolve: bool,
    /// The resolvers are being read.
    pub(super) reading_resolvers: bool,
    /// Keep the configuration for the next start.
    pub(super) keep_configuration: bool,
    /// Save what the sources say.
    pub(super) save_sources: bool,
    /// Report how the sources differ from these, which were in force until then.
    pub(super) source_changes: Option<(Box<Sources>, Duration)>,
}

impl State {
    /// When addresses are to be saved, since the start.
    pub(crate) fn save_at(&self) -> Option<Duration> {
        self.save_at
    }

    /// The sources in force.
    pub(crate) fn sources(&self) -> &Sources {
        &self.sources
    }

    /// Whether anything is fetched, so that the enforcer needs a cgroup of its own.
    pub(crate) fn fetches(&self) -> bool {
        !self.dynamic.hosts().is_empty()
    }

    /// Policies applied since the maps were made.
    pub(crate) fn generation(&self) -> u64 {
        self.maps.generation
    }

    /// Why the last change of policy was refused, if it was.
    pub(crate) fn refusal(&self) -> Option<&str> {
        self.maps.refusal.as_deref()
    }

    /// The settings of a cache with the linger of the configuration.
    pub(super) fn cache_settings(sources: &Sources, seed: u64) -> CacheSettings {
        CacheSettings {
            linger: sources.config.dns.linger,
            ttl_floor: TTL_FLOOR,
            ttl_ceiling: TTL_CEILING,
            seed,
            ..CacheSettings::default()
        }
    }

    /// Raises or ends the alarm about an effect that has one.
    pub(super) fn report(&mut self, kind: AlarmKind, failure: Option<String>) {
        self.alarms.set(kind, "", failure);
    }
}
