//! The initial state: from the state of an earlier daemon to the first policy.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::time::Duration;

use enforcer_common::layout::{AddressKey, Settings};

use super::alarm_kind::AlarmKind;
use super::alarms::Alarms;
use super::clock::Clock;
use super::counters::ObservationCounts;
use super::devices::Devices;
use super::dns_visibility::DnsVisibility;
use super::effect::Effect;
use super::event::{ResolverSet, Surroundings};
use super::exception_state::Running;
use super::inherited::Inherited;
use super::observation_budgets::Budgets;
use super::patterns::Patterns;
use super::queried_names::QueriedNames;
use super::registry_names::RegistryNames;
use super::state::{Due, Hooks, Maps, Run, State};
use crate::azure::TagOrigin;
use crate::azure::tags::check_complete;
use crate::name::Name;
use crate::now::Now;
use crate::policy::{Held, NameIds};
use crate::resolver::cache::Cache;
use crate::resolver::rate_limiter::RateLimiter;
use crate::sources::{DynamicSources, PersistedSources, Sources};
use crate::state::State as SavedAddresses;

/// Everything that the shell reads for a start.
#[derive(Debug)]
pub(crate) struct Start {
    /// Parameters of the run.
    pub(crate) run: Run,
    /// The sources of the configuration, or of the last accepted one.
    pub(crate) sources: Sources,
    /// Why the configuration is refused, if the last accepted one is used instead.
    pub(crate) refused: Option<String>,
    /// The hosts that sources are fetched from.
    pub(crate) hosts: Vec<Name>,
    /// Source data saved by an earlier run, and errors for its unusable parts.
    pub(crate) persisted: (PersistedSources, Vec<String>),
    /// Addresses saved by an earlier run.
    pub(crate) addresses: Result<Option<SavedAddresses>, String>,
    /// The content of the maps.
    pub(crate) held: Held,
    /// The settings in the maps.
    pub(crate) settings: Settings,
    /// Whether a daemon of this version left links, so that the maps were in force.
    pub(crate) is_takeover: bool,
    /// Addresses that other versions with a known layout allow.
    pub(crate) allowed_by_others: Result<Vec<AddressKey>, String>,
    /// The daemon's cgroup, if the programs judge it.
    pub(crate) judged_cgroup: Option<u64>,
    /// The host's own addresses.
    pub(crate) local_addresses: Vec<IpAddr>,
    /// The resolvers of the configuration, or else the system's.
    pub(crate) resolvers: Result<ResolverSet, String>,
    /// Cgroups and DNS observations.
    pub(crate) surroundings: Surroundings,
}

impl State {
    /// Returns the initial state, and the effects that put the first policy in force; [`State::refusal`] reports a failure.
    pub(crate) fn start(start: Start, now: Now) -> (Self, Vec<Effect>) {
        let mut state = Self::empty(start.run, start.sources, (start.held, start.settings), now);
        state.visibility = DnsVisibility::new(start.judged_cgroup);
        state.local_addresses = start.local_addresses;
        state.cgroups = start.surroundings.cgroups;
        state.begin(now);
        state
            .alarms
            .set(AlarmKind::ConfigRefused, "", start.refused);
        state.take_resolvers(start.resolvers);
        state.dynamic.follow(&state.sources, start.hosts, now);
        state.restore_sources(start.persisted);
        state.update_self_exception(start.surroundings.own_cgroup);
        state.adopt_sources();
        state.warn();
        state.restore_addresses(start.addresses);
        state.inherit(start.is_takeover, start.allowed_by_others);
        state.take_over_observations(start.surroundings.observations);
        state.due.reconcile = true;
        state.due.sweep = true;
        state.finish();
        let effects = state.take_effects();
        (state, effects)
    }

    fn empty(run: Run, sources: Sources, (held, settings): (Held, Settings), now: Now) -> Self {
        Self {
            cache: Cache::new(Self::cache_settings(&sources, run.seed)),
            dynamic: DynamicSources::new(run.seed),
            ids: NameIds::of(&held.names),
            maps: Maps::new(held, settings, now.wall),
            run,
            now,
            effects: Vec::new(),
            due: Due::default(),
            sources,
            persisted: PersistedSources::default(),
            saving_sources: None,
            rate_limiter: RateLimiter::default(),
            resolvers: None,
            registries: RegistryNames::default(),
            patterns: Patterns::default(),
            inherited: Inherited::default(),
            exceptions: Vec::new(),
            running: Running::new(),
            cgroups: Default::default(),
            local_addresses: Vec::new(),
            clock: Clock::trust(now),
            visibility: DnsVisibility::default(),
            observations: ObservationCounts::default(),
            budgets: Budgets::default(),
            queried_names: QueriedNames::default(),
            refused_observations: Default::default(),
            hooks: Hooks::default(),
            devices: Devices::default(),
            ipsec: Vec::new(),
            alarms: Alarms::default(),
            tags_change: None,
            cgroup_shared_since: None,
            requeried: Duration::ZERO,
            ticked: Duration::ZERO,
            unsaved: false,
            save_at: None,
        }
    }

    /// Restores source data of an earlier run. Unusable data is reported and does not prevent the start.
    fn restore_sources(&mut self, (persisted, mut unusable): (PersistedSources, Vec<String>)) {
        let now = self.now;
        if !self.run.ephemeral {
            self.persisted = persisted;
            let config = &self.sources.config;
            self.dynamic.restore(&self.persisted, config, now);
            self.keep_persisted_tags();
        }
        match self.sources.with(&self.dynamic) {
            Ok(sources) => {
                self.sources = sources;
                self.dynamic.tags_changed(&self.sources, now);
            }
            Err(error) => {
                unusable.push(format!("{error:#}"));
                let hosts = self.dynamic.hosts().to_vec();
                self.dynamic = DynamicSources::new(self.run.seed);
                self.dynamic.follow(&self.sources, hosts, now);
            }
        }
        let unusable = (!unusable.is_empty()).then(|| {
            format!(
                "what an earlier run saved of the sources is not used: {}",
                unusable.join("; ")
            )
        });
        self.report(AlarmKind::SourcesUnreadable, unusable);
    }

    /// Uses the service tags saved by an earlier run if a later file lacks much of them: a restart accepts no more than a running daemon
    /// does.
    fn keep_persisted_tags(&mut self) {
        let Sources { config, given, .. } = &mut self.sources;
        let file = config.protect.service_tags.as_ref();
        let Some((file, saved)) = file.zip(self.persisted.tags(&config.protect)) else {
            return;
        };
        let is_later = given.concern.is_none()
            && matches!(given.tags.origin, TagOrigin::File(_))
            && given.tags.change_number >= saved.change_number;
        if is_later && let Err(fault) = check_complete(saved, &given.tags) {
            self.dynamic.read(file, Some(fault.to_string()), self.now);
            given.tags = saved.clone();
        }
    }

    /// Restores the addresses of an earlier run that the answer check accepts.
    fn restore_addresses(&mut self, saved: Result<Option<SavedAddresses>, String>) {
        let saved = saved.unwrap_or_else(|error| {
            self.alarms.raise(AlarmKind::StateUnreadable, "", error);
            None
        });
        let Some(saved) = saved.filter(|_| !self.run.ephemeral) else {
            return;
        };
        let names = saved.names.values();
        let seen = names.flat_map(|addresses| addresses.values());
        if let Some(latest) = seen.map(|seen| seen.last_seen).max() {
            self.clock.not_before(latest, self.now);
        }
        let sources = &self.sources;
        let check = |name: &Name, ip: IpAddr| sources.check_answer(name, ip);
        let (wall, now) = (self.now.wall, self.now.since_start);
        for (name, address) in self.cache.restore(&saved, &check, wall, now) {
            tracing::warn!(%name, %address, "the answer check refuses an address of the state file");
        }
    }

    /// Inherits the addresses that the previous daemon allowed, as it may have been killed before it saved them: from the current maps on a
    /// takeover, and from the maps of other versions with a known layout.
    fn inherit(&mut self, is_takeover: bool, others: Result<Vec<AddressKey>, String>) {
        let until = self.now.since_start + self.sources.config.dns.linger;
        let others = others.unwrap_or_else(|error| {
            self.alarms.raise(AlarmKind::StateUnreadable, "", error);
            Vec::new()
        });
        let held = self.maps.held.clone();
        let own = held.allowed.keys().filter(|_| is_takeover);
        self.inherited = Inherited::new(
            own.chain(&others),
            &held.name_addresses,
            &self.sources,
            until,
        );
    }

    /// Discards the addresses of earlier runs if no policy compiles with them: protection takes precedence.
    pub(super) fn forget_addresses(&mut self, why: &str) {
        self.cache = Cache::new(Self::cache_settings(&self.sources, self.run.seed));
        self.inherited = Inherited::default();
        self.adopt_sources();
        let message = format!("the addresses of earlier runs are not used: {why}");
        self.alarms.raise(AlarmKind::StateUnreadable, "", message);
    }

    /// Handles the first attachment of the programs: marks DNS sockets, saves state for the next start, and removes the pins of previous
    /// versions; until then a packet passes only if both versions allow it.
    pub(super) fn attached(&mut self) {
        self.hooks.started = true;
        self.list_dns_sockets();
        self.keep_configuration();
        self.save_sources();
        self.effects.push(Effect::RemoveOtherVersions);
    }

    pub(super) fn other_versions_removed(&mut self, outcome: Result<Vec<u32>, String>) {
        let failure = match outcome {
            Ok(others) => {
                for version in others {
                    tracing::info!("took over from pins of layout version {version}");
                }
                None
            }
            Err(error) => Some(format!(
                "an earlier policy is in force beside this one, and denies what it does not allow: {error}"
            )),
        };
        self.report(AlarmKind::OtherVersion, failure);
    }

    /// Logs settings that are valid but probably not intended.
    pub(super) fn warn(&self) {
        for warning in self.sources.config.warnings(self.now.wall) {
            tracing::warn!("{warning}");
        }
    }
}

/// Alarms of one kind: message by subject.
pub(super) type Findings = BTreeMap<String, String>;
