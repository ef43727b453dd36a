//! Sources that change while the daemon runs: what they say now is put in force, or refused and reported.

use std::path::Path;
use std::rc::Rc;
use std::time::Instant;

use anyhow::Result;
use jiff::Timestamp;

use super::Engine;
use crate::azure::PinnedAddresses;
use crate::azure::TagOrigin;
use crate::azure::tags::check_complete;
use crate::control::{EventRecord, TagsChange};
use crate::daemon::changes::{changes_of_names, changes_of_tags};
use crate::daemon::feeds::{Feeds, Fetch, Fetched};
use crate::daemon::journal;
use crate::daemon::kept::Kept;
use crate::daemon::sources::Sources;
use crate::name::Name;
use crate::random;
use crate::resolver::answer::{Answer, Family};

impl Engine {
    /// The questions to sources that are due. They wait until DNS has answered, well or badly, for each host that is asked.
    pub(in crate::daemon) fn fetches(&mut self) -> Vec<Fetch> {
        let now = self.now();
        if self.feeds.next_wake().is_none_or(|wake| wake > now) {
            return Vec::new();
        }
        let Some(reach) = self.reach() else {
            return Vec::new();
        };
        self.feeds.due(&self.sources.config, &Rc::new(reach), now)
    }

    /// Takes the answer to one.
    pub(in crate::daemon) fn fetched(&mut self, fetched: Fetched) {
        let now = self.now();
        let Some(before) = self.feeds.take(fetched, &self.sources.tags, now) else {
            return self.look_around();
        };
        match self.follow_found() {
            Ok(()) => self.feeds.accept(&before, self.now()),
            Err(error) => {
                let message = format!("what it says is refused: {error:#}");
                self.feeds.refuse(before, message, self.now());
            }
        }
        self.look_around();
    }

    /// Takes the answer to a search for a replica.
    pub(super) fn searched(&mut self, name: &Name, answer: &Answer) {
        let now = self.now();
        let sources = &self.sources;
        let judged = |address| sources.judged(address);
        let discovery = &mut self.feeds.discovery;
        if discovery.answered(name, answer, &sources.tags, &judged, now)
            && let Err(error) = self.follow_found()
        {
            tracing::warn!("what DNS shows of replicas leads to no policy: {error:#}");
        }
        self.look_around();
    }

    /// Reads a watched file anew. One that cannot be used changes nothing.
    pub(in crate::daemon) fn file_changed(&mut self, file: &Path) {
        let mut given = self.sources.given.clone();
        let followed = given.reread(&self.sources.config, file).and_then(|()| {
            let fresh = Sources {
                given,
                ..self.sources.clone()
            };
            self.put(fresh.with(&self.feeds)?)
        });
        self.feeds
            .read(file, followed.err().map(|error| format!("{error:#}")));
        self.look_around();
        self.keep();
    }

    /// Puts in force what files and sources say.
    pub(super) fn follow_found(&mut self) -> Result<()> {
        self.put(self.sources.with(&self.feeds)?)?;
        self.keep();
        Ok(())
    }

    /// Puts `fresh` in force, as far as it differs, and notes the difference.
    fn put(&mut self, fresh: Sources) -> Result<()> {
        let new_tags = fresh.tags != self.sources.tags;
        if !new_tags && fresh.endpoints == self.sources.endpoints {
            let before = std::mem::replace(&mut self.sources, fresh);
            if self.sources.given.hosts != before.given.hosts {
                self.follow_hosts();
                self.settle();
            }
            return Ok(());
        }
        let start = Instant::now();
        self.try_out(&fresh)?;
        let before = std::mem::replace(&mut self.sources, fresh);
        self.adopt_sources();
        if new_tags {
            self.recheck();
            self.feeds.tags_changed(&self.sources, self.now());
        }
        self.settle();
        self.note_changes(&before, start);
        Ok(())
    }

    /// Notes how the names and service tags in force differ from those `before`, which were in force until `start`.
    pub(in crate::daemon) fn note_changes(&mut self, before: &Sources, start: Instant) {
        for message in changes_of_names(before, &self.sources) {
            self.note("names", message);
        }
        if self.sources.tags != before.tags {
            let took_ms = u64::try_from(start.elapsed().as_millis()).unwrap_or(u64::MAX);
            let change = TagsChange {
                at: Timestamp::now(),
                took_ms,
                ..changes_of_tags(&before.tags, &self.sources.tags)
            };
            let note = EventRecord::note("service-tags", change.to_string());
            let (old, new) = (change.from.to_string(), change.to.to_string());
            self.publish(note.changed(Some(old), Some(new)));
            self.tags_change = Some(change);
        }
    }

    /// Addresses of the hosts that are asked; `None` while DNS has not answered for one.
    pub(super) fn reach(&self) -> Option<PinnedAddresses> {
        let mut reach = PinnedAddresses::default();
        for host in self.feeds.hosts(&self.sources.config) {
            let (_, entry) = self.cache.entries().find(|(name, _)| **name == host)?;
            let addresses: Vec<_> = entry.addresses().map(|(address, _)| address).collect();
            let families = [Family::V4, Family::V6].map(|family| entry.family(family));
            let has_failed = families.iter().all(|family| family.failing.is_some());
            if addresses.is_empty() && !has_failed {
                return None;
            }
            reach.insert(host, addresses);
        }
        Some(reach)
    }

    /// Something that `events` tells.
    pub(in crate::daemon) fn note(&mut self, what: &str, message: String) {
        self.publish(EventRecord::note(what, message));
    }

    /// Logs a change, and has `events` tell it.
    pub(in crate::daemon) fn publish(&mut self, record: EventRecord) {
        journal::log(&record);
        self.notes.push(record);
    }

    /// Takes what an earlier run kept of the sources. What of it cannot be used is told, and keeps nothing from starting.
    pub(super) fn restore_sources(&mut self) {
        let now = self.now();
        let mut unusable = Vec::new();
        if !self.options.ephemeral {
            let config = &self.sources.config;
            (self.kept, unusable) = Kept::load(&config.paths.state, config.protect.cloud);
            self.feeds.restore(&self.kept, config, now);
            self.hold_against_kept();
        }
        match self.sources.with(&self.feeds) {
            Ok(sources) => {
                self.sources = sources;
                self.feeds.tags_changed(&self.sources, now);
            }
            Err(error) => {
                unusable.push(format!("{error:#}"));
                self.feeds = Feeds::new(random::seed());
                self.feeds.follow(&self.sources, now);
            }
        }
        let unusable = (!unusable.is_empty()).then(|| {
            format!(
                "what an earlier run kept of the sources is not used: {}",
                unusable.join("; ")
            )
        });
        self.alarms.set("kept-unreadable", "", unusable);
    }

    /// Goes on with the service tags that an earlier run kept, where a later file lacks much of them: a restart takes no more than a running
    /// daemon does.
    fn hold_against_kept(&mut self) {
        let Sources { config, given, .. } = &mut self.sources;
        let file = config.protect.service_tags.as_ref();
        let Some((file, kept)) = file.zip(self.kept.tags(&config.protect)) else {
            return;
        };
        let is_later = given.concern.is_none()
            && matches!(given.tags.origin, TagOrigin::File(_))
            && given.tags.change_number >= kept.change_number;
        if is_later && let Err(fault) = check_complete(kept, &given.tags) {
            self.feeds.read(file, Some(fault.to_string()));
            given.tags = kept.clone();
        }
    }

    /// Keeps what the sources say for the next start.
    pub(in crate::daemon) fn keep(&mut self) {
        if self.options.ephemeral {
            return;
        }
        let kept = self.feeds.keep(&self.sources, self.now());
        let saved = kept.save(&self.kept, &self.sources.config.paths.state);
        if saved.is_ok() {
            self.kept = kept;
        }
        let failed = saved.err().map(|error| {
            format!("a start without a network would go by older names and service tags: {error}")
        });
        self.alarms.set("sources-unsaved", "", failed);
    }
}
