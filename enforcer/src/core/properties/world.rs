//! A simulated host: sources, resolvers, maps and a state directory, all of which can fail.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::net::IpAddr;
use std::rc::Rc;
use std::time::Duration;

use enforcer_common::Hook;

use super::super::effect::Effect;
use super::super::event::{Acknowledgement, Event};
use super::super::state::State;
use super::action::{Action, Failure};
use super::fixtures::{now, resolvers, start};
use super::model::Maps;
use crate::name::Name;
use crate::now::Now;
use crate::sources::{PersistedSources, Sources};
use crate::state::State as SavedAddresses;

/// The core on a simulated host.
pub(super) struct World {
    pub(super) configurations: Rc<[Sources]>,
    pub(super) state: State,
    pub(super) maps: Maps,
    pub(super) now: Now,
    pub(super) agent_runs: bool,
    saved: Option<SavedAddresses>,
    persisted: PersistedSources,
    /// By name, the addresses of the last good answer, and whether lookups have failed since.
    pub(super) answers: BTreeMap<Name, (BTreeSet<IpAddr>, bool)>,
    /// When a source in force last gave an address, by name.
    pub(super) given: BTreeMap<(Name, IpAddr), Duration>,
}

impl World {
    /// Starts a daemon without saved state.
    pub(super) fn start(configurations: Rc<[Sources]>) -> Self {
        let (maps, now) = (Maps::default(), now(Duration::from_secs(1)));
        let start = start(&configurations[0], &maps, None, false);
        let (state, effects) = State::start(start, now);
        let mut world = Self {
            configurations,
            state,
            maps,
            now,
            agent_runs: false,
            saved: None,
            persisted: PersistedSources::default(),
            answers: BTreeMap::new(),
            given: BTreeMap::new(),
        };
        world.run(effects, Failure::None);
        world.feed(Event::Attached, Failure::None);
        world
    }

    /// Restarts the daemon with its saved state.
    pub(super) fn restart(&mut self) {
        self.feed(Event::Stopping { filters_stay: true }, Failure::None);
        let sources = self.state.sources.clone();
        self.maps.held = self.maps.read();
        let mut start = start(&sources, &self.maps, self.saved.take(), self.agent_runs);
        start.is_takeover = true;
        start.persisted = (self.persisted.clone(), Vec::new());
        let (state, effects) = State::start(start, self.now);
        self.state = state;
        self.run(effects, Failure::None);
        self.feed(Event::Attached, Failure::None);
    }

    /// Retries failed effects, by a tick.
    pub(super) fn retry(&mut self) {
        self.act(
            Action::Tick {
                seconds: 1,
                agent_runs: self.agent_runs,
            },
            Failure::None,
        );
    }

    pub(super) fn is_in_sync(&self) -> bool {
        self.state.is_in_sync() && self.state.refusal().is_none()
    }

    /// Returns the addresses of the last good answers to names in force.
    pub(super) fn last_good(&self) -> impl Iterator<Item = IpAddr> {
        let names = self.state.sources.registry_names();
        let answers = names.filter_map(|name| self.answers.get(name));
        answers.flat_map(|(addresses, _)| addresses.iter().copied())
    }

    /// Returns the addresses of the last good answers that a restart without a network would miss.
    pub(super) fn unsaved(&self) -> Vec<IpAddr> {
        if self.state.is_unsaved() {
            return Vec::new();
        }
        let saved = self.saved.iter().flat_map(|saved| saved.names.values());
        let saved: BTreeSet<&IpAddr> = saved.flat_map(BTreeMap::keys).collect();
        let good = self.last_good();
        good.filter(|address| !saved.contains(address)).collect()
    }

    /// Returns when a source in force last gave an address.
    pub(super) fn last_given(&self, address: IpAddr) -> Option<Duration> {
        let said = self.given.iter().filter(|((_, said), _)| *said == address);
        said.map(|(_, at)| *at).max()
    }

    pub(super) fn act(&mut self, action: Action, failure: Failure) {
        let seconds = if let Action::Tick { seconds, .. } = &action {
            *seconds
        } else {
            1
        };
        self.renew_given();
        self.now = now(self.now.since_start + Duration::from_secs(seconds));
        self.renew_given();
        let event = self.event(action);
        self.feed(event, failure);
        // The cache remembers a removed name while its addresses linger, and restores them with it.
        let cache = &self.state.cache;
        self.answers
            .retain(|name, _| cache.entries().any(|(known, _)| known == name));
    }

    /// Renews the addresses of the last answers; while lookups of a name fail, its addresses do not linger away.
    fn renew_given(&mut self) {
        let at = self.now.since_start;
        let sources = &self.state.sources;
        let in_force: BTreeSet<&Name> = sources.registry_names().collect();
        let answers = self.answers.iter();
        for (name, (current, fails)) in answers.filter(|(name, _)| in_force.contains(name)) {
            for ((of, address), said) in &mut self.given {
                if of == name && (*fails || current.contains(address)) {
                    *said = at;
                }
            }
        }
    }

    fn feed(&mut self, event: Event, failure: Failure) {
        let effects = self.state.on(event, self.now);
        self.run(effects, failure);
    }

    fn run(&mut self, effects: Vec<Effect>, failure: Failure) {
        let mut effects = VecDeque::from(effects);
        while let Some(effect) = effects.pop_front() {
            let Some(acknowledgement) = self.perform(effect, failure) else {
                continue;
            };
            let event = Event::Acknowledged(acknowledgement);
            let more = self.state.on(event, self.now);
            more.into_iter()
                .rev()
                .for_each(|effect| effects.push_front(effect));
        }
    }

    fn perform(&mut self, effect: Effect, failure: Failure) -> Option<Acknowledgement> {
        let outcome = || match failure {
            Failure::Elsewhere => Err("it fails".to_owned()),
            Failure::None
            | Failure::Refused
            | Failure::Partial
            | Failure::Unreadable
            | Failure::PartialUnreadable => Ok(()),
        };
        Some(match effect {
            Effect::Apply(change) => Acknowledgement::Applied(self.maps.apply(&change, failure)),
            Effect::ReadObservations => {
                Acknowledgement::ObservationsRead(outcome().map(|()| self.maps.listed()))
            }
            Effect::RemoveObservations(removal) => {
                self.maps.remove_observations(&removal);
                Acknowledgement::ObservationsRemoved(Ok(()))
            }
            Effect::ReadResolvers(_) => {
                Acknowledgement::ResolversRead(outcome().map(|()| resolvers()))
            }
            Effect::ListDnsSockets(_) => Acknowledgement::DnsSocketsListed(outcome()),
            Effect::Reattach => Acknowledgement::Reattached(outcome()),
            Effect::RestorePins => Acknowledgement::PinsRestored(outcome().map(|()| Vec::new())),
            Effect::RestoreHook(hook) => Acknowledgement::HookRestored(hook, outcome()),
            Effect::ListHooks => Acknowledgement::HooksListed(Hook::CGROUP.to_vec()),
            Effect::LoadDevicePrograms => Acknowledgement::DeviceProgramsLoaded(outcome()),
            Effect::FilterDevice(plan) => {
                Acknowledgement::DeviceFiltered(plan, outcome().map(|()| None))
            }
            Effect::UnfilterDevice(index, _) => Acknowledgement::DeviceUnfiltered(index, outcome()),
            Effect::GuardOptions(mode) => Acknowledgement::OptionsGuarded(mode, outcome()),
            Effect::SetForwardedModes(_) => Acknowledgement::ForwardedModesSet(outcome()),
            Effect::SaveAddresses(_, addresses) => {
                let saved = outcome();
                if saved.is_ok() {
                    self.saved = Some(addresses);
                }
                Acknowledgement::AddressesSaved(saved)
            }
            Effect::SaveSources(save) => {
                let saved = outcome();
                if saved.is_ok() {
                    self.persisted = save.now;
                }
                Acknowledgement::SourcesSaved(saved)
            }
            Effect::KeepConfiguration(..) => Acknowledgement::ConfigurationKept(outcome()),
            Effect::RemoveOtherVersions => {
                Acknowledgement::OtherVersionsRemoved(outcome().map(|()| Vec::new()))
            }
            Effect::Resolve(_)
            | Effect::Fetch(_)
            | Effect::WatchConfigured
            | Effect::Note(_)
            | Effect::Tell(_)
            | Effect::AlarmRaised(..)
            | Effect::AlarmCleared(..) => return None,
        })
    }
}
