//! Whether the configuration is valid and fits into the kernel's maps, and whether the clock is right.

use std::collections::BTreeSet;

use anyhow::Result;
use jiff::Timestamp;
use jiff::tz::Offset;

use super::inputs::Host;
use crate::azure::bundle;
use crate::config::{self, Cloud, EndpointPattern, Exception, FramesMode};
use crate::doctor::check::Check;
use crate::name::Name;
use crate::policy::{ExceptionInput, Inputs, NameInput, Protected, compile, compile_tables};
use crate::printable::error_chain;
use crate::sources::{Options, Source, Sources};

/// Reads a configuration and the files that it names, as `run` would.
///
/// # Errors
/// The errors with which `run` would refuse it.
pub(crate) fn read_sources(source: Source) -> Result<Sources> {
    Sources::read(&Options {
        source,
        audit: false,
        ephemeral: false,
        scope: None,
    })
}

/// Reads the configuration of `host` as `run` would, or the empty one if there is none; `None` if it cannot be read, which [`check`] reports.
pub(super) fn configured_sources(host: &Host<'_>) -> Option<Sources> {
    let source = if host.is_unconfigured {
        let empty = config::parse("registry = []\n", host.file).ok()?;
        Source::CommandLine(Box::new(empty))
    } else {
        Source::File(host.file.to_owned())
    };
    read_sources(source).ok()
}

/// Checks that the configuration is one that `run` accepts.
pub(in crate::doctor) fn check(host: &Host<'_>) -> Check {
    let id = "configuration";
    let file = host.file.display();
    if host.is_unconfigured {
        return Check::new(id, true, format!("none yet at {file}"), "");
    }
    let sources = read_sources(Source::File(host.file.to_owned()));
    match sources.and_then(|sources| check_capacity(&sources)) {
        Ok(()) => Check::new(id, true, format!("{file} is valid"), ""),
        Err(error) => {
            let fix = "fix it, and run `egress-enforcer check`";
            Check::new(id, false, error_chain(&error), fix)
        }
    }
}

/// Checks that the clock is not before the publication of the bundle, which is older than this binary.
///
/// # Errors
/// If the bundle cannot be read.
pub(super) fn check_clock(now: Timestamp) -> Result<Check> {
    let bundle = bundle::load(Cloud::default())?;
    let earliest = bundle
        .date
        .and_then(|date| Offset::UTC.to_timestamp(date.at(0, 0, 0, 0)).ok());
    let is_plausible = earliest.is_none_or(|earliest| earliest <= now);
    let fix = "set the clock (timedatectl set-ntp true): the ends of exceptions and the age of service tags depend on it";
    Ok(Check::new("clock", is_plausible, format!("{now:.0}"), fix))
}

/// Checks that the policy fits into the kernel's maps, by compiling it without addresses from DNS; each exception gets a cgroup id that no
/// cgroup has.
///
/// # Errors
/// If it does not fit.
pub(crate) fn check_capacity(sources: &Sources) -> Result<()> {
    let protected = Protected {
        layers: sources.layers()?,
        nat64: sources.config.protect.nat64.clone(),
        exempt: Vec::new(),
    };
    let exceptions = (1..).zip(&sources.config.exceptions);
    let input = |(cgroup, exception): (u64, &Exception)| ExceptionInput {
        cgroup,
        level: 1,
        deadline: u64::MAX,
        prefixes: exception.cidrs.clone(),
        bypasses_devices: exception.bypasses_devices,
        addresses: Vec::new(),
    };
    let inputs = Inputs {
        audit: false,
        default_allow: true,
        allowed: Vec::new(),
        exceptions: exceptions.map(input).collect(),
        names: names(sources),
        devices: sources.config.frames.mode != FramesMode::Off,
        ..Inputs::default()
    };
    compile(&inputs, compile_tables(&protected)?)?;
    Ok(())
}

/// Returns each allowed name and pattern once, without addresses.
fn names(sources: &Sources) -> Vec<NameInput> {
    let registries = sources.endpoints.iter().flatten();
    let registries = registries.map(|endpoint| endpoint.name.as_str());
    let config = &sources.config;
    let patterns = config.registries.iter().flat_map(|one| &one.patterns);
    let patterns = patterns.map(EndpointPattern::as_str);
    let exceptions = config.exceptions.iter().flat_map(|one| &one.names);
    let exceptions = exceptions.map(Name::as_str);
    let all: BTreeSet<&str> = registries.chain(patterns).chain(exceptions).collect();
    let input = |name: &str| NameInput {
        text: name.to_owned(),
        ..NameInput::default()
    };
    all.into_iter().map(input).collect()
}

#[cfg(test)]
mod tests {
    use enforcer_common::layout::{MAX_NAMES, MAX_PREFIXES};

    use super::*;
    use crate::config::Paths;

    /// Returns the check of a configuration file with `text`.
    fn check_text(text: &str) -> Check {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("config.toml");
        std::fs::write(&file, text).unwrap();
        check(&Host {
            file: &file,
            is_unconfigured: false,
            paths: Paths::default(),
            status: Ok(None),
        })
    }

    #[test]
    fn a_clock_before_the_publication_of_the_bundle_fails() {
        let is_ok = |text: &str| check_clock(text.parse().unwrap()).unwrap().is_ok();
        assert!(!is_ok("2020-01-01T00:00:00Z"));
        assert!(is_ok("2099-01-01T00:00:00Z"));
    }

    #[test]
    fn an_invalid_configuration_fails_with_its_line() {
        let check = check_text("mode = \"off\"");
        assert!(check.is_failed());
        assert!(check.message.contains("config.toml:1"), "{}", check.message);
    }

    #[test]
    fn more_names_than_the_maps_hold_fail() {
        let registries = (0..MAX_NAMES / 2).map(|number| {
            format!(
                "[[registry]]\nlogin-server = \"r{number}.azurecr.io\"\nregions = [\"eastus\"]\n"
            )
        });
        let most: String = registries.collect();
        assert!(check_text(&most).is_ok());
        let text = format!(
            "{most}[[registry]]\nlogin-server = \"more.azurecr.io\"\ndata-endpoints = [\"more.*.data.azurecr.io\"]\n"
        );
        let message = check_text(&text).message;
        assert!(message.contains("4098 allowed names"), "{message}");
        assert!(message.contains("4096"), "{message}");
    }

    #[test]
    fn more_prefixes_than_the_maps_hold_fail() {
        let prefixes: Vec<String> = (0..=MAX_PREFIXES)
            .map(|index| format!("\"2001:db8:{index:x}::/48\""))
            .collect();
        let text = format!(
            "registry = []\n[[exception]]\nreason = \"logs\"\nunit = \"agent.service\"\ncidrs = [{}]\nuntil = 2099-01-31T00:00:00Z\n",
            prefixes.join(", ")
        );
        let message = check_text(&text).message;
        assert!(message.contains("4097 prefixes of exceptions"), "{message}");
    }
}
