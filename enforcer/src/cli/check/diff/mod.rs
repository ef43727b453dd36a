//! `check --diff`: what a configuration would change of the policy in force.

mod already_allows;
mod facts;
mod kind;
mod would_allow;

use std::collections::BTreeMap;
use std::fmt::{self, Display, Formatter};
use std::path::Path;

use anyhow::Result;
use jiff::Timestamp;
use serde::Serialize;

use self::already_allows::already_allows;
use self::facts::{Fact, Facts};
use self::kind::Kind;
use self::would_allow::AllowedDenial;
use crate::cli::args::Since;
use crate::cli::config_file::ConfigFile;
use crate::cli::daemon_client::{events_since, status, wait_for};
use crate::cli::table::Table;
use crate::control::client;
use crate::core::Status;
use crate::doctor::host::configuration::read_sources;
use crate::sources::{Source, Sources};

/// Whether a difference allows more.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub(super) enum Effect {
    /// It allows more.
    Weaker,
    /// It allows less.
    Stricter,
}

/// What is not compared: it decides nothing by itself, or the status does not report it.
const NOT_COMPARED: &str = "[azure], [metrics], [log], [paths], and the prefixes of service tags but for their change number";
/// The same for a daemon of an earlier version.
const NOT_COMPARED_EARLIER: &str = "protect.nat64, registry.private-endpoints, registry.resource-id, discovery, exception.sni, dns, \
    frames.interfaces and forwarding and files of sources, which the daemon is too old to report, and [azure], [metrics], [log], [paths], \
    and the prefixes of service tags but for their change number";

/// One difference.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub(super) struct Difference {
    /// Whether the policy becomes weaker or stricter.
    effect: Effect,
    /// What differs.
    kind: &'static str,
    /// The name, prefix, tag or exception; empty for what there is once.
    subject: String,
    /// The value in force; `None` if it is new.
    old: Option<String>,
    /// The new value; `None` if it goes.
    new: Option<String>,
}

/// All differences, the weaker ones first.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
#[cfg_attr(test, schemars(rename = "CheckDiff"))]
pub(in crate::cli) struct Diff {
    /// What differs from the policy in force.
    differences: Vec<Difference>,
    /// What is not compared.
    not_compared: &'static str,
    /// Past denials that would be allowed.
    would_allow: Vec<AllowedDenial>,
}

impl Diff {
    /// Compares the configuration in `file` with the policy that the daemon enforces, and with the events that it holds.
    ///
    /// # Errors
    /// If no daemon answers, or the configuration is invalid.
    pub(super) fn of(config: &ConfigFile, file: &Path, since: Option<Since>) -> Result<Self> {
        let now = Timestamp::now();
        let sources = read_sources(Source::File(file.to_owned()))?;
        let paths = config.paths()?;
        let status = status(&paths)?;
        let mut events = match since {
            Some(Since::Time(time)) => events_since(&paths, time.resolve(now))?,
            Some(Since::Event(sequence)) => wait_for(client::events(&paths.runtime, sequence))??,
            None => events_since(&paths, Timestamp::MIN)?,
        };
        events.retain(|event| !already_allows(&status, event));
        let old = Facts::of_status(&status);
        let not_compared = match old.has_settings() {
            true => NOT_COMPARED,
            false => NOT_COMPARED_EARLIER,
        };
        Ok(Self {
            differences: differences(&old, Facts::of_sources(&sources, now)),
            not_compared,
            would_allow: would_allow::find(&sources, &events, now)?,
        })
    }

    /// Whether anything would be allowed that is not now.
    pub(super) fn is_weaker(&self) -> bool {
        let mut differences = self.differences.iter();
        !self.would_allow.is_empty()
            || differences.any(|difference| difference.effect == Effect::Weaker)
    }
}

/// Says what differs between what the daemon enforces and a configuration.
pub(in crate::cli) fn in_words(status: &Status, sources: &Sources, now: Timestamp) -> Vec<String> {
    let (old, new) = (Facts::of_status(status), Facts::of_sources(sources, now));
    let found = differences(&old, new).into_iter();
    // Service tags at run time are newer than the configuration's.
    let found = found.filter(|difference| difference.kind != Kind::Tags.word());
    found
        .map(|difference| difference.cells().join(" "))
        .collect()
}

fn differences(old: &Facts, mut new: Facts) -> Vec<Difference> {
    if !old.has_settings() {
        new.forget_settings();
    }
    let pairs: BTreeMap<&Fact, (Option<&String>, Option<&String>)> = old
        .0
        .keys()
        .chain(new.0.keys())
        .map(|fact| (fact, (old.0.get(fact), new.0.get(fact))))
        .collect();
    let differing = pairs.into_iter().filter(|(_, (old, new))| old != new);
    let difference = |(fact, (old, new)): (&Fact, (Option<&String>, Option<&String>))| {
        let weaker = fact
            .kind
            .is_weaker(old.map(String::as_str), new.map(String::as_str));
        Difference {
            effect: if weaker {
                Effect::Weaker
            } else {
                Effect::Stricter
            },
            kind: fact.kind.word(),
            subject: fact.subject.clone(),
            old: old.cloned(),
            new: new.cloned(),
        }
    };
    let mut found: Vec<_> = differing.map(difference).collect();
    found.sort_by_key(|difference| difference.effect);
    found
}

impl Display for Diff {
    fn fmt(&self, formatter: &mut Formatter<'_>) -> fmt::Result {
        if self.differences.is_empty() {
            writeln!(formatter, "no difference from the policy in force")?;
        }
        writeln!(formatter, "not compared: {}", self.not_compared)?;
        for (effect, head) in [
            (Effect::Weaker, "weaker: it would allow more"),
            (Effect::Stricter, "stricter: it would allow less"),
        ] {
            let found = self.differences.iter();
            let found: Vec<_> = found.filter(|one| one.effect == effect).collect();
            if found.is_empty() {
                continue;
            }
            writeln!(formatter, "{head}")?;
            let mut table = Table::headless(2);
            found.iter().for_each(|one| table.row(one.cells()));
            write!(formatter, "{table}")?;
        }
        if self.would_allow.is_empty() {
            return Ok(());
        }
        writeln!(formatter, "denials of the past that it would allow")?;
        let mut table = Table::new(2, ["DENIALS", "UNIT", "DESTINATION", "NAME", "REASON"]);
        self.would_allow
            .iter()
            .for_each(|one| table.row(one.cells()));
        write!(formatter, "{table}")
    }
}

impl Difference {
    fn cells(&self) -> [String; 3] {
        let what = match self.subject.as_str() {
            "" => self.kind.to_owned(),
            subject => format!("{} {subject}", self.kind),
        };
        let shown = |value: &Option<String>| value.clone().unwrap_or_default();
        let (mark, values) = match (&self.old, &self.new) {
            (None, new) => ("+", shown(new)),
            (old, None) => ("-", shown(old)),
            (old, new) => ("~", format!("{} → {}", shown(old), shown(new))),
        };
        [mark.to_owned(), what, values]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::SettingKey;

    fn facts(facts: &[(Kind, &str, &str)]) -> Facts {
        let facts = facts.iter().map(|(kind, subject, value)| {
            let subject = (*subject).to_owned();
            (
                Fact {
                    kind: *kind,
                    subject,
                },
                (*value).to_owned(),
            )
        });
        Facts(facts.collect())
    }

    #[test]
    fn weaker_differences_come_first() {
        let old = facts(&[
            (Kind::Mode, "", "enforce"),
            (Kind::Name, "contoso.azurecr.io", "configuration"),
            (Kind::Prefix, "203.0.113.0/24", ""),
            (
                Kind::Exception,
                "unit a.service: 198.51.100.0/24",
                "until 2027-01-31T00:00:00Z",
            ),
        ]);
        let new = facts(&[
            (Kind::Mode, "", "audit"),
            (Kind::Name, "fabrikam.azurecr.io", "configuration"),
            (Kind::Prefix, "192.0.2.0/24", ""),
            (
                Kind::Exception,
                "unit a.service: 198.51.100.0/24",
                "until 2028-01-31T00:00:00Z",
            ),
        ]);
        let diff = Diff {
            differences: differences(&old, new),
            not_compared: NOT_COMPARED,
            would_allow: Vec::new(),
        };
        assert!(diff.is_weaker());
        let text = diff.to_string();
        let lines: Vec<_> = text.lines().map(str::trim_end).collect();
        assert!(lines[0].starts_with("not compared: [azure]"));
        assert_eq!(lines[1], "weaker: it would allow more");
        assert!(
            lines[2].contains("~  mode") && lines[2].ends_with("enforce → audit"),
            "{text}"
        );
        let at = |words: &str| lines.iter().position(|line| line.contains(words)).unwrap();
        let stricter = at("stricter:");
        for words in [
            "+  name fabrikam",
            "-  prefix 203.0.113.0/24",
            "~  exception",
        ] {
            assert!(at(words) < stricter, "{words}: {text}");
        }
        for words in ["-  name contoso", "+  prefix 192.0.2.0/24"] {
            assert!(at(words) > stricter, "{words}: {text}");
        }
    }

    #[test]
    fn equal_facts_have_no_difference() {
        let both = || facts(&[(Kind::Mode, "", "enforce")]);
        assert_eq!(differences(&both(), both()), []);
    }

    #[test]
    fn settings_are_compared_where_the_daemon_reports_them() {
        let linger = |seconds| facts(&[(Kind::Setting(SettingKey::Linger), "", seconds)]);
        let found = differences(&linger("90"), linger("900"));
        assert_eq!(found.len(), 1);
        assert_eq!(found[0].effect, Effect::Weaker);
        assert_eq!(found[0].cells()[1], "dns.linger");
        assert_eq!(differences(&facts(&[]), linger("900")), []);
    }
}
