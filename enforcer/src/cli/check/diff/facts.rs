//! What a policy consists of, so that two can be compared.

use std::collections::BTreeMap;
use std::path::Path;

use jiff::Timestamp;

use super::kind::{ANY_SERVER_NAME, Kind, default, frames, mode, server_names};
use crate::azure::endpoints::Provenance;
use crate::config::{DefaultAction, EndpointPattern, Exception, Setting, SettingKey, Sni};
use crate::core::{ExceptionStatus, NameStatus, SELF_EXCEPTION, Status};
use crate::sources::Sources;
use crate::sys::{Cgroup, cgroup_root};

/// The subject of a fact.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Fact {
    pub(super) kind: Kind,
    /// Empty for what a policy has once.
    pub(super) subject: String,
}

/// The facts of a policy with their values.
#[derive(Debug, Default)]
pub(super) struct Facts(pub(super) BTreeMap<Fact, String>);

impl Facts {
    /// The policy in force. Names that only a source at run time gives are left out: another configuration has them as well, or drops their registry.
    pub(super) fn of_status(status: &Status) -> Self {
        let mut facts = Self::default();
        facts.once(Kind::Mode, mode(status.mode));
        let action = match status.default_allow {
            true => DefaultAction::Allow,
            false => DefaultAction::Deny,
        };
        facts.once(Kind::Default, default(action));
        facts.once(Kind::Scope, &status.scope.display().to_string());
        facts.once(Kind::Frames, frames(status.frames));
        facts.once(Kind::Cloud, &status.tags.cloud);
        facts.once(Kind::Tags, &status.tags.change_number.to_string());
        facts.each(Kind::Tag, status.tags.names.iter().map(String::as_str));
        facts.each(Kind::Prefix, status.tags.cidrs.iter().map(String::as_str));
        for registry in &status.registries {
            let names = registry.names.iter().filter(|name| is_configured(name));
            let patterns = registry.patterns.iter();
            let patterns = patterns.map(|pattern| pattern.pattern.as_str());
            let names = names.map(|name| name.name.as_str()).chain(patterns);
            facts.names(names, registry.sni);
            let sni = server_names(registry.sni);
            facts.put(Kind::ServerNames, registry.login_server.as_str(), sni);
        }
        let exceptions = status.exceptions.iter();
        let is_configured =
            |exception: &&ExceptionStatus| !exception.ended && exception.reason != SELF_EXCEPTION;
        for exception in exceptions.filter(is_configured) {
            facts.exception_in_force(exception);
        }
        facts.settings(&status.settings);
        facts
    }

    /// The policy of a configuration.
    pub(super) fn of_sources(sources: &Sources, now: Timestamp) -> Self {
        let config = &sources.config;
        let mut facts = Self::default();
        facts.once(Kind::Mode, mode(config.mode));
        facts.once(Kind::Default, default(config.protect.default));
        facts.once(Kind::Scope, &scope(config.scope.as_deref()));
        facts.once(Kind::Frames, frames(config.frames.mode));
        facts.once(Kind::Cloud, &config.protect.cloud.to_string());
        facts.once(Kind::Tags, &sources.tags.change_number.to_string());
        facts.each(Kind::Tag, config.protect.tags.iter().map(String::as_str));
        let prefixes: Vec<_> = config
            .protect
            .cidrs
            .iter()
            .map(ToString::to_string)
            .collect();
        facts.each(Kind::Prefix, prefixes.iter().map(String::as_str));
        for (registry, endpoints) in config.registries.iter().zip(&sources.endpoints) {
            let patterns = registry.patterns.iter().map(EndpointPattern::as_str);
            let names = endpoints.iter().map(|endpoint| endpoint.name.as_str());
            facts.names(names.chain(patterns), registry.sni);
            let sni = server_names(registry.sni);
            facts.put(Kind::ServerNames, registry.login_server.as_str(), sni);
        }
        let exceptions = config.exceptions.iter();
        for exception in exceptions.filter(|exception| exception.until > now) {
            facts.exception(exception);
        }
        facts.settings(&config.settings(now));
        facts
    }

    /// Whether the policy has settings: a daemon of an earlier version does not report them.
    pub(super) fn has_settings(&self) -> bool {
        self.0
            .keys()
            .any(|fact| matches!(fact.kind, Kind::Setting(_)))
    }

    /// Forgets the settings, which the other side does not have.
    pub(super) fn forget_settings(&mut self) {
        self.0
            .retain(|fact, _| !matches!(fact.kind, Kind::Setting(_)));
    }

    /// Adds settings; one of a later version is not compared.
    fn settings(&mut self, settings: &[Setting]) {
        for setting in settings {
            if let Some(key) = SettingKey::from_word(&setting.key) {
                self.put(Kind::Setting(key), &setting.subject, &setting.value);
            }
        }
    }

    /// Adds names of a registry. One in two of them is not checked if one of these is not.
    fn names<'a>(&mut self, names: impl Iterator<Item = &'a str>, sni: Sni) {
        for name in names {
            let fact = Fact {
                kind: Kind::Name,
                subject: name.to_owned(),
            };
            let value = self.0.entry(fact).or_default();
            if sni == Sni::Off {
                *value = ANY_SERVER_NAME.to_owned();
            }
        }
    }

    fn exception(&mut self, exception: &Exception) {
        let names = exception.names.iter().map(ToString::to_string);
        let what = names.chain(exception.cidrs.iter().map(ToString::to_string));
        let target = exception.target.to_string();
        self.grants(&target, what, exception.bypasses_devices, exception.until);
    }

    fn exception_in_force(&mut self, exception: &ExceptionStatus) {
        let names = exception.names.iter().map(|name| name.name.to_string());
        let what = names.chain(exception.cidrs.iter().cloned());
        self.grants(
            &exception.target,
            what,
            exception.device_bypass,
            exception.until,
        );
    }

    /// Adds what an exception allows; of two for the same, the later end counts.
    fn grants(
        &mut self,
        target: &str,
        what: impl Iterator<Item = String>,
        bypasses_devices: bool,
        until: Timestamp,
    ) {
        let bypass = bypasses_devices.then(|| crate::config::DEVICE_BYPASS.to_owned());
        for what in what.chain(bypass) {
            let subject = format!("{target}: {what}");
            let fact = Fact {
                kind: Kind::Exception,
                subject,
            };
            let until = format!("until {until:.0}");
            let end = self.0.entry(fact).or_default();
            if *end < until {
                *end = until;
            }
        }
    }

    fn once(&mut self, kind: Kind, value: &str) {
        self.put(kind, "", value);
    }

    fn each<'a>(&mut self, kind: Kind, subjects: impl Iterator<Item = &'a str>) {
        subjects.for_each(|subject| self.put(kind, subject, ""));
    }

    fn put(&mut self, kind: Kind, subject: &str, value: &str) {
        let subject = subject.to_owned();
        self.0.insert(Fact { kind, subject }, value.to_owned());
    }
}

/// The directory of a configured cgroup, as the status names it; as written, if it does not exist.
fn scope(configured: Option<&Path>) -> String {
    let root = cgroup_root().unwrap_or_else(|_none| "/".into());
    let configured = configured.unwrap_or(&root);
    let opened = Cgroup::open(&root, configured);
    let path = opened.map_or_else(|_missing| configured.to_owned(), |cgroup| cgroup.path);
    path.display().to_string()
}

/// Whether a name is in the configuration or a file that it names.
fn is_configured(name: &NameStatus) -> bool {
    let discovered = Provenance::Discovered(String::new()).to_string();
    let manager = Provenance::Manager.to_string();
    name.origin != manager && !name.origin.starts_with(&discovered)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::test_data;

    #[test]
    fn a_scope_that_does_not_exist_is_not_the_whole_host() {
        let missing = Path::new("/sys/fs/cgroup/no-such.slice");
        assert_eq!(scope(Some(missing)), missing.display().to_string());
        assert_ne!(scope(None), scope(Some(missing)));
    }

    #[test]
    fn names_of_sources_at_run_time_are_left_out() {
        let mut status = test_data::status();
        let of = |status: &Status| {
            let facts = Facts::of_status(status);
            let names = facts.0.keys().filter(|fact| fact.kind == Kind::Name);
            names.count()
        };
        let all = of(&status);
        assert!(all > 1);
        status.registries[0].names[0].origin = Provenance::Manager.to_string();
        status.registries[0].names[1].origin =
            Provenance::Discovered("eastus".to_owned()).to_string();
        assert_eq!(of(&status), all - 2);
    }
}
