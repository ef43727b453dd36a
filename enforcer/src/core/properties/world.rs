//! A host around the core: sources, resolvers, maps and a state directory, all of which can fail.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::net::IpAddr;
use std::time::Duration;

use enforcer_common::layout::{AddressGrant, SnoopedGrant};
use enforcer_common::{DnsObservation, Hook, ObservationOutcome};

use super::super::effect::Effect;
use super::super::event::{
    Acknowledgement, CgroupRef, DetachedHook, Event, HookCheck, Reload, ResolverSet, Surroundings,
    TargetCgroups,
};
use super::super::questions::Reply;
use super::super::start::Start;
use super::super::state::{Run, State};
use super::model::{Maps, key};
use crate::config::{REGISTRY_TAG, STORAGE_TAG, Target};
use crate::name::Name;
use crate::now::Now;
use crate::policy::name_key;
use crate::resolver::answer::{Family, LookupFailure, Resolved};
use crate::sources::{PersistedSources, Sources};
use crate::state::State as SavedAddresses;

/// The longest TTL of an answer.
pub(super) const MAX_TTL: Duration = Duration::from_secs(60);
const NAMES: [&str; 2] = ["contoso.azurecr.io", "fabrikam.azurecr.io"];
/// Of the registries' service tag, of a private endpoint, and the last one of another service, where no name may lead.
const ADDRESSES: [&str; 6] = [
    "20.42.66.1",
    "20.42.66.2",
    "20.42.66.3",
    "10.1.0.4",
    "10.1.0.5",
    "20.60.0.9",
];

/// Something that happens.
#[derive(Clone, Debug)]
pub(super) enum Action {
    Answer {
        name: usize,
        addresses: u8,
        ttl: u64,
    },
    Fail {
        name: usize,
    },
    Observe {
        name: usize,
        address: usize,
    },
    Tick {
        seconds: u64,
        agent_runs: bool,
    },
    /// Another configuration, or one that cannot be read.
    Reload(Option<usize>),
    LocalAddress(u8),
    CheckHooks {
        detached: bool,
    },
    Save,
}

/// What fails while an event is handled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Failure {
    None,
    /// The kernel refuses a change, and nothing of it stays.
    Refused,
    /// A change stays in part.
    Partial,
    /// A change is refused, and the maps cannot be read.
    Unreadable,
    /// Everything but changes of policy.
    Elsewhere,
}

/// The core in its world.
pub(super) struct World {
    configurations: Vec<Sources>,
    pub(super) state: State,
    pub(super) maps: Maps,
    pub(super) now: Now,
    agent_runs: bool,
    saved: Option<SavedAddresses>,
    persisted: PersistedSources,
    /// By name, the addresses of its last good answer, and whether lookups fail since.
    answers: BTreeMap<Name, (BTreeSet<IpAddr>, bool)>,
    /// By name, when a source in force last said an address.
    said: BTreeMap<(Name, IpAddr), Duration>,
}

/// Configurations to start with and to reload.
pub(super) fn configurations() -> Vec<Sources> {
    let registry = |name: &str| {
        format!("[[registry]]\nlogin-server = \"{name}\"\nprivate-endpoints = [\"10.1.0.0/24\"]\n")
    };
    let [contoso, fabrikam] = NAMES.map(registry);
    let exception = "[[exception]]\nreason = \"logs\"\ncgroup = \"/agent\"\ncidrs = [\"203.0.113.7/32\"]\n\
        names = [\"logs.example.com\"]\nuntil = 2999-01-01T00:00:00Z\n";
    let texts = [
        contoso.clone(),
        format!("{contoso}{fabrikam}"),
        format!("{contoso}{exception}"),
        format!("mode = \"audit\"\n{fabrikam}"),
        "registry = []\n".to_owned(),
    ];
    texts.iter().map(|text| with_few_prefixes(text)).collect()
}

/// The sources of a configuration with service tags that compile at once.
fn with_few_prefixes(text: &str) -> Sources {
    let mut sources = Sources::of_text(text);
    for (tag, prefix) in [
        (REGISTRY_TAG, "20.42.66.0/24"),
        (STORAGE_TAG, "20.60.0.0/16"),
    ] {
        let prefixes = [prefix.parse().unwrap()].into_iter().collect();
        sources.given.tags.families.insert(tag.to_owned(), prefixes);
    }
    sources.given.tags.registry_regions.clear();
    sources.tags = sources.given.tags.clone();
    sources
}

fn now(since_start: Duration) -> Now {
    Now::after(since_start)
}

impl World {
    /// A daemon that starts with nothing.
    pub(super) fn start(configurations: &[Sources]) -> Self {
        let (maps, now) = (Maps::default(), now(Duration::from_secs(1)));
        let start = start(&configurations[0], &maps, None, false);
        let (state, effects) = State::start(start, now);
        let mut world = Self {
            configurations: configurations.to_vec(),
            state,
            maps,
            now,
            agent_runs: false,
            saved: None,
            persisted: PersistedSources::default(),
            answers: BTreeMap::new(),
            said: BTreeMap::new(),
        };
        world.run(effects, Failure::None);
        world.feed(Event::Attached, Failure::None);
        world
    }

    /// Ends the daemon, and starts it again with what it left.
    pub(super) fn restart(&mut self) {
        self.feed(Event::Stopping, Failure::None);
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

    /// Has what failed tried again.
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

    /// The addresses of the last good answers to names in force.
    pub(super) fn last_good(&self) -> impl Iterator<Item = IpAddr> {
        let names = self.state.sources.registry_names();
        let answers = names.filter_map(|name| self.answers.get(name));
        answers.flat_map(|(addresses, _)| addresses.iter().copied())
    }

    /// When a source in force last said an address.
    pub(super) fn last_said(&self, address: IpAddr) -> Option<Duration> {
        let said = self.said.iter().filter(|((_, said), _)| *said == address);
        said.map(|(_, at)| *at).max()
    }

    pub(super) fn act(&mut self, action: Action, failure: Failure) {
        let seconds = if let Action::Tick { seconds, .. } = &action {
            *seconds
        } else {
            1
        };
        self.keep_saying();
        self.now = now(self.now.since_start + Duration::from_secs(seconds));
        self.keep_saying();
        let event = self.event(action);
        self.feed(event, failure);
        // A name that left is remembered while its addresses linger, and comes back with them.
        let cache = &self.state.cache;
        self.answers
            .retain(|name, _| cache.entries().any(|(known, _)| known == name));
    }

    /// Sources in force say what they said last; while lookups of a name fail, no linger runs.
    fn keep_saying(&mut self) {
        let at = self.now.since_start;
        let sources = &self.state.sources;
        let in_force: BTreeSet<&Name> = sources.registry_names().collect();
        let answers = self.answers.iter();
        for (name, (current, fails)) in answers.filter(|(name, _)| in_force.contains(name)) {
            for ((of, address), said) in &mut self.said {
                if of == name && (*fails || current.contains(address)) {
                    *said = at;
                }
            }
        }
    }

    /// The programs say again what they still hold.
    fn say_observed(&mut self) {
        let ids = NAMES.map(|name| {
            self.maps
                .held
                .names
                .get(&name_key(name))
                .map(|entry| entry.id)
        });
        for (grant, snooped) in &self.maps.snooped {
            let name = ids.iter().position(|id| *id == Some(grant.name));
            if let Some(name) = name
                && snooped.deadline > self.now.boot
            {
                let ip = IpAddr::from(grant.address).to_canonical();
                let said = (NAMES[name].parse().unwrap(), ip);
                self.said.insert(said, self.now.since_start);
            }
        }
    }

    fn event(&mut self, action: Action) -> Event {
        match action {
            Action::Answer {
                name,
                addresses,
                ttl,
            } => self.answer(name, addresses, ttl),
            Action::Fail { name } => {
                let name: Name = NAMES[name].parse().unwrap();
                if let Some((_, fails)) = self.answers.get_mut(&name) {
                    *fails = true;
                }
                let failed = Err(LookupFailure::Timeout);
                Event::Answered(Box::new(Reply::Policy(name, Family::V4, failed)))
            }
            Action::Observe { name, address } => self.observe(name, address),
            Action::Tick { agent_runs, .. } => {
                self.agent_runs = agent_runs;
                self.say_observed();
                Event::Tick(Box::new(surroundings(&self.maps, agent_runs)))
            }
            Action::Reload(configuration) => {
                self.say_observed();
                let read = configuration.map(|index| self.configurations[index].clone());
                Event::Reload(Box::new(Reload {
                    read: read.ok_or_else(|| "line 1: no such key".to_owned()),
                    hosts: Vec::new(),
                    resolvers: Ok(resolvers()),
                    surroundings: surroundings(&self.maps, self.agent_runs),
                }))
            }
            Action::LocalAddress(last) => {
                Event::LocalAddresses(vec![IpAddr::from([203, 0, 113, last])])
            }
            Action::CheckHooks { detached } => Event::HooksChecked(HookCheck {
                scope_is_current: true,
                detached: Vec::from_iter(detached.then_some(DetachedHook {
                    name: "egress",
                    judged: false,
                })),
                socket_memory: None,
            }),
            Action::Save => Event::SaveDue,
        }
    }

    fn answer(&mut self, name: usize, addresses: u8, ttl: u64) -> Event {
        let name: Name = NAMES[name].parse().unwrap();
        let chosen = (0..ADDRESSES.len()).filter(|bit| addresses & (1 << bit) != 0);
        let addresses: Vec<IpAddr> = chosen.map(|at| ADDRESSES[at].parse().unwrap()).collect();
        let sources = &self.state.sources;
        let is_good = |ip: &&IpAddr| !sources.check_answer(&name, **ip).is_refusal();
        let good: BTreeSet<IpAddr> = addresses.iter().filter(is_good).copied().collect();
        if sources.registry_names().any(|known| *known == name) {
            for address in &good {
                let said = (name.clone(), *address);
                self.said.insert(said, self.now.since_start);
            }
            if good.is_empty() {
                if let Some((_, fails)) = self.answers.get_mut(&name) {
                    *fails = true;
                }
            } else {
                self.answers.insert(name.clone(), (good, false));
            }
        }
        let answer = if addresses.is_empty() {
            Err(LookupFailure::NoAddress { ttl: None })
        } else {
            Ok(Resolved {
                addresses,
                ttl: Duration::from_secs(ttl),
                chain: Vec::new(),
            })
        };
        Event::Answered(Box::new(Reply::Policy(name, Family::V4, answer)))
    }

    /// The programs observe an answer to somebody's question, if they know its name.
    fn observe(&mut self, name: usize, address: usize) -> Event {
        let name: Name = NAMES[name].parse().unwrap();
        let ip: IpAddr = ADDRESSES[address].parse().unwrap();
        let Some(entry) = self.maps.held.names.get(&name_key(name.as_str())) else {
            return Event::RegistryDenied;
        };
        let sources = &self.state.sources;
        if sources.registry_names().any(|known| *known == name)
            && !sources.check_answer(&name, ip).is_refusal()
        {
            self.said.insert((name.clone(), ip), self.now.since_start);
        }
        let mut snooped = SnoopedGrant {
            deadline: self.now.boot + 900_000_000_000,
            ..SnoopedGrant::default()
        };
        snooped.claims[0] = 7;
        for id in [AddressGrant::ADDRESS, entry.id] {
            let grant = AddressGrant::new(0, key(ip), id);
            self.maps.snooped.insert(grant, snooped);
        }
        let observation = DnsObservation {
            cgroup: 7,
            address: key(ip),
            name: entry.id,
            outcome: ObservationOutcome::Allowed as u32,
            time: self.now.boot,
            ttl: 1,
            reserved: 0,
        };
        Event::Observed(vec![(observation, None)])
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
            Failure::None | Failure::Refused | Failure::Partial | Failure::Unreadable => Ok(()),
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
            Effect::ListHooks => Acknowledgement::HooksListed(Hook::ALL.to_vec()),
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

fn resolvers() -> ResolverSet {
    ResolverSet {
        ask: vec!["10.0.0.53:53".parse().unwrap()],
        exempt: vec!["10.0.0.53".parse().unwrap()],
    }
}

fn surroundings(maps: &Maps, agent_runs: bool) -> Surroundings {
    let agent = CgroupRef {
        id: 40,
        level: 1,
        path: "/agent".into(),
    };
    let cgroups = Vec::from_iter(agent_runs.then_some(agent));
    Surroundings {
        scope_is_current: true,
        own_cgroup: None,
        cgroups: TargetCgroups(vec![(Target::Cgroup("/agent".into()), Ok(cgroups))]),
        observations: Ok(maps.listed()),
    }
}

fn start(sources: &Sources, maps: &Maps, saved: Option<SavedAddresses>, agent_runs: bool) -> Start {
    Start {
        run: Run {
            ephemeral: false,
            scope: "/".into(),
            config: None,
            pid: 1,
            started: now(Duration::ZERO).wall,
            network: 0,
            seed: 1,
        },
        sources: sources.clone(),
        refused: None,
        hosts: Vec::new(),
        persisted: Default::default(),
        addresses: Ok(saved),
        held: maps.read(),
        settings: maps.settings,
        is_takeover: false,
        allowed_by_others: Ok(Vec::new()),
        judged_cgroup: None,
        local_addresses: Vec::new(),
        resolvers: Ok(resolvers()),
        surroundings: surroundings(maps, agent_runs),
    }
}
