//! What the engine tells: its status, its alarms, and the names behind an address.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::time::Duration;

use enforcer_common::{Hook, ObservationOutcome};
use jiff::{SignedDuration, Timestamp};

use super::alarms::CONFIG_REFUSED;
use super::engine::Engine;
use super::feeds::Clocks;
use super::sources::Sources;
use super::watch::failure;
use crate::azure::bundle;
use crate::azure::endpoints::Endpoint;
use crate::bpf::Counters;
use crate::config::{DefaultAction, EndpointKind, EndpointPattern, Mode, Registry};
use crate::control::{
    AddressStatus, Alarm, ExceptionStatus, NameStatus, PatternStatus, RegistryStatus, Status,
    TagsStatus,
};
use crate::name::Name;
use crate::resolver::answer::Family;
use crate::resolver::cache::{AddressEntry, NameEntry};

/// Seconds in a day.
const DAY: u64 = 86_400;
/// Characters of the line for the service manager.
const MOST_OF_SUMMARY: usize = 400;

impl Engine {
    /// The whole state, for people and scripts.
    pub(super) fn status(&self) -> Status {
        let config = &self.sources.config;
        let registries = config.registries.iter().zip(&self.sources.endpoints);
        let registries = registries.enumerate();
        let clocks = Clocks {
            wall: &|at| self.wall(at),
            now: self.now(),
        };
        Status {
            version: crate::VERSION.to_owned(),
            pid: std::process::id(),
            started: self.started,
            mode: config.mode,
            ephemeral: self.options.ephemeral,
            scope: self.scope.path.clone(),
            hooks: self
                .hooks()
                .into_iter()
                .map(|hook| hook.word().to_owned())
                .collect(),
            generation: self.generation,
            applied: self.applied,
            config: self.options.source.file(),
            default_allow: config.protect.default == DefaultAction::Allow,
            lessons: self.lesson_counts(),
            weaknesses: config.weaknesses(),
            tags: TagsStatus {
                changed: self.tags_change.clone(),
                ..self.sources.tags_status()
            },
            sources: self.feeds.statuses(config, &clocks),
            registries: registries
                .map(|(index, (registry, names))| RegistryStatus {
                    login_server: registry.login_server.clone(),
                    sni: registry.sni,
                    patterns: self.pattern_statuses(registry),
                    names: names
                        .iter()
                        .map(|endpoint| self.endpoint_status(index, endpoint))
                        .collect(),
                })
                .collect(),
            exceptions: self.exceptions_status(),
            resolvers: self
                .resolvers
                .ask()
                .iter()
                .map(ToString::to_string)
                .collect(),
            alarms: self.current_alarms(),
            counters: self.kernel.maps.counters().unwrap_or_else(|error| {
                tracing::warn!("{error}");
                Counters::default()
            }),
        }
    }

    /// The state in a line, for the service manager.
    pub(super) fn summary(&self) -> String {
        let mode = match self.sources.config.mode {
            Mode::Enforce => "enforcing",
            Mode::Audit => "audit, nothing is dropped",
        };
        summary(mode, self.generation, &self.alarms.all())
    }

    /// Names that resolve to `address`, in order.
    pub(super) fn names_of(&self, address: IpAddr) -> Vec<Name> {
        let leads = |entry: &NameEntry| {
            entry
                .addresses()
                .any(|(found, _)| self.sources.judged(found) == address)
        };
        let entries = self.cache.entries().filter(|(_, entry)| leads(entry));
        entries.map(|(name, _)| name.clone()).collect()
    }

    /// The hooks that judge, by the daemon's own descriptors of their links.
    pub(super) fn hooks(&self) -> Vec<Hook> {
        self.links.attached(&self.scope)
    }

    /// The alarms that stand at this moment, with what the clock and root's hand changed since the last look. Changes nothing.
    fn current_alarms(&self) -> Vec<Alarm> {
        let mut alarms = self.alarms.clone();
        for (kind, message) in self.conditions() {
            alarms.show(kind, message);
        }
        alarms.all()
    }

    fn exceptions_status(&self) -> Vec<ExceptionStatus> {
        let exceptions = self.sources.config.exceptions.iter().zip(&self.standings);
        exceptions
            .map(|(exception, standing)| ExceptionStatus {
                reason: exception.reason.clone(),
                target: exception.target.to_string(),
                cgroups: standing
                    .cgroups
                    .iter()
                    .map(|(_, _, path)| path.clone())
                    .collect(),
                names: exception
                    .names
                    .iter()
                    .map(|name| self.name_status(name, None, "exception".to_owned()))
                    .collect(),
                cidrs: exception.cidrs.iter().map(ToString::to_string).collect(),
                until: exception.until,
                ended: exception.until <= self.clock.now(),
            })
            .collect()
    }

    fn lesson_counts(&self) -> BTreeMap<String, u64> {
        let learns = self.sources.config.dns.snoop;
        let outcomes = ObservationOutcome::ALL.into_iter().filter(|_| learns);
        outcomes
            .map(|outcome| (outcome.word().to_owned(), self.lessons.of(outcome)))
            .collect()
    }

    fn pattern_statuses(&self, registry: &Registry) -> Vec<PatternStatus> {
        let status = |pattern: &EndpointPattern| PatternStatus {
            pattern: pattern.to_string(),
            addresses: self.patterns.addresses(pattern).collect(),
        };
        registry.patterns.iter().map(status).collect()
    }

    /// `index` is the registry's in the configuration.
    fn endpoint_status(&self, index: usize, endpoint: &Endpoint) -> NameStatus {
        let name = &endpoint.name;
        let (origin, confirmed) = self
            .feeds
            .provenance(&self.sources, index, name, self.now());
        NameStatus {
            confirmed,
            ..self.name_status(name, Some(endpoint.kind), origin)
        }
    }

    fn name_status(&self, name: &Name, kind: Option<EndpointKind>, origin: String) -> NameStatus {
        let mut status = NameStatus {
            name: name.clone(),
            kind,
            origin,
            confirmed: None,
            addresses: Vec::new(),
            chain: Vec::new(),
            resolved: None,
            failing: None,
            refused: Vec::new(),
        };
        let found = self.cache.entries().find(|(found, _)| *found == name);
        if let Some((_, entry)) = found {
            self.describe(entry, &mut status);
        }
        status
    }

    fn describe(&self, entry: &NameEntry, status: &mut NameStatus) {
        let linger = self.sources.config.dns.linger;
        let addresses = entry.addresses();
        status.addresses = addresses
            .map(|(address, seen)| self.address_status(address, seen, linger))
            .collect();
        status.chain = entry.chain().to_vec();
        let families = [Family::V4, Family::V6].map(|family| entry.family(family));
        let resolved = families
            .iter()
            .filter_map(|family| family.last_success)
            .max();
        status.resolved = resolved.map(|at| self.wall(at));
        let since = families
            .iter()
            .filter_map(|family| family.failing.as_ref())
            .map(|f| f.since);
        let since = since.max().map_or(self.started, |at| self.wall(at));
        status.failing = failure(entry).map(|message| Alarm {
            kind: "name-failing".to_owned(),
            since,
            message,
        });
        let refused = entry.refused();
        status.refused = refused
            .map(|(address, refusal)| format!("{address}: {}", refusal.reason))
            .collect();
    }

    fn address_status(
        &self,
        address: IpAddr,
        seen: &AddressEntry,
        linger: Duration,
    ) -> AddressStatus {
        let now = self.now();
        let left_out = seen.omitted_age(now).unwrap_or_default();
        AddressStatus {
            address,
            first_seen: before_now(seen.first_seen_age(now)),
            last_seen: before_now(seen.last_seen_age(now)),
            remaining: linger.saturating_sub(left_out).as_secs(),
            untagged: seen.is_untagged(),
            learned: seen.is_snooped() && seen.pinned().is_none(),
            hosts_line: seen.pinned(),
        }
    }

    /// The wall time of a moment since the start, behind or ahead.
    fn wall(&self, at: Duration) -> Timestamp {
        let now = self.now();
        let ahead = SignedDuration::try_from(at.saturating_sub(now));
        let moment = before_now(now.saturating_sub(at));
        moment
            .checked_add(ahead.unwrap_or(SignedDuration::MAX))
            .unwrap_or(Timestamp::MAX)
    }
}

impl Sources {
    /// What is wrong where the service tags are older at `now` than the configuration takes them to be good for.
    pub fn age_alarm(&self, now: Timestamp) -> Option<String> {
        let limit = self.config.protect.max_age;
        let age = self.tags.age(now).filter(|age| *age > limit)?;
        Some(format!(
            "the service tags are {} days old (protect.max-age is {}): newer Azure addresses may be open; \
             import a newer file (`egress-enforcer tags import FILE`) or update the package",
            age.as_secs() / DAY,
            limit.as_secs() / DAY
        ))
    }

    /// What the Discovery API says and the other service tags contradict.
    pub(super) fn left_out(&self) -> Option<String> {
        let left_out = &self.tags.added.as_ref()?.left_out;
        let first = left_out.first()?;
        Some(format!(
            "the Service Tag Discovery API has {} prefixes, {first} among them, that the service tags in force contradict: they are left \
             out; if the API is right, import a newer file",
            left_out.len()
        ))
    }

    /// The protected set that these make.
    pub fn tags_status(&self) -> TagsStatus {
        self.tags_status_at(Timestamp::now())
    }

    /// As [`Sources::tags_status`], with their age at `now`.
    pub fn tags_status_at(&self, now: Timestamp) -> TagsStatus {
        let protect = &self.config.protect;
        let tags = &self.tags;
        let families = || protect.tags.iter().filter_map(|tag| tags.families.get(tag));
        TagsStatus {
            cloud: protect.cloud.name().to_owned(),
            names: protect.tags.clone(),
            change_number: tags.change_number,
            date: tags.date.map(|date| date.to_string()),
            age_days: tags.age(now).map(|age| age.as_secs() / DAY),
            max_age_days: protect.max_age.as_secs() / DAY,
            source: tags.origin.to_string(),
            bundle: bundle::header(protect.cloud)
                .map_or_else(|error| error.to_string(), |made_of| made_of.to_string()),
            ipv4_prefixes: families().map(|family| family.v4().len()).sum(),
            ipv6_prefixes: families().map(|family| family.v6().len()).sum(),
            cidrs: protect.cidrs.iter().map(ToString::to_string).collect(),
            added_by_api: tags.added.as_ref().map_or(0, |added| {
                let families = added.families.values();
                families.map(|prefixes| prefixes.iter().count()).sum()
            }),
            changed: None,
        }
    }
}

/// Mode, generation, and what needs attention: a refused configuration in full, of the rest the kinds.
fn summary(mode: &str, generation: u64, alarms: &[Alarm]) -> String {
    let mut line = format!("{mode}, generation {generation}");
    let mut kinds: Vec<&str> = alarms.iter().map(|alarm| alarm.kind.as_str()).collect();
    kinds.dedup();
    if !kinds.is_empty() {
        line.push_str(&format!("; alarms: {}", kinds.join(", ")));
    }
    for refused in alarms.iter().filter(|alarm| alarm.kind == CONFIG_REFUSED) {
        line.push_str(&format!("; {}", refused.message));
    }
    line.chars()
        .map(|letter| if letter.is_control() { ' ' } else { letter })
        .take(MOST_OF_SUMMARY)
        .collect()
}

fn before_now(age: Duration) -> Timestamp {
    let age = SignedDuration::try_from(age).unwrap_or(SignedDuration::MAX);
    Timestamp::now().checked_sub(age).unwrap_or(Timestamp::MIN)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_summary_names_what_needs_attention_in_one_line() {
        assert_eq!(summary("enforcing", 7, &[]), "enforcing, generation 7");
        let alarm = |kind: &str, message: &str| Alarm {
            kind: kind.to_owned(),
            since: Timestamp::UNIX_EPOCH,
            message: message.to_owned(),
        };
        let alarms = [
            alarm(CONFIG_REFUSED, "line 3:\nno such key"),
            alarm("name-failing", "a"),
            alarm("name-failing", "b"),
        ];
        assert_eq!(
            summary("enforcing", 7, &alarms),
            "enforcing, generation 7; alarms: config-refused, name-failing; line 3: no such key"
        );
        let long = [alarm(CONFIG_REFUSED, &"x".repeat(1000))];
        assert_eq!(summary("enforcing", 7, &long).len(), MOST_OF_SUMMARY);
    }
}
