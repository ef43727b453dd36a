//! From the file as written to the validated configuration.

use std::ops::RangeInclusive;
use std::path::Path;
use std::time::Duration;

use ipnet::Ipv6Net;
use toml::Spanned;

use super::azure::{azure, discovery, poll};
use super::exception::exception;
use super::faults::Faults;
use super::prefix::closed;
use super::raw::{RawConfig, RawDns, RawPaths, RawProtect};
use super::registries::registries;
use super::value::{Absolute, File, Guid, Text, WrittenDuration};
use super::{Config, DefaultAction, Dns, Paths, Protect};

/// The shortest linger: with none, an address would close between the answer and the connection.
const MIN_LINGER: Duration = Duration::from_secs(1);
/// The longest linger: addresses of shared front ends are handed to other customers in the end.
const MAX_LINGER: Duration = Duration::from_hours(24);
/// Service tags are published weekly, so a shorter alarm could never be still.
const MIN_MAX_AGE: Duration = Duration::from_hours(7 * 24);

/// Validates `raw`; relative files count from `base`. What is wrong is added to `faults`: the configuration counts only without any.
pub(super) fn validate(raw: RawConfig, base: &Path, faults: &mut Faults) -> Config {
    if raw.registry.is_none() && !faults.is_left_out("registry") {
        faults.add(
            &(0..0),
            "no [[registry]] stands there; name one, or write registry = [] at the top when this host pulls from none",
        );
    }
    let protect = protect(raw.protect, base, faults);
    let mut exceptions = Vec::with_capacity(raw.exception.len());
    for raw in raw.exception {
        exceptions.extend(exception(raw, &protect.nat64, faults));
    }
    Config {
        mode: raw.mode,
        scope: raw.scope.map(|Text(Absolute(path))| path),
        registries: registries(raw.registry.unwrap_or_default(), &protect, base, faults),
        exceptions,
        protect,
        dns: dns(raw.dns, faults),
        azure: azure(raw.azure, base, faults),
        discovery: discovery(raw.discovery, faults),
        paths: paths(raw.paths),
        notes: Vec::new(),
    }
}

fn protect(raw: RawProtect, base: &Path, faults: &mut Faults) -> Protect {
    let defaults = Protect::default();
    let tags_at = raw.tags.as_ref().map(Spanned::span).unwrap_or_default();
    let tags = raw.tags.map(|tags| {
        tags.into_inner()
            .into_iter()
            .map(|Text(tag)| tag.0)
            .collect()
    });
    let nat64: Vec<Ipv6Net> = raw.nat64.into_iter().map(|Text(prefix)| prefix.0).collect();
    let protect = Protect {
        tags: tags.unwrap_or(defaults.tags),
        cloud: raw.cloud,
        service_tags: raw.service_tags.map(|Text(File(file))| base.join(file)),
        service_tags_url: raw.service_tags_url.map(|Text(url)| url),
        service_tags_subscription: raw.service_tags_subscription.map(|Text(Guid(guid))| guid),
        service_tags_poll: poll(raw.service_tags_poll, defaults.service_tags_poll, faults),
        cidrs: closed(raw.cidrs, &nat64, faults),
        default: raw.default,
        max_age: bounded(
            raw.max_age,
            defaults.max_age,
            MIN_MAX_AGE..=Duration::MAX,
            faults,
        ),
        nat64,
    };
    faults.check(&tags_at, nothing_closed(&protect, faults));
    protect
}

/// That nothing would be closed, unless what closes is faulty.
fn nothing_closed(protect: &Protect, faults: &Faults) -> Option<String> {
    let is_open = protect.tags.is_empty()
        && protect.cidrs.is_empty()
        && protect.default == DefaultAction::Allow;
    let closing = ["protect.tags", "protect.cidrs", "protect.default"];
    let is_faulty = closing.iter().any(|key| faults.is_left_out(key));
    (is_open && !is_faulty).then(|| {
        "nothing would be closed; list tags or cidrs, or set default = \"deny\"".to_owned()
    })
}

fn dns(raw: RawDns, faults: &mut Faults) -> Dns {
    let defaults = Dns::default();
    Dns {
        servers: values(raw.servers),
        linger: bounded(raw.linger, defaults.linger, MIN_LINGER..=MAX_LINGER, faults),
        answer_check: raw.answer_check,
        learn: raw.learn.unwrap_or(defaults.learn),
    }
}

pub(super) fn paths(raw: RawPaths) -> Paths {
    let defaults = Paths::default();
    let path = |path: Option<Text<Absolute>>| path.map(|Text(Absolute(path))| path);
    Paths {
        pins: path(raw.pins).unwrap_or(defaults.pins),
        state: path(raw.state).unwrap_or(defaults.state),
        runtime: path(raw.runtime).unwrap_or(defaults.runtime),
    }
}

/// The duration as written, or `default`; one out of `bounds` is a fault.
pub(super) fn bounded(
    written: Option<Spanned<Text<WrittenDuration>>>,
    default: Duration,
    bounds: RangeInclusive<Duration>,
    faults: &mut Faults,
) -> Duration {
    let Some(written) = written else {
        return default;
    };
    let at = written.span();
    let Text(WrittenDuration { value, unusual }) = written.into_inner();
    if let Some((text, usual)) = unusual {
        faults.note(
            &at,
            format!("\"{text}\" is read as \"{usual}\"; write that"),
        );
    }
    let problem = if value < *bounds.start() {
        let least = bounds.start().as_secs();
        Some(format!("{value:?} is too short; write at least {least}s"))
    } else if value > *bounds.end() {
        let most = bounds.end().as_secs();
        Some(format!("{value:?} is too long; write at most {most}s"))
    } else {
        None
    };
    faults.check(&at, problem);
    value
}

pub(super) fn values<T>(written: Vec<Text<T>>) -> Vec<T> {
    written.into_iter().map(|Text(value)| value).collect()
}
