//! Looks at the state for what needs somebody's attention.

use std::collections::BTreeMap;

use jiff::Timestamp;

use super::dns_visibility::DNS_UNOBSERVED;
use super::engine::Engine;
use super::feeds::SOURCE_FAILING;
use super::hooks::{HOOK_MISSING, SOCKET_MEMORY};
use super::sources::{TAGS_FORCED, TAGS_REPLACED};
use crate::control::EventRecord;
use crate::name::Name;
use crate::resolver::answer::Family;
use crate::resolver::answer::LookupFailure;
use crate::resolver::cache::{Failing, NameEntry};
use crate::sys::optmem_shortage;

/// Alarms by what they are about, with their messages.
type Found = BTreeMap<String, String>;

/// The kind of the alarm that the service tags are old.
const TAGS_OLD: &str = "tags-old";
/// The kind of the alarm that the wall clock was set.
const CLOCK_SET: &str = "clock-set";

impl Engine {
    /// Raises and ends the alarms that follow from the state at hand.
    pub(super) fn look_around(&mut self) {
        self.alarms.set(TAGS_OLD, "", self.tags_old());
        self.alarms.set(CLOCK_SET, "", self.clock.complaint());
        self.report_tags();
        self.alarms.set(DNS_UNOBSERVED, "", self.dns_unobserved());
        let (mut failing, mut refused, mut untagged) = (Found::new(), Found::new(), Found::new());
        let wanted = self
            .cache
            .entries()
            .filter(|(_, entry)| !entry.is_departed());
        for (name, entry) in wanted {
            if let Some(why) = failure(entry) {
                let addresses = entry.addresses().count();
                let message = format!(
                    "{name} does not resolve: {why}; {addresses} earlier addresses stay open"
                );
                failing.insert(name.to_string(), message);
            }
            refused.extend(refused_of(name, entry));
            untagged.extend(untagged_of(name, entry));
        }
        self.alarms.replace("name-failing", &failing);
        self.report_sources();
        self.alarms.replace("answer-refused", &refused);
        self.alarms.replace("address-untagged", &untagged);
    }

    /// Raises and ends the alarms about service tags that the bundle replaces, and about those that only `--force` took.
    fn report_tags(&mut self) {
        let concern = self.sources.tags_concern();
        for kind in [TAGS_REPLACED, TAGS_FORCED] {
            let of_kind = concern.filter(|(found, _)| *found == kind);
            let mut found = Found::new();
            found.extend(of_kind.map(|(_, why)| ("file".to_owned(), why.to_owned())));
            if kind == TAGS_REPLACED {
                found.extend(self.feeds.outdated().map(|why| ("url".to_owned(), why)));
            }
            self.alarms.replace(kind, &found);
        }
    }

    /// Raises and ends the alarms of sources, and notes both.
    fn report_sources(&mut self) {
        let standing = self.feeds.standing();
        let raised = self.alarms.subjects(SOURCE_FAILING);
        let failing: Found = standing
            .iter()
            .filter_map(|(what, failing)| Some((what.clone(), failing.clone()?)))
            .collect();
        for subject in raised.iter().filter(|what| !failing.contains_key(*what)) {
            let message = match standing.contains_key(subject) {
                true => format!("{subject} is good again"),
                false => format!("{subject} is no source any more"),
            };
            self.note("source-mended", message);
        }
        for (subject, message) in &failing {
            if !raised.contains(subject) {
                // The alarm logs it.
                self.notes
                    .push(EventRecord::note(SOURCE_FAILING, message.clone()));
            }
        }
        self.alarms.replace(SOURCE_FAILING, &failing);
        self.alarms
            .replace("replica-elsewhere", &self.replicas_elsewhere());
        let left_out = self.sources.left_out();
        self.alarms.set("tags-contradict", "", left_out);
    }

    /// Replicas that DNS may show, and the service tags do not know.
    fn replicas_elsewhere(&self) -> Found {
        let registries = self.sources.config.registries.iter();
        let sought = registries.filter(|registry| registry.discover);
        let found = sought.filter_map(|registry| {
            let login_server = &registry.login_server;
            let open = |name: &Name| self.sources.registry_names().any(|open| open == name);
            let elsewhere = self.feeds.discovery.elsewhere(login_server);
            let mut elsewhere = elsewhere.filter(|(name, _)| !open(name));
            let (name, addresses) = elsewhere.next()?;
            let addresses: Vec<String> = addresses.iter().map(ToString::to_string).collect();
            let more = elsewhere.count();
            let message = format!(
                "{name} leads to {}, outside its region's registry prefixes{}: if it is a replica, newer service tags or \
                 data-endpoints open it",
                addresses.join(", "),
                if more > 0 { format!(", and {more} more do alike") } else { String::new() }
            );
            Some((login_server.to_string(), message))
        });
        found.collect()
    }

    /// The alarms that the clock or root's hand can raise and end at any moment, as they are now.
    pub(super) fn conditions(&self) -> [(&'static str, Option<String>); 4] {
        [
            (TAGS_OLD, self.tags_old()),
            (CLOCK_SET, self.clock.complaint()),
            (HOOK_MISSING, self.hook_missing()),
            (SOCKET_MEMORY, optmem_shortage()),
        ]
    }

    fn tags_old(&self) -> Option<String> {
        self.sources.age_alarm(Timestamp::now())
    }
}

fn refused_of(name: &Name, entry: &NameEntry) -> Found {
    let refused = entry.refused().map(|(address, refusal)| {
        let message = format!(
            "{name}: the answer {address} is refused: {}",
            refusal.reason
        );
        (format!("{name} {address}"), message)
    });
    refused.collect()
}

fn untagged_of(name: &Name, entry: &NameEntry) -> Found {
    let untagged = entry.addresses().filter(|(_, entry)| entry.is_untagged());
    let untagged = untagged.map(|(address, _)| {
        let message = format!("{name}: {address} is in no service tag: the tags may be stale");
        (format!("{name} {address}"), message)
    });
    untagged.collect()
}

/// Why a name gives no address: both families fail, and so does the name where neither has one.
pub(super) fn failure(entry: &NameEntry) -> Option<String> {
    let failing = [Family::V4, Family::V6].map(|family| entry.family(family).failing.as_ref());
    let [Some(v4), Some(v6)] = failing else {
        return None;
    };
    let is_empty_family =
        |failing: &Failing| matches!(failing.error, LookupFailure::NoAddress { .. });
    let telling = if is_empty_family(v4) { v6 } else { v4 };
    Some(telling.error.to_string())
}
