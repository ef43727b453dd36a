//! Alarms derived from the current state.

use super::alarm_kind::AlarmKind;
use super::effect::Effect;
use super::event_kind::EventKind;
use super::event_record::EventRecord;
use super::start::Findings;
use super::state::State;
use crate::name::Name;
use crate::resolver::answer::Family;
use crate::resolver::answer::LookupFailure;
use crate::resolver::cache::{Failing, NameEntry};
use crate::sources::Concern;

impl State {
    /// Raises and clears the alarms derived from the current state.
    pub(crate) fn refresh_alarms(&mut self) {
        self.alarms.set(AlarmKind::TagsOld, "", self.tags_old());
        self.alarms
            .set(AlarmKind::ClockSet, "", self.clock.complaint(self.now));
        self.report_tags();
        self.alarms
            .set(AlarmKind::DnsUnobserved, "", self.dns_unobserved());
        self.report_ipsec();
        let (mut failing, mut refused, mut untagged) =
            (Findings::new(), Findings::new(), Findings::new());
        let wanted = self
            .cache
            .entries()
            .filter(|(_, entry)| !entry.is_departed());
        for (name, entry) in wanted {
            if let Some(why) = failure(entry) {
                let addresses = entry.addresses().count();
                let message = format!(
                    "{name} does not resolve: {why}; {addresses} earlier addresses stay allowed"
                );
                failing.insert(name.to_string(), message);
            }
            refused.extend(refused_of(name, entry));
            untagged.extend(untagged_of(name, entry));
        }
        self.alarms.replace(AlarmKind::NameFailing, &failing);
        self.report_sources();
        self.alarms.replace(AlarmKind::AnswerRefused, &refused);
        self.alarms.replace(AlarmKind::AddressUntagged, &untagged);
    }

    /// Updates the alarms about service tags replaced by the bundle or accepted only with `--force`.
    fn report_tags(&mut self) {
        let (mut replaced, mut forced) = (Findings::new(), Findings::new());
        match self.sources.tags_concern() {
            Some(Concern::Replaced(why)) => drop(replaced.insert("file".to_owned(), why.clone())),
            Some(Concern::Forced(why)) => drop(forced.insert("file".to_owned(), why.clone())),
            None => {}
        }
        replaced.extend(self.dynamic.outdated().map(|why| ("url".to_owned(), why)));
        self.alarms.replace(AlarmKind::TagsReplaced, &replaced);
        self.alarms.replace(AlarmKind::TagsForced, &forced);
    }

    /// Updates the alarms about sources, and notes each change.
    fn report_sources(&mut self) {
        let sources = self.dynamic.failures();
        let raised = self.alarms.subjects(AlarmKind::SourceFailing);
        let failing: Findings = sources
            .iter()
            .filter_map(|(what, failing)| Some((what.clone(), failing.clone()?)))
            .collect();
        for subject in raised.iter().filter(|what| !failing.contains_key(*what)) {
            let message = match sources.contains_key(subject) {
                true => format!("{subject} is good again"),
                false => format!("{subject} is no source any more"),
            };
            self.note(EventKind::SourceRecovered, message);
        }
        for (subject, message) in &failing {
            if !raised.contains(subject) {
                // The alarm logs it.
                let note =
                    EventRecord::note(EventKind::SourceFailing, message.clone(), self.now.wall);
                self.effects.push(Effect::Tell(Box::new(note)));
            }
        }
        self.alarms.replace(AlarmKind::SourceFailing, &failing);
        self.alarms
            .replace(AlarmKind::ReplicaElsewhere, &self.replicas_elsewhere());
        let left_out = self.sources.left_out();
        self.alarms.set(AlarmKind::TagsContradict, "", left_out);
    }

    /// Returns possible replicas found in DNS outside the prefixes of their region, by login server.
    fn replicas_elsewhere(&self) -> Findings {
        let registries = self.sources.config.registries.iter();
        let sought = registries.filter(|registry| registry.discover);
        let found = sought.filter_map(|registry| {
            let login_server = &registry.login_server;
            let is_allowed = |name: &Name| self.sources.registry_names().any(|known| known == name);
            let elsewhere = self.dynamic.discovery.elsewhere(login_server);
            let mut elsewhere = elsewhere.filter(|(name, _)| !is_allowed(name));
            let (name, addresses) = elsewhere.next()?;
            let addresses: Vec<String> = addresses.iter().map(ToString::to_string).collect();
            let more = elsewhere.count();
            let message = format!(
                "{name} leads to {}, outside its region's registry prefixes{}: if it is a replica, newer service tags or \
                 data-endpoints allow it",
                addresses.join(", "),
                if more > 0 { format!(", and {more} others") } else { String::new() }
            );
            Some((login_server.to_string(), message))
        });
        found.collect()
    }

    fn tags_old(&self) -> Option<String> {
        self.sources.age_alarm(self.now.wall)
    }
}

fn refused_of(name: &Name, entry: &NameEntry) -> Findings {
    let refused = entry.refused().map(|(address, refusal)| {
        let message = format!(
            "{name}: the answer {address} is refused: {}",
            refusal.reason
        );
        (format!("{name} {address}"), message)
    });
    refused.collect()
}

fn untagged_of(name: &Name, entry: &NameEntry) -> Findings {
    let untagged = entry.addresses().filter(|(_, entry)| entry.is_untagged());
    let untagged = untagged.map(|(address, _)| {
        let message = format!("{name}: {address} is in no service tag: the tags may be stale");
        (format!("{name} {address}"), message)
    });
    untagged.collect()
}

/// Returns why a name does not resolve, if lookups of both address families fail.
pub(crate) fn failure(entry: &NameEntry) -> Option<String> {
    let failing = [Family::V4, Family::V6].map(|family| entry.family(family).failing.as_ref());
    let [Some(v4), Some(v6)] = failing else {
        return None;
    };
    let is_empty_family =
        |failing: &Failing| matches!(failing.error, LookupFailure::NoAddress { .. });
    let informative = if is_empty_family(v4) { v6 } else { v4 };
    Some(informative.error.to_string())
}
