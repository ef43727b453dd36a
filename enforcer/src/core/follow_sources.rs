//! Source changes at run time: new data is put in force, or refused and reported.

use std::path::Path;
use std::rc::Rc;

use anyhow::Result;

use super::effect::{Effect, FetchBatch};
use super::event_kind::EventKind;
use super::event_record::EventRecord;
use super::exception_state::ExceptionState;
use super::source_changes::{changes_of_names, changes_of_tags};
use super::state::State;
use super::tags_status::TagsChange;
use crate::azure::PinnedAddresses;
use crate::name::Name;
use crate::resolver::answer::Answer;
use crate::resolver::answer::Family;
use crate::sources::{Fetched, Sources, StaticSources};

impl State {
    /// Issues the requests that are due, once DNS has answered or failed for each host.
    pub(super) fn fetch(&mut self) {
        let is_due = self
            .dynamic
            .next_wake()
            .is_some_and(|wake| wake <= self.now.since_start);
        if !is_due {
            return;
        }
        let Some(reach) = self.reach() else { return };
        let config = &self.sources.config;
        let requests = self.dynamic.due(config, self.now);
        if !requests.is_empty() {
            self.effects.push(Effect::Fetch(Box::new(FetchBatch {
                azure: config.azure.clone(),
                cloud: config.protect.cloud,
                reach: Rc::new(reach),
                requests,
            })));
        }
    }

    /// Returns the addresses of the hosts that sources are fetched from; `None` while a lookup has no outcome yet.
    pub(super) fn reach(&self) -> Option<PinnedAddresses> {
        let mut reach = PinnedAddresses::default();
        for host in self.dynamic.hosts() {
            let (_, entry) = self.cache.entries().find(|(name, _)| *name == host)?;
            let addresses: Vec<_> = entry.addresses().map(|(address, _)| address).collect();
            let families = [Family::V4, Family::V6].map(|family| entry.family(family));
            let has_failed = families.iter().all(|family| family.failing.is_some());
            if addresses.is_empty() && !has_failed {
                return None;
            }
            reach.insert(host.clone(), addresses);
        }
        Some(reach)
    }

    /// Handles the response to a request.
    pub(super) fn fetched(&mut self, fetched: Fetched) {
        let now = self.now;
        if let Some(before) = self.dynamic.take(fetched, &self.sources.tags, now) {
            match self.merge_dynamic() {
                Ok(()) => self.dynamic.accept(&before, now),
                Err(error) => {
                    let message = format!("what it says is refused: {error:#}");
                    self.dynamic.refuse(before, message, now);
                }
            }
        }
        self.refresh_alarms();
    }

    /// Handles the answer to a query for a replica.
    pub(super) fn searched(&mut self, name: &Name, answer: &Answer) {
        let now = self.now.since_start;
        let sources = &self.sources;
        let effective = |address| sources.effective_address(address);
        let discovery = &mut self.dynamic.discovery;
        if discovery.answered(name, answer, &sources.tags, &effective, now)
            && let Err(error) = self.merge_dynamic()
        {
            tracing::warn!("what DNS shows of replicas leads to no policy: {error:#}");
        }
        self.refresh_alarms();
    }

    /// Puts the static sources in force after `file` changed. An unusable file changes nothing.
    pub(super) fn file_read(&mut self, file: &Path, read: Result<Box<StaticSources>, String>) {
        let taken = read.and_then(|given| {
            let fresh = Sources {
                given: *given,
                ..self.sources.clone()
            };
            let fresh = fresh.with(&self.dynamic);
            let taken = fresh.and_then(|fresh| self.put(fresh));
            taken.map_err(|error| format!("{error:#}"))
        });
        self.dynamic.read(file, taken.err(), self.now);
        self.refresh_alarms();
        self.due.save_sources = true;
    }

    /// Merges static and dynamic sources, and puts the result in force.
    fn merge_dynamic(&mut self) -> Result<()> {
        self.put(self.sources.with(&self.dynamic)?)?;
        self.due.save_sources = true;
        Ok(())
    }

    /// Puts `fresh` in force if it differs, and schedules notes of the difference.
    fn put(&mut self, fresh: Sources) -> Result<()> {
        let new_tags = fresh.tags != self.sources.tags;
        if !new_tags && fresh.endpoints == self.sources.endpoints {
            let before = std::mem::replace(&mut self.sources, fresh);
            if self.sources.given.hosts != before.given.hosts {
                self.follow_hosts_file();
                self.due.reconcile = true;
            }
            return Ok(());
        }
        self.try_out(&fresh, &self.cgroups)?;
        self.take_sources(fresh);
        self.adopt_sources();
        if new_tags {
            self.recheck();
            self.dynamic.tags_changed(&self.sources, self.now);
        }
        Ok(())
    }

    /// Replaces the sources; the difference is noted once it is in force.
    pub(super) fn take_sources(&mut self, fresh: Sources) {
        let before = std::mem::replace(&mut self.sources, fresh);
        self.due.source_changes = Some((Box::new(before), self.now.since_start));
        self.due.reconcile = true;
    }

    /// Adopts the names and exceptions of the current sources.
    pub(super) fn adopt_sources(&mut self) {
        let now = self.now.since_start;
        let names: Vec<Name> = self.sources.all_names().cloned().collect();
        self.cache.set_linger(self.sources.config.dns.linger);
        self.unsaved |= self.cache.set_names(names, now);
        self.follow_hosts_file();
        self.registries.update(&self.sources, &self.cache);
        self.patterns.follow(&self.sources);
        if let Some(published) = self.sources.given.tags.published() {
            self.clock.not_before(published, self.now);
        }
        let exceptions = self.sources.config.exceptions.len();
        self.exceptions.clear();
        self.exceptions
            .resize_with(exceptions, ExceptionState::default);
    }

    /// Publishes notes on changed names and service tags.
    pub(super) fn note_source_changes(&mut self) {
        let Some((before, start)) = self.due.source_changes.take() else {
            return;
        };
        for message in changes_of_names(&before, &self.sources) {
            self.note(EventKind::Names, message);
        }
        if self.sources.tags != before.tags {
            let took = self.now.since_start.saturating_sub(start);
            let change = TagsChange {
                took_ms: u64::try_from(took.as_millis()).unwrap_or(u64::MAX),
                ..changes_of_tags(&before.tags, &self.sources.tags, self.now.wall)
            };
            let message = change.to_string();
            let note = EventRecord::note(EventKind::ServiceTags, message, self.now.wall);
            let (old, new) = (change.from.to_string(), change.to.to_string());
            self.publish(note.changed(Some(old), Some(new)));
            self.tags_change = Some(change);
        }
    }

    /// Logs a change, and publishes it to event readers.
    pub(super) fn note(&mut self, kind: EventKind, message: String) {
        self.publish(EventRecord::note(kind, message, self.now.wall));
    }

    /// Like [`State::note`], for a complete record.
    pub(super) fn publish(&mut self, record: EventRecord) {
        self.effects.push(Effect::Note(Box::new(record)));
    }
}
