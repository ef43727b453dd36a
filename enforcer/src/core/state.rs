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
use super::event::{Acknowledgement, Event, ResolverSet, Surroundings, TargetCgroups};
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

/// How long changed addresses wait to be saved together.
const SAVE_AFTER: Duration = Duration::from_secs(5);
/// How long the daemon waits at least where it has nobody to ask: names are due then, and stay so.
const RESOLVER_RETRY: Duration = Duration::from_secs(1);

impl State {
    /// Takes an event, and returns what is to be done for it, in order. Each effect is to be acknowledged before the next event.
    pub(crate) fn on(&mut self, event: Event, now: Now) -> Vec<Effect> {
        self.begin(now);
        let is_acknowledgement = matches!(event, Event::Acknowledged(_));
        self.handle(event);
        self.finish();
        if !is_acknowledgement {
            self.ask();
        }
        self.take_effects()
    }

    pub(super) fn begin(&mut self, now: Now) {
        self.now = now;
        self.alarms.set_time(now.wall);
    }

    /// Does what the handlers left to be done.
    pub(super) fn finish(&mut self) {
        while self.due.reconcile && self.maps.pending.is_none() {
            self.due.reconcile = false;
            self.reconcile();
        }
        if self.due.sweep && self.maps.pending.is_none() {
            self.due.sweep = false;
            self.effects.push(Effect::ReadObservations);
        }
        if std::mem::take(&mut self.due.keep_configuration) {
            self.keep_configuration();
        }
        if std::mem::take(&mut self.due.save_sources) {
            self.save_sources();
        }
        if self.due.resolve {
            self.due.resolve = false;
            self.resolve();
        }
    }

    pub(super) fn take_effects(&mut self) -> Vec<Effect> {
        let mut effects = std::mem::take(&mut self.effects);
        effects.extend(self.alarms.take_effects());
        effects
    }

    fn handle(&mut self, event: Event) {
        match event {
            Event::Answered(reply) => self.answered(*reply),
            Event::Observed(observations) => self.observed(&observations),
            Event::RegistryDenied => self.registry_denied(),
            Event::Fetched(fetched) => self.fetched(*fetched),
            Event::FileRead(file, read) => self.file_read(&file, read),
            Event::LocalAddresses(addresses) => self.local_addresses_changed(addresses),
            Event::Tick(surroundings) => self.tick(*surroundings),
            Event::SaveDue => self.save(),
            Event::Reload(reload) => self.reload(*reload),
            Event::HooksChecked(check) => self.hooks_checked(check),
            Event::Alarm(kind, message) => self.alarms.set(kind, "", message),
            Event::Attached => self.attached(),
            Event::Stopping => self.save(),
            Event::Acknowledged(acknowledgement) => self.acknowledged(acknowledgement),
        }
    }

    fn acknowledged(&mut self, acknowledgement: Acknowledgement) {
        match acknowledgement {
            Acknowledgement::Applied(outcome) => self.applied(outcome),
            Acknowledgement::ObservationsRead(read) => self.sweep(read),
            Acknowledgement::ObservationsRemoved(outcome) => warn(outcome),
            Acknowledgement::ResolversRead(read) => self.resolvers_read(read),
            Acknowledgement::DnsSocketsListed(outcome) => self.dns_sockets_listed(outcome),
            Acknowledgement::Reattached(outcome) => self.reattached(outcome),
            Acknowledgement::PinsRestored(outcome) => self.pins_restored(outcome),
            Acknowledgement::HookRestored(hook, outcome) => self.hook_restored(hook, outcome),
            Acknowledgement::HooksListed(attached) => self.hooks_listed(attached),
            Acknowledgement::AddressesSaved(outcome) => self.addresses_saved(outcome),
            Acknowledgement::SourcesSaved(outcome) => self.sources_saved(outcome),
            Acknowledgement::ConfigurationKept(outcome) => self.configuration_kept(outcome),
            Acknowledgement::OtherVersionsRemoved(outcome) => self.other_versions_removed(outcome),
        }
    }

    /// Ends what has lingered long enough, looks after exceptions and ages, and puts what follows in force.
    fn tick(&mut self, surroundings: Surroundings) {
        let now = self.now.since_start;
        self.ticked = now;
        let Surroundings {
            scope_is_current,
            own_cgroup,
            cgroups,
            observations,
        } = surroundings;
        self.cgroups = cgroups;
        self.check_scope(scope_is_current);
        self.update_self_exception(own_cgroup);
        self.inherited.expire(now);
        let gone = self.cache.expire(now);
        for (name, address) in &gone {
            tracing::debug!(%name, %address, "lingered long enough");
        }
        self.unsaved |= !gone.is_empty();
        self.patterns.expire(self.sources.config.dns.linger, now);
        self.release_budgets();
        self.take_over_observations(observations);
        self.due.reconcile = true;
        self.due.sweep = true;
    }

    /// A registry was denied: perhaps an allowed one whose new address only the client has seen. Asks for all names again, so that the
    /// client's next try finds it allowed; no oftener than any name may be asked.
    fn registry_denied(&mut self) {
        let now = self.now.since_start;
        if now.saturating_sub(self.requeried) >= TTL_FLOOR {
            self.requeried = now;
            self.cache.requery_now(now);
        }
    }

    fn local_addresses_changed(&mut self, addresses: Vec<IpAddr>) {
        if addresses != self.local_addresses {
            self.local_addresses = addresses;
            self.due.reconcile = true;
        }
    }

    /// Requests what is due: resolvers for names, sources, and a save.
    fn ask(&mut self) {
        let now = self.now.since_start;
        if !self.due.reading_resolvers && self.next_question().is_some_and(|wake| wake <= now) {
            // A new resolver is exempt before it is asked.
            self.due.reading_resolvers = true;
            let servers = self.sources.config.dns.servers.clone();
            self.effects.push(Effect::ReadResolvers(servers));
        }
        self.fetch();
        if self.save_at.is_none() && self.is_unsaved() {
            self.save_at = Some(now + SAVE_AFTER);
        }
    }

    /// How long no tick is due. Cgroups that the policy names are looked up `patience` after the last tick at the latest.
    pub(crate) fn idle(&self, patience: Duration, now: Now) -> Duration {
        let since_start = now.since_start;
        let next = self.next_question().unwrap_or(TTL_CEILING);
        let fetches = self.dynamic.next_wake().filter(|_| self.reach().is_some());
        let next = fetches.map_or(next, |fetches| fetches.min(next));
        let ends = self.patterns.next_end(self.sources.config.dns.linger);
        let next = ends.map_or(next, |ends| ends.min(next));
        let idle = next.saturating_sub(since_start);
        let idle = match self.resolvers {
            Some(_) => idle,
            None => idle.max(RESOLVER_RETRY),
        };
        if self.sources.config.exceptions.is_empty() && self.sources.config.scope.is_none() {
            return idle;
        }
        let rescan = (self.ticked + patience).saturating_sub(since_start);
        let exceptions = self.exceptions.iter();
        let ends = exceptions.filter_map(|exception| exception.left(now));
        ends.fold(idle.min(rescan), Duration::min)
    }

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

fn warn(outcome: Result<(), String>) {
    if let Err(error) = outcome {
        tracing::warn!("{error}");
    }
}
