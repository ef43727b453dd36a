//! Feeds events to the core and runs its effects.

use std::collections::VecDeque;
use std::sync::Arc;

use tokio::sync::watch;
use tokio::task::JoinSet;

use super::EventLog;
use super::clocks::Clocks;
use super::fetcher::Fetcher;
use super::host::Host;
use super::journal;
use super::lookup::ask;
use crate::bpf::LinkReader;
use crate::core::{
    ALARM_CLEARED, ALARM_RAISED, Acknowledgement, Effect, Event, Reply, Snapshot, State,
};
use crate::sources::Fetched;

/// The core, and the resources that its effects act on.
pub(super) struct Shell {
    pub(super) state: State,
    pub(super) host: Host,
    pub(super) clocks: Clocks,
    pub(super) log: Arc<EventLog>,
    pub(super) lookups: JoinSet<Reply>,
    pub(super) fetches: JoinSet<Fetched>,
    fetcher: Fetcher,
    snapshot: watch::Sender<Arc<Snapshot>>,
    links: watch::Sender<Arc<LinkReader>>,
    /// The configuration in force names other files or cgroups to watch.
    rewatch: bool,
    /// Effects without an acknowledgement that wait for the programs to be attached: a start that fails reports nothing but its error.
    deferred: Option<Vec<Effect>>,
}

impl Shell {
    /// Creates a shell that has run no effect.
    pub(super) fn new(state: State, host: Host, clocks: Clocks) -> Self {
        let snapshot = watch::Sender::new(Arc::new(state.snapshot()));
        let links = watch::Sender::new(Arc::new(host.links.reader(&host.scope)));
        Self {
            state,
            host,
            clocks,
            log: Arc::default(),
            lookups: JoinSet::new(),
            fetches: JoinSet::new(),
            fetcher: Fetcher::default(),
            snapshot,
            links,
            rewatch: false,
            deferred: Some(Vec::new()),
        }
    }

    /// Runs the effects that waited for the programs to be attached.
    pub(super) fn run_deferred(&mut self) {
        for effect in self.deferred.take().unwrap_or_default() {
            self.start(effect);
        }
    }

    /// Feeds an event to the core, runs the resulting effects and publishes the state.
    pub(super) fn feed(&mut self, event: Event) {
        let effects = self.state.on(event, self.clocks.now());
        self.run(effects);
    }

    /// Runs effects in order. The outcome of each is acknowledged before the next one; effects of an acknowledgement run first.
    pub(super) fn run(&mut self, effects: Vec<Effect>) {
        let mut effects = VecDeque::from(effects);
        while let Some(effect) = effects.pop_front() {
            match self.host.run(effect) {
                Ok(acknowledgement) => {
                    if matches!(
                        acknowledgement,
                        Acknowledgement::Reattached(_) | Acknowledgement::HookRestored(..)
                    ) {
                        self.publish_links();
                    }
                    let event = Event::Acknowledged(acknowledgement);
                    let more = self.state.on(event, self.clocks.now());
                    more.into_iter()
                        .rev()
                        .for_each(|effect| effects.push_front(effect));
                }
                Err(other) => match &mut self.deferred {
                    Some(deferred) => deferred.push(other),
                    None => self.start(other),
                },
            }
        }
        self.snapshot.send_replace(Arc::new(self.state.snapshot()));
    }

    /// Runs an effect without an acknowledgement.
    pub(super) fn start(&mut self, effect: Effect) {
        match effect {
            Effect::Resolve(questions) => {
                let lookup = self.host.resolvers.lookup();
                for (question, lookup) in questions.into_iter().zip(std::iter::repeat(lookup)) {
                    if let Some(lookup) = lookup {
                        self.lookups.spawn_local(ask(question, lookup));
                    }
                }
            }
            Effect::Fetch(batch) => self.fetcher.fetch(*batch, &mut self.fetches),
            Effect::WatchConfigured => self.rewatch = true,
            Effect::Note(record) => {
                journal::log(&record);
                self.log.push(*record);
            }
            Effect::Tell(record) => self.log.push(*record),
            Effect::AlarmRaised(kind, message) => tracing::warn!(
                message_id = ALARM_RAISED,
                egress_alarm = kind.word(),
                "alarm {}: {message}",
                kind.word()
            ),
            Effect::AlarmCleared(kind, message) => tracing::info!(
                message_id = ALARM_CLEARED,
                egress_alarm = kind.word(),
                "alarm {} ended: {message}",
                kind.word()
            ),
            acknowledged @ (Effect::Apply(_)
            | Effect::ReadObservations
            | Effect::RemoveObservations(_)
            | Effect::ReadResolvers(_)
            | Effect::ListDnsSockets(_)
            | Effect::Reattach
            | Effect::RestorePins
            | Effect::RestoreHook(_)
            | Effect::GuardOptions(_)
            | Effect::SetForwardedModes(_)
            | Effect::ListHooks
            | Effect::LoadDevicePrograms
            | Effect::FilterDevice(_)
            | Effect::UnfilterDevice(..)
            | Effect::SaveAddresses(..)
            | Effect::SaveSources(_)
            | Effect::KeepConfiguration(..)
            | Effect::RemoveOtherVersions) => {
                debug_assert!(false, "{acknowledged:?} is run by the host");
            }
        }
    }

    /// Returns whether the configuration in force names other files or cgroups to watch, and resets that flag.
    pub(super) fn take_rewatch(&mut self) -> bool {
        std::mem::take(&mut self.rewatch)
    }

    /// Subscribes to the state and to the links that attach the hooks.
    pub(super) fn subscribe(
        &self,
    ) -> (
        watch::Receiver<Arc<Snapshot>>,
        watch::Receiver<Arc<LinkReader>>,
    ) {
        (self.snapshot.subscribe(), self.links.subscribe())
    }

    /// Publishes the current links.
    pub(super) fn publish_links(&self) {
        let links = self.host.links.reader(&self.host.scope);
        self.links.send_replace(Arc::new(links));
    }

    /// Checks the hooks and pins, and restores missing ones.
    pub(super) fn check_hooks(&mut self) {
        self.feed(Event::HooksChecked(self.host.hook_check()));
    }

    /// Lists the network devices, and repairs their filters.
    pub(super) fn check_devices(&mut self) {
        self.feed(Event::DevicesListed(self.host.list_devices()));
    }

    /// Feeds a tick with the current cgroups and observations.
    pub(super) fn tick(&mut self) {
        let config = &self.state.sources().config;
        let surroundings = self.host.surroundings(config, self.state.fetches());
        self.feed(Event::Tick(Box::new(surroundings)));
    }
}
