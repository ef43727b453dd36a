//! The tables of the status: names, sources, exceptions and network devices.

use std::net::SocketAddr;

use crate::cli::format::{instant, kind, list, or_dash};
use crate::cli::table::Table;
use crate::config::{DEVICE_BYPASS, Forwarded};
use crate::core::{
    Alarm, AuditedDestination, DeviceStatus, ExceptionStatus, NameStatus, SourceStatus, Status,
};

/// Returns the names of registries and exceptions, with their addresses.
pub(super) fn names(status: &Status) -> Table {
    let mut names = Table::new(2, ["NAME", "KIND", "ADDRESSES", "STATE"]);
    let registries = status
        .registries
        .iter()
        .flat_map(|registry| &registry.names);
    let exceptions = status
        .exceptions
        .iter()
        .flat_map(|exception| &exception.names);
    for name in registries.chain(exceptions) {
        let addresses = name.addresses.iter().map(|address| {
            let line = address.hosts_line.and_then(|_| address.given_by());
            let line = line.map_or(String::new(), |line| format!(" ({line})"));
            format!("{}{line}", address.address)
        });
        names.row([
            name.name.to_string(),
            kind(name.kind).to_owned(),
            or_dash(list(addresses)),
            name_state(name),
        ]);
    }
    names
}

/// Returns how the resolution of a name stands.
pub(in crate::cli) fn name_state(name: &NameStatus) -> String {
    if let Some(alarm) = &name.failing {
        return failing(alarm);
    }
    if name.resolved.is_none() && name.addresses.is_empty() {
        return "not resolved yet".to_owned();
    }
    if name.resolved.is_none() {
        return "addresses of an earlier run".to_owned();
    }
    match name.refused.len() {
        0 => "ok".to_owned(),
        refused => format!("{refused} refused: see `endpoints`"),
    }
}

/// Returns the network devices.
pub(super) fn devices(devices: &[DeviceStatus]) -> Table {
    let mut table = Table::new(2, ["DEVICE", "STATE"]);
    for device in devices {
        let reason = device.reason.as_ref();
        let reason = reason.map_or(String::new(), |reason| format!(": {reason}"));
        let restored = device.restored;
        let restored = restored.map_or(String::new(), |at| {
            format!("; filters restored at {}", instant(at))
        });
        let forwarded = match device.forwarded {
            None | Some(Forwarded::Enforce) => "",
            Some(Forwarded::Audit) => "; forwards for others: denied frames are reported, and pass",
            Some(Forwarded::Pass) => "; forwards for others: denied frames pass",
        };
        table.row([
            device.name.clone(),
            format!("{}{reason}{restored}{forwarded}", device.state.word()),
        ]);
    }
    table
}

/// Returns where frames go that enforcement would cut.
pub(super) fn audited(destinations: &[AuditedDestination]) -> Table {
    let mut table = Table::new(
        2,
        [
            "WOULD BE DENIED",
            "PROTOCOL",
            "REASON",
            "DEVICE",
            "FRAMES",
            "LAST",
        ],
    );
    for one in destinations {
        let destination = match one.port {
            Some(port) => SocketAddr::new(one.destination, port).to_string(),
            None => one.destination.to_string(),
        };
        table.row([
            destination,
            one.protocol.clone(),
            one.reason.clone(),
            or_dash(one.device.clone().unwrap_or_default()),
            one.frames.to_string(),
            instant(one.last),
        ]);
    }
    table
}

/// Returns the exceptions, with the cgroups that they apply to.
pub(super) fn exceptions(exceptions: &[ExceptionStatus]) -> Table {
    let mut table = Table::new(
        2,
        ["EXCEPTION FOR", "CGROUPS", "UNTIL", "PREFIXES", "REASON"],
    );
    for exception in exceptions {
        let bypass = exception.device_bypass.then(|| DEVICE_BYPASS.to_owned());
        let prefixes = exception
            .cidrs
            .iter()
            .map(ToString::to_string)
            .chain(bypass);
        let ended = if exception.ended { " (ended)" } else { "" };
        let cgroups = exception.cgroups.iter().map(|path| path.display());
        table.row([
            exception.target.clone(),
            or_dash(list(cgroups)),
            format!("{}{ended}", instant(exception.until)),
            or_dash(list(prefixes)),
            exception.reason.clone(),
        ]);
    }
    table
}

/// Returns the sources that can change while the daemon runs.
pub(super) fn sources(sources: &[SourceStatus]) -> Table {
    let mut table = Table::new(2, ["SOURCE", "OF", "CONFIRMED", "STATE"]);
    for source in sources {
        let registry = source.registry.as_ref();
        table.row([
            origin(source),
            registry.map_or("service tags".to_owned(), ToString::to_string),
            or_dash(source.confirmed.map(instant).unwrap_or_default()),
            source_state(source),
        ]);
    }
    table
}

fn origin(source: &SourceStatus) -> String {
    match source.kind.as_str() {
        "dns-discovery" => "DNS".to_owned(),
        "service-tags-api" => format!("Discovery API, subscription {}", source.source),
        _ => source.source.clone(),
    }
}

fn source_state(source: &SourceStatus) -> String {
    if let Some(alarm) = &source.failing {
        return failing(alarm);
    }
    match (source.confirmed, source.next) {
        (None, _) => "not queried yet".to_owned(),
        (Some(_), None) => "ok, watched".to_owned(),
        (Some(_), Some(next)) => format!("ok, next {}", instant(next)),
    }
}

fn failing(alarm: &Alarm) -> String {
    format!("failing since {}: {}", instant(alarm.since), alarm.message)
}
