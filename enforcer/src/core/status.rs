//! The status that the control socket serves, and the summary for the service manager.

use std::collections::BTreeMap;
use std::time::Duration;

use enforcer_common::{Hook, ObservationOutcome};
use jiff::Timestamp;

use super::alarm_kind::AlarmKind;
use super::clock::Clock;
use super::counters::Counters;
use super::hooks::hook_missing;
use super::snapshot::{Alarm, ExceptionStatus, RegistryStatus, Status};
use super::state::State;
use super::tags_status::{DAY, TagsStatus, age, age_alarm};
use crate::config::{DefaultAction, Mode};
use crate::now::Now;

/// Maximum characters of the summary for the service manager.
const SUMMARY_LENGTH: usize = 400;

/// The published state after an event; it changes only with time.
#[derive(Clone, Debug)]
pub(crate) struct Snapshot {
    status: Status,
    /// When it was taken, since the start.
    taken: Duration,
    clock: Clock,
    tags_published: Option<Timestamp>,
    max_age: Duration,
}

impl Snapshot {
    /// Returns the status at `now`, with these counters and attached hooks.
    pub(crate) fn at(&self, now: Now, counters: Counters, attached: &[Hook]) -> Status {
        let mut status = self.status.clone();
        status.counters = counters;
        status.hooks = attached.to_vec();
        let missing = hook_missing(attached);
        set_alarm(&mut status.alarms, AlarmKind::HookMissing, missing, now);
        let passed = now.since_start.saturating_sub(self.taken).as_secs();
        let names = status.registries.iter_mut().map(|one| &mut one.names);
        let names = names.chain(status.exceptions.iter_mut().map(|one| &mut one.names));
        let addresses = names.flatten().flat_map(|name| &mut name.addresses);
        for address in addresses.filter(|address| address.lingers) {
            address.remaining = address.remaining.saturating_sub(passed);
        }
        let wall = self.clock.now(now);
        for exception in &mut status.exceptions {
            exception.ended = exception.until <= wall;
        }
        let age = self.tags_published.and_then(|at| age(at, now.wall));
        status.tags.age_days = age.map(|age| age.as_secs() / DAY);
        let old = age.and_then(|age| age_alarm(age, self.max_age));
        set_alarm(&mut status.alarms, AlarmKind::TagsOld, old, now);
        let set = self.clock.complaint(now);
        set_alarm(&mut status.alarms, AlarmKind::ClockSet, set, now);
        status
    }
}

/// Raises or clears an alarm without a subject in a list sorted by kind.
fn set_alarm(alarms: &mut Vec<Alarm>, kind: AlarmKind, message: Option<String>, now: Now) {
    let word = kind.word();
    let at = alarms.partition_point(|alarm| alarm.kind.as_str() < word);
    let is_raised = alarms.get(at).is_some_and(|alarm| alarm.kind == word);
    match (message, is_raised) {
        (Some(message), false) => alarms.insert(
            at,
            Alarm {
                kind: word.to_owned(),
                since: now.wall,
                message,
            },
        ),
        (Some(message), true) => alarms[at].message = message,
        (None, true) => drop(alarms.remove(at)),
        (None, false) => {}
    }
}

impl State {
    /// Returns the state to publish.
    pub(crate) fn snapshot(&self) -> Snapshot {
        Snapshot {
            status: self.status(),
            taken: self.now.since_start,
            clock: self.clock,
            tags_published: self.sources.tags.published(),
            max_age: self.sources.config.protect.max_age,
        }
    }

    fn status(&self) -> Status {
        let config = &self.sources.config;
        Status {
            version: crate::VERSION.to_owned(),
            pid: self.run.pid,
            started: self.run.started,
            mode: config.mode,
            ephemeral: self.run.ephemeral,
            scope: self.run.scope.clone(),
            hooks: self.hooks.attached.clone(),
            frames: config.frames.mode,
            devices: self.device_statuses(),
            audited: Vec::new(),
            unit_denials: Vec::new(),
            generation: self.maps.generation,
            applied: self.maps.applied,
            config: self.run.config.clone(),
            default_allow: config.protect.default == DefaultAction::Allow,
            dns_observations: self.observation_counts(),
            weaknesses: config.weaknesses(),
            settings: config.settings(self.clock.now(self.now)),
            tags: TagsStatus {
                changed: self.tags_change.clone(),
                ..self.sources.tags_status_at(self.now.wall)
            },
            sources: self.dynamic.statuses(config, self.now),
            lingering: self.lingering(),
            removed: self.removed_names(),
            registries: self.registry_statuses(),
            exceptions: self.exception_statuses(),
            resolvers: self
                .resolvers
                .iter()
                .flat_map(|set| &set.ask)
                .map(ToString::to_string)
                .collect(),
            alarms: self.alarms.all(),
            counters: Counters::default(),
        }
    }

    /// Returns the state in one line, for the service manager.
    pub(crate) fn summary(&self) -> String {
        let mode = match self.sources.config.mode {
            Mode::Enforce => "enforcing",
            Mode::Audit => "audit, nothing is dropped",
        };
        summary(mode, self.maps.generation, &self.alarms.all())
    }

    fn registry_statuses(&self) -> Vec<RegistryStatus> {
        let registries = &self.sources.config.registries;
        let registries = registries.iter().zip(&self.sources.endpoints).enumerate();
        registries
            .map(|(index, (registry, names))| RegistryStatus {
                login_server: registry.login_server.clone(),
                sni: registry.sni,
                patterns: self.pattern_statuses(registry),
                names: names
                    .iter()
                    .map(|endpoint| self.endpoint_status(index, endpoint))
                    .collect(),
            })
            .collect()
    }

    fn exception_statuses(&self) -> Vec<ExceptionStatus> {
        let exceptions = self.sources.config.exceptions.iter().zip(&self.exceptions);
        exceptions
            .map(|(exception, state)| ExceptionStatus {
                reason: exception.reason.clone(),
                target: exception.target.to_string(),
                cgroups: state
                    .cgroups
                    .iter()
                    .map(|cgroup| cgroup.path.clone())
                    .collect(),
                names: exception
                    .names
                    .iter()
                    .map(|name| self.name_status(name, None, "exception".to_owned()))
                    .collect(),
                cidrs: exception.cidrs.iter().map(ToString::to_string).collect(),
                sni: exception.sni,
                device_bypass: exception.bypasses_devices,
                until: exception.until,
                ended: exception.until <= self.clock.now(self.now),
            })
            .collect()
    }

    fn observation_counts(&self) -> BTreeMap<String, u64> {
        let snoops = self.sources.config.dns.snoop;
        let outcomes = ObservationOutcome::ALL.into_iter().filter(|_| snoops);
        outcomes
            .map(|outcome| (outcome.word().to_owned(), self.observations.of(outcome)))
            .collect()
    }
}

/// Returns mode, generation and alarms: a refused configuration with its message, the others by kind.
fn summary(mode: &str, generation: u64, alarms: &[Alarm]) -> String {
    let mut line = format!("{mode}, generation {generation}");
    let mut kinds: Vec<&str> = alarms.iter().map(|alarm| alarm.kind.as_str()).collect();
    kinds.dedup();
    if !kinds.is_empty() {
        line.push_str(&format!("; alarms: {}", kinds.join(", ")));
    }
    for refused in alarms
        .iter()
        .filter(|alarm| alarm.kind == AlarmKind::ConfigRefused.word())
    {
        line.push_str(&format!("; {}", refused.message));
    }
    line.chars()
        .map(|letter| if letter.is_control() { ' ' } else { letter })
        .take(SUMMARY_LENGTH)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_summary_lists_alarms_in_one_line() {
        assert_eq!(summary("enforcing", 7, &[]), "enforcing, generation 7");
        let alarm = |kind: &str, message: &str| Alarm {
            kind: kind.to_owned(),
            since: Timestamp::UNIX_EPOCH,
            message: message.to_owned(),
        };
        let alarms = [
            alarm(AlarmKind::ConfigRefused.word(), "line 3:\nno such key"),
            alarm("name-failing", "a"),
            alarm("name-failing", "b"),
        ];
        assert_eq!(
            summary("enforcing", 7, &alarms),
            "enforcing, generation 7; alarms: config-refused, name-failing; line 3: no such key"
        );
        let long = [alarm(AlarmKind::ConfigRefused.word(), &"x".repeat(1000))];
        assert_eq!(summary("enforcing", 7, &long).len(), SUMMARY_LENGTH);
    }
}
