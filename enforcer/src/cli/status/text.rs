//! The status as text.

use std::collections::BTreeMap;
use std::fmt::{Display, Formatter, Result};

use enforcer_common::Hook;

use super::frames::frames;
use super::tables::{audited, devices, exceptions, names, sources};
use super::{Pinned, StatusReport};
use crate::cli::format::{count, instant, list, or_dash};
use crate::cli::table::Table;
use crate::core::{Counters, Status, TagsStatus};
use crate::printable;

impl Display for StatusReport {
    fn fmt(&self, formatter: &mut Formatter<'_>) -> Result {
        writeln!(formatter, "{}", self.sentence)?;
        if let Some(status) = &self.daemon {
            daemon_text(status, formatter)?;
        }
        if let Some(pinned) = &self.pinned {
            write!(formatter, "{}", pinned_facts(pinned))?;
        }
        Ok(())
    }
}

fn daemon_text(status: &Status, formatter: &mut Formatter<'_>) -> Result {
    write!(formatter, "{}", facts(status))?;
    let names = names(status);
    write!(formatter, "\n{names}")?;
    if !status.sources.is_empty() {
        write!(formatter, "\n{}", sources(&status.sources))?;
    }
    if !status.exceptions.is_empty() {
        write!(formatter, "\n{}", exceptions(&status.exceptions))?;
    }
    if !status.devices.is_empty() {
        write!(formatter, "\n{}", devices(&status.devices))?;
    }
    if !status.audited.is_empty() {
        write!(formatter, "\n{}", audited(&status.audited))?;
    }
    if !status.alarms.is_empty() {
        writeln!(formatter)?;
    }
    for alarm in &status.alarms {
        let since = instant(alarm.since);
        writeln!(
            formatter,
            "alarm since {since}: {}",
            printable::line(&alarm.message)
        )?;
    }
    Ok(())
}

fn facts(status: &Status) -> Table {
    let mut facts = Table::headless(2);
    let mut fact = |what: &str, text: String| facts.row([what.to_owned(), text]);
    let config = status.config.as_ref();
    fact(
        "daemon",
        format!(
            "version {}, process {}, since {}",
            status.version,
            status.pid,
            instant(status.started)
        ),
    );
    fact(
        "policy",
        format!(
            "{}, generation {}, applied {}",
            config.map_or("from the command line".to_owned(), |file| {
                file.display().to_string()
            }),
            status.generation,
            instant(status.applied)
        ),
    );
    fact("mode", status.mode.word().to_owned());
    fact("default", default(status.default_allow).to_owned());
    fact("scope", status.scope.display().to_string());
    fact("hooks", words(&status.hooks));
    fact("frames", frames(status));
    fact("protected", protected(&status.tags));
    fact("resolvers", or_dash(list(&status.resolvers)));
    fact("snooped", snooped(&status.dns_observations));
    add_counters(&status.counters, &mut fact);
    for weakness in &status.weaknesses {
        fact("weak", weakness.clone());
    }
    facts
}

/// The outcomes of DNS observations.
fn snooped(observations: &BTreeMap<String, u64>) -> String {
    if observations.is_empty() {
        return "nothing: dns.learn is false".to_owned();
    }
    let some = observations.iter().filter(|(_, count)| **count > 0);
    let some: Vec<String> = some
        .map(|(word, count)| format!("{word} {count}"))
        .collect();
    or_dash(some.join(", "))
}

fn pinned_facts(pinned: &Pinned) -> Table {
    let mut facts = Table::headless(2);
    let mut fact = |what: &str, text: String| facts.row([what.to_owned(), text]);
    fact("policy", format!("generation {}", pinned.generation));
    fact("mode", pinned.mode.word().to_owned());
    fact("default", default(pinned.default_allow).to_owned());
    fact("hooks", words(&pinned.hooks));
    add_counters(&pinned.counters, &mut fact);
    facts
}

fn words(hooks: &[Hook]) -> String {
    list(hooks.iter().map(|hook| hook.word()))
}

fn default(allow: bool) -> &'static str {
    if allow { "allow" } else { "deny" }
}

/// The protected set in one line.
fn protected(tags: &TagsStatus) -> String {
    let date = tags.date.as_deref().unwrap_or("date not known");
    let age = tags.age_days.map_or(String::new(), |days| {
        format!(
            ", {}",
            count(
                usize::try_from(days).unwrap_or(usize::MAX),
                "day old",
                "days old"
            )
        )
    });
    let mut names = tags.names.clone();
    names.extend(tags.cidrs.iter().cloned());
    format!(
        "{} (cloud {}; {}: change {}, {date}{age}; {} IPv4 and {} IPv6 prefixes)",
        names.join(" "),
        tags.cloud,
        tags.source,
        tags.change_number,
        tags.ipv4_prefixes,
        tags.ipv6_prefixes
    )
}

/// Adds the denied attempts, and those that audit mode allowed.
fn add_counters(counters: &Counters, fact: &mut impl FnMut(&str, String)) {
    let mut denied = attempts(counters, "deny");
    if counters.suppressed_events > 0 {
        denied = format!(
            "{denied}; {} only in summary events",
            counters.suppressed_events
        );
    }
    if counters.lost_events > 0 {
        denied = format!("{denied}; {} without an event", counters.lost_events);
    }
    fact("denied", denied);
    if counters.judged("audit") > 0 {
        fact("audited", attempts(counters, "audit"));
    }
}

/// Returns the attempts with `verdict` by reason, the most frequent first, and their number of packets and calls.
fn attempts(counters: &Counters, verdict: &str) -> String {
    let mut reasons: Vec<(&str, u64)> = Vec::new();
    let counts = counters.counts.iter();
    for count in counts.filter(|count| count.verdict == verdict && count.attempts > 0) {
        match reasons
            .iter_mut()
            .find(|(reason, _)| *reason == count.reason)
        {
            Some((_, sum)) => *sum += count.attempts,
            None => reasons.push((&count.reason, count.attempts)),
        }
    }
    reasons.sort_by_key(|(_, sum)| std::cmp::Reverse(*sum));
    let parts: Vec<String> = reasons
        .iter()
        .map(|(reason, sum)| format!("{reason} {sum}"))
        .collect();
    let attempts = counters.attempts(verdict);
    let text = match counters.judged(verdict) {
        0 => return "0".to_owned(),
        packets => format!("{attempts} attempts, {packets} packets and calls"),
    };
    if parts.is_empty() {
        return text;
    }
    format!("{text} ({})", parts.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::test_data;

    #[test]
    fn the_text_has_facts_tables_and_alarms() {
        let expected = "\
enforcing
  daemon     version 0.1.0, process 4711, since 2026-01-01T00:00:00Z
  policy     /etc/egress-enforcer/config.toml, generation 7, applied 2026-01-01T00:10:00Z
  mode       enforce
  default    allow
  scope      /sys/fs/cgroup
  hooks      egress connect4 connect6 sendmsg4 sendmsg6
  frames     off
  protected  Storage AzureContainerRegistry 198.51.100.0/24 (cloud public; the bundle in the binary: change 375, 2025-10-28, 65 days old; 100 IPv4 and 50 IPv6 prefixes)
  resolvers  10.0.0.53:53
  snooped    allowed 5
  denied     3 attempts, 5 packets and calls (storage 2, registry 1); 6 only in summary events; 2 without an event
  audited    2 attempts, 9 packets and calls (storage 2)

  NAME                            KIND       ADDRESSES                                                            STATE
  contoso.azurecr.io              login      20.42.66.0 20.42.66.1 2603:1030::66 20.42.66.13 (/etc/hosts line 3)  ok
  contoso.eastus.data.azurecr.io  data       -                                                                    failing since 2026-01-01T00:05:00Z: no resolver answered in time
  logs.blob.core.windows.net      exception  -                                                                    not resolved yet

  SOURCE                             OF                  CONFIRMED             STATE
  /etc/egress-enforcer/contoso.json  contoso.azurecr.io  2026-01-01T00:04:00Z  failing since 2026-01-01T00:06:00Z: contoso.json: has no data endpoint

  EXCEPTION FOR       CGROUPS                      UNTIL                 PREFIXES  REASON
  unit agent.service  /system.slice/agent.service  2027-01-31T00:00:00Z  -         logs

alarm since 2026-01-01T00:05:00Z: contoso.eastus.data.azurecr.io does not resolve
";
        assert_eq!(
            StatusReport::of_daemon(test_data::status()).to_string(),
            expected
        );
    }

    #[test]
    fn each_weakness_has_a_line() {
        let mut status = test_data::status();
        let weak = ["contoso.azurecr.io", "the exception for unit agent.service"];
        status.weaknesses = weak
            .map(|whose| format!("{whose} has sni = \"off\""))
            .to_vec();
        let text = StatusReport::of_daemon(status).to_string();
        let lines: Vec<_> = text
            .lines()
            .filter(|line| line.starts_with("  weak "))
            .collect();
        let expected = weak.map(|whose| format!("  weak       {whose} has sni = \"off\""));
        assert_eq!(lines, expected);
    }
}
