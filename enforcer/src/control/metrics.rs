//! Formats a status as OpenMetrics text.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, NoLabelSet, text};
use prometheus_client::metrics::MetricType;
use prometheus_client::registry::Registry;

use crate::config::Mode;
use crate::core::{Count, MissingHooks, NameStatus, PatternStatus, SourceStatus, Status};

mod prometheus_text;
#[cfg(test)]
mod tests;

pub use self::prometheus_text::prometheus_text;

/// Returns the body of `GET /metrics`. The metrics have the order in which `Snapshot::encode` writes them.
pub fn metrics(status: &Status) -> String {
    let mut registry = Registry::default();
    registry.register_collector(Box::new(Snapshot(status.clone())));
    let mut metrics = String::new();
    #[expect(clippy::expect_used, reason = "writing to a String does not fail")]
    text::encode(&mut metrics, &registry).expect("a String takes all that is written");
    metrics
}

#[derive(Debug)]
struct Snapshot(Status);

impl Collector for Snapshot {
    fn encode(&self, encoder: DescriptorEncoder) -> fmt::Result {
        let mut page = Page(encoder);
        page.daemon(&self.0)?;
        page.decisions(&self.0)?;
        page.tags(&self.0)?;
        page.sources(&self.0)?;
        page.names(&self.0)?;
        page.alarms(&self.0)?;
        page.exceptions(&self.0)
    }
}

/// Labels in output order.
type Labels<'a, const N: usize> = [(&'static str, &'a str); N];

struct Page<'a>(DescriptorEncoder<'a>);

impl Page<'_> {
    fn daemon(&mut self, status: &Status) -> fmt::Result {
        let scope = status.scope.to_string_lossy();
        let labels: Labels<3> = [
            ("version", &status.version),
            ("mode", status.mode.word()),
            ("scope", &scope),
        ];
        let help = "The daemon: its version, its mode and the cgroup that it governs.";
        self.0
            .encode_descriptor("egress_enforcer", help, None, MetricType::Info)?
            .encode_info(&labels)?;
        let help = "Whether denied packets and calls are dropped (1) or not (0): in audit mode, or as a hook is not attached.";
        let enforces = status.mode == Mode::Enforce && MissingHooks::new(&status.hooks).is_empty();
        self.gauge("egress_enforcer_enforcing", help, i64::from(enforces))?;
        let help = "When the daemon started, in seconds since 1970.";
        let started = status.started.as_second();
        self.gauge("egress_enforcer_start_time_seconds", help, started)?;
        let help = "Policies applied since the maps were made.";
        let generation = whole(status.generation);
        self.gauge("egress_enforcer_generation", help, generation)?;
        let help = "When the last policy was applied, in seconds since 1970.";
        let applied = status.applied.as_second();
        self.gauge("egress_enforcer_applied_timestamp_seconds", help, applied)
    }

    fn decisions(&mut self, status: &Status) -> fmt::Result {
        let help = "Packets and calls judged; what is denied in audit mode has the verdict audit, and passes.";
        let name = "egress_enforcer_decisions";
        self.counts(name, help, status.counters.counts.iter(), |count| {
            count.count
        })?;
        let help = "Attempts denied: of the packets of one TCP connection only the first counts, and connecting a datagram socket is none.";
        let name = "egress_enforcer_denied_attempts";
        let denied = status.counters.counts.iter();
        let denied = denied.filter(|count| count.verdict != "allow");
        self.counts(name, help, denied, |count| count.attempts)?;
        let help =
            "Denials by systemd unit since the daemon started; in audit mode the verdict is audit.";
        let name = "egress_enforcer_unit_denials";
        let mut denials = self
            .0
            .encode_descriptor(name, help, None, MetricType::Counter)?;
        for one in &status.unit_denials {
            let labels: Labels<3> = [
                ("unit", &one.unit),
                ("reason", &one.reason),
                ("verdict", &one.verdict),
            ];
            denials
                .encode_family(&labels)?
                .encode_counter::<NoLabelSet, _, u64>(&one.count, None)?;
        }
        let help = "DNS answers to allowed names that the kernel read, by outcome.";
        let mut observations = self.0.encode_descriptor(
            "egress_enforcer_dns_observations",
            help,
            None,
            MetricType::Counter,
        )?;
        for (outcome, count) in &status.dns_observations {
            observations
                .encode_family(&[("outcome", outcome)])?
                .encode_counter::<NoLabelSet, _, u64>(count, None)?;
        }
        let help = "Denials that were enforced and counted, but found no room to be reported.";
        let name = "egress_enforcer_events_lost";
        self.0
            .encode_descriptor(name, help, None, MetricType::Counter)?
            .encode_counter::<NoLabelSet, _, u64>(&status.counters.lost_events, None)?;
        let help = "Denials without an event of their own: those of a cgroup that makes too many are summed up.";
        let name = "egress_enforcer_events_suppressed";
        self.0
            .encode_descriptor(name, help, None, MetricType::Counter)?
            .encode_counter::<NoLabelSet, _, u64>(&status.counters.suppressed_events, None)
    }

    fn counts<'a>(
        &mut self,
        name: &str,
        help: &str,
        counts: impl Iterator<Item = &'a Count>,
        value: fn(&Count) -> u64,
    ) -> fmt::Result {
        let mut counter = self
            .0
            .encode_descriptor(name, help, None, MetricType::Counter)?;
        for count in counts {
            let labels: Labels<3> = [
                ("hook", &count.hook),
                ("reason", &count.reason),
                ("verdict", &count.verdict),
            ];
            counter
                .encode_family(&labels)?
                .encode_counter::<NoLabelSet, _, u64>(&value(count), None)?;
        }
        Ok(())
    }

    fn tags(&mut self, status: &Status) -> fmt::Result {
        let help = "The change number of the service tags in force.";
        let number = i64::from(status.tags.change_number);
        self.gauge("egress_enforcer_tags_change_number", help, number)?;
        let date = status.tags.date.as_ref();
        let Some(date) = date.and_then(|date| date.parse::<Date>().ok()) else {
            return Ok(());
        };
        let Ok(start) = TimeZone::UTC.to_timestamp(date.at(0, 0, 0, 0)) else {
            return Ok(());
        };
        let help = "The date of the service tags in force, in seconds since 1970.";
        let name = "egress_enforcer_tags_timestamp_seconds";
        self.gauge(name, help, start.as_second())
    }

    fn sources(&mut self, status: &Status) -> fmt::Result {
        let labels = |source: &SourceStatus| {
            let registry = source.registry.as_ref();
            let registry = registry.map_or(String::new(), ToString::to_string);
            let (kind, source) = (source.kind.clone(), source.source.clone());
            [("kind", kind), ("source", source), ("registry", registry)]
        };
        let sources = || status.sources.iter();
        let help = "Whether a source of names or prefixes fails (1) or not (0); what it last said stays in force.";
        let failing = sources().map(|source| (labels(source), i64::from(source.failing.is_some())));
        self.family("egress_enforcer_source_failing", help, failing)?;
        let help = "When a source was last read and found good, in seconds since 1970.";
        let metric = "egress_enforcer_source_confirmed_timestamp_seconds";
        let confirmed =
            sources().filter_map(|source| Some((labels(source), source.confirmed?.as_second())));
        self.family(metric, help, confirmed)
    }

    fn names(&mut self, status: &Status) -> fmt::Result {
        let names = names(status);
        let each = |value: fn(&NameStatus) -> i64| {
            let row = move |name: &NameStatus| ([("name", name.name.to_string())], value(name));
            names.iter().copied().map(row).collect::<Vec<_>>()
        };
        let help = "Addresses that are open for an allowed name.";
        let open = each(|name| length(&name.addresses));
        self.family("egress_enforcer_name_addresses", help, open)?;
        let help = "Addresses of an allowed name or pattern that the kernel snooped and no answer to the daemon held.";
        let snooped = each(|name| length(name.addresses.iter().filter(|one| one.snooped)));
        let snooped = snooped.into_iter().chain(patterns(status));
        self.family("egress_enforcer_name_snooped_addresses", help, snooped)?;
        let help = "Whether lookups of an allowed name fail (1) or not (0).";
        let failing = each(|name| i64::from(name.failing.is_some()));
        self.family("egress_enforcer_name_failing", help, failing)?;
        let help = "Addresses of an allowed name that were refused.";
        let refused = each(|name| length(&name.refused));
        self.family("egress_enforcer_addresses_refused", help, refused)?;
        let help = "When an allowed name last resolved, in seconds since 1970.";
        let metric = "egress_enforcer_name_resolved_timestamp_seconds";
        let resolved = names.iter().filter_map(|name| {
            let at = name.resolved?.as_second();
            Some(([("name", name.name.to_string())], at))
        });
        self.family(metric, help, resolved)
    }

    fn alarms(&mut self, status: &Status) -> fmt::Result {
        let mut alarms: BTreeMap<&str, i64> = BTreeMap::new();
        for alarm in &status.alarms {
            *alarms.entry(&alarm.kind).or_default() += 1;
        }
        let help = "What needs attention, by kind.";
        let rows = alarms
            .into_iter()
            .map(|(kind, count)| ([("kind", kind.to_owned())], count));
        self.family("egress_enforcer_alarms", help, rows)
    }

    fn exceptions(&mut self, status: &Status) -> fmt::Result {
        let running = status.exceptions.iter().filter(|one| !one.ended).count();
        let help = "Exceptions that have not ended.";
        let active = i64::try_from(running).unwrap_or(i64::MAX);
        self.gauge("egress_enforcer_exceptions_active", help, active)?;
        let mut ends: BTreeMap<(&str, &str), Timestamp> = BTreeMap::new();
        for exception in &status.exceptions {
            let end = ends
                .entry((&exception.target, &exception.reason))
                .or_insert(exception.until);
            *end = exception.until.min(*end);
        }
        let help = "When an exception ends, in seconds since 1970.";
        let rows = ends.into_iter().map(|((target, reason), until)| {
            let labels = [("target", target.to_owned()), ("reason", reason.to_owned())];
            (labels, until.as_second())
        });
        let name = "egress_enforcer_exception_ends_timestamp_seconds";
        self.family(name, help, rows)
    }

    fn gauge(&mut self, name: &str, help: &str, value: i64) -> fmt::Result {
        self.0
            .encode_descriptor(name, help, None, MetricType::Gauge)?
            .encode_gauge(&value)
    }

    fn family<const N: usize>(
        &mut self,
        name: &str,
        help: &str,
        rows: impl IntoIterator<Item = ([(&'static str, String); N], i64)>,
    ) -> fmt::Result {
        let mut gauge = self
            .0
            .encode_descriptor(name, help, None, MetricType::Gauge)?;
        for (labels, value) in rows {
            gauge.encode_family(&labels)?.encode_gauge(&value)?;
        }
        Ok(())
    }
}

/// Returns each name of a registry or exception once: OpenMetrics allows no two samples with the same labels.
fn names(status: &Status) -> Vec<&NameStatus> {
    let mut met = BTreeSet::new();
    let registries = status.registries.iter().map(|registry| &registry.names);
    let exceptions = status.exceptions.iter().map(|exception| &exception.names);
    let names = registries.chain(exceptions).flatten();
    names.filter(|name| met.insert(&name.name)).collect()
}

/// Returns each pattern of a registry once, with the number of its addresses.
fn patterns(status: &Status) -> BTreeMap<[(&'static str, String); 1], i64> {
    let registries = status.registries.iter();
    let patterns = registries.flat_map(|registry| &registry.patterns);
    let row = |pattern: &PatternStatus| {
        let label = [("name", pattern.pattern.clone())];
        (label, length(&pattern.addresses))
    };
    patterns.map(row).collect()
}

fn length(items: impl IntoIterator) -> i64 {
    i64::try_from(items.into_iter().count()).unwrap_or(i64::MAX)
}

fn whole(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}
