//! Shared test data: a status and an event.

use enforcer_common::Hook;
use jiff::Timestamp;

use super::*;
use crate::config::{EndpointKind, FramesMode, Mode, Sni};

/// Returns a status with a value in every field that metrics show.
pub(crate) fn status() -> Status {
    let started = "2026-08-22T12:00:00Z".parse().unwrap();
    let resolved = "2026-08-22T12:00:01Z".parse().unwrap();
    Status {
        version: "0.1.0".to_owned(),
        pid: 42,
        started,
        mode: Mode::Audit,
        ephemeral: false,
        scope: "/sys/fs/cgroup/plant.slice".into(),
        hooks: vec![Hook::Egress],
        frames: FramesMode::Off,
        devices: Vec::new(),
        audited: Vec::new(),
        unit_denials: vec![UnitCount {
            unit: "build.service".to_owned(),
            reason: "storage".to_owned(),
            verdict: "deny".to_owned(),
            count: 5,
        }],
        generation: 7,
        applied: resolved,
        config: None,
        default_allow: true,
        dns_observations: [("allowed".to_owned(), 5)].into(),
        weaknesses: Vec::new(),
        settings: Vec::new(),
        lingering: Vec::new(),
        removed: Vec::new(),
        tags: tags(),
        sources: vec![source()],
        registries: vec![RegistryStatus {
            sni: Sni::Required,
            patterns: Vec::new(),
            login_server: "contoso.azurecr.io".parse().unwrap(),
            names: vec![login_server(resolved)],
        }],
        exceptions: vec![exception(started)],
        resolvers: vec!["10.0.0.53:53".to_owned()],
        alarms: vec![failing(started)],
        counters: Counters {
            counts: vec![
                count("egress", "allowed-name", "allow", [12, 0]),
                count("egress", "storage", "audit", [7, 2]),
                count("connect4", "storage", "deny", [3, 3]),
            ],
            lost_events: 1,
            suppressed_events: 4,
        },
    }
}

/// Returns a denial.
pub(crate) fn event() -> EventRecord {
    EventRecord {
        sequence: 0,
        time: "2026-08-22T12:00:02Z".parse().unwrap(),
        verdict: "deny".to_owned(),
        reason: "storage".to_owned(),
        message: None,
        old: None,
        new: None,
        destination: Some("20.60.0.4".parse().unwrap()),
        port: Some(443),
        protocol: "tcp".to_owned(),
        names: Vec::new(),
        server_name: None,
        queried_name: None,
        queried_by_other: false,
        hook: "connect4".to_owned(),
        device: None,
        source: None,
        option: None,
        pid: Some(42),
        uid: Some(1000),
        command: Some("azcopy".to_owned()),
        executable: Some("/usr/bin/azcopy".into()),
        cgroup: Some("/system.slice/plc.service".into()),
        unit: Some("plc.service".to_owned()),
        container: None,
        duplicates: 0,
    }
}

fn tags() -> TagsStatus {
    TagsStatus {
        cloud: "public".to_owned(),
        names: vec!["Storage".to_owned()],
        change_number: 401,
        date: Some("2026-08-10".to_owned()),
        age_days: Some(12),
        max_age_days: 90,
        source: "bundle".to_owned(),
        bundle: "change 403".to_owned(),
        ipv4_prefixes: 900,
        ipv6_prefixes: 80,
        cidrs: Vec::new(),
        added_by_api: 0,
        changed: None,
    }
}

fn source() -> SourceStatus {
    SourceStatus {
        kind: "endpoints-file".to_owned(),
        source: "/etc/egress-enforcer/contoso.json".to_owned(),
        registry: Some("contoso.azurecr.io".parse().unwrap()),
        confirmed: Some("2026-08-22T12:00:03Z".parse().unwrap()),
        next: None,
        failing: Some(Alarm {
            kind: "source-failing".to_owned(),
            since: "2026-08-22T12:00:04Z".parse().unwrap(),
            message: "contoso.json: has no data endpoint".to_owned(),
        }),
    }
}

fn login_server(resolved: Timestamp) -> NameStatus {
    NameStatus {
        name: "contoso.azurecr.io".parse().unwrap(),
        kind: Some(EndpointKind::LoginServer),
        origin: "login-server".to_owned(),
        confirmed: None,
        addresses: vec![AddressStatus {
            address: "20.62.128.1".parse().unwrap(),
            first_seen: resolved,
            last_seen: resolved,
            remaining: 900,
            untagged: false,
            snooped: false,
            lingers: false,
            hosts_line: None,
        }],
        chain: Vec::new(),
        resolved: Some(resolved),
        failing: None,
        refused: vec!["20.60.0.9 lies in Storage".to_owned()],
    }
}

fn exception(since: Timestamp) -> ExceptionStatus {
    ExceptionStatus {
        reason: "uploads \"logs\"".to_owned(),
        target: "agent.service".to_owned(),
        cgroups: Vec::new(),
        names: vec![NameStatus {
            name: "logs.blob.core.windows.net".parse().unwrap(),
            kind: None,
            origin: "exception".to_owned(),
            confirmed: None,
            addresses: Vec::new(),
            chain: Vec::new(),
            resolved: None,
            failing: Some(failing(since)),
            refused: Vec::new(),
        }],
        cidrs: Vec::new(),
        sni: crate::config::Sni::Required,
        device_bypass: false,
        until: "2027-01-31T00:00:00Z".parse().unwrap(),
        ended: false,
    }
}

fn failing(since: Timestamp) -> Alarm {
    Alarm {
        kind: "name-failing".to_owned(),
        since,
        message: "logs.blob.core.windows.net does not resolve".to_owned(),
    }
}

fn count(hook: &str, reason: &str, verdict: &str, [count, attempts]: [u64; 2]) -> Count {
    Count {
        hook: hook.to_owned(),
        reason: reason.to_owned(),
        verdict: verdict.to_owned(),
        count,
        attempts,
    }
}
