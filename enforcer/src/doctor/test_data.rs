//! A daemon's status, for tests.

use std::path::PathBuf;

use enforcer_common::Hook;
use jiff::Timestamp;

use crate::config::{EndpointKind, Forwarded, FramesMode, Mode, Sni};
use crate::core::{
    AddressStatus, Alarm, Count, Counters, DeviceState, DeviceStatus, EventRecord, ExceptionStatus,
    NameStatus, PatternStatus, RegistryStatus, SourceStatus, Status, TagsStatus,
};

pub(crate) fn at(minutes_and_seconds: &str) -> Timestamp {
    format!("2026-01-01T00:{minutes_and_seconds}Z")
        .parse()
        .unwrap()
}

pub(crate) fn status() -> Status {
    Status {
        version: "0.1.0".to_owned(),
        pid: 4711,
        started: at("00:00"),
        mode: Mode::Enforce,
        ephemeral: false,
        scope: PathBuf::from("/sys/fs/cgroup"),
        hooks: Hook::CGROUP.to_vec(),
        frames: FramesMode::Off,
        devices: Vec::new(),
        audited: Vec::new(),
        unit_denials: Vec::new(),
        generation: 7,
        applied: at("10:00"),
        config: Some(PathBuf::from("/etc/egress-enforcer/config.toml")),
        default_allow: true,
        dns_observations: [("allowed".to_owned(), 5)].into(),
        weaknesses: Vec::new(),
        settings: Vec::new(),
        lingering: Vec::new(),
        removed: Vec::new(),
        tags: tags(),
        sources: vec![source()],
        registries: vec![registry()],
        exceptions: vec![exception()],
        resolvers: vec!["10.0.0.53:53".to_owned()],
        alarms: vec![Alarm {
            kind: "name-failing".to_owned(),
            since: at("05:00"),
            message: "contoso.eastus.data.azurecr.io does not resolve".to_owned(),
        }],
        counters: counters(),
    }
}

/// Returns network devices in each state.
pub(crate) fn devices() -> Vec<DeviceStatus> {
    let device = |index, name: &str, state, reason: Option<&str>| DeviceStatus {
        name: name.to_owned(),
        index,
        state,
        reason: reason.map(str::to_owned),
        restored: (index == 2).then(|| at("08:00")),
        forwarded: (name == "eth0").then_some(Forwarded::Audit),
    };
    let unreadable = "frames of type 32 cannot be read";
    vec![
        device(1, "lo", DeviceState::Skipped, Some("loopback")),
        device(2, "eth0", DeviceState::Filtered, None),
        device(3, "ib0", DeviceState::Unfiltered, Some(unreadable)),
    ]
}

fn counters() -> Counters {
    Counters {
        counts: vec![
            counted("egress", "registry", "deny", [1, 1]),
            counted("egress", "storage", "deny", [3, 1]),
            counted("egress", "storage", "audit", [9, 2]),
            counted("egress", "local", "allow", [90, 0]),
            counted("connect4", "storage", "deny", [1, 1]),
        ],
        lost_events: 2,
        suppressed_events: 6,
    }
}

fn registry() -> RegistryStatus {
    RegistryStatus {
        sni: Sni::Required,
        patterns: vec![PatternStatus {
            pattern: "contoso.*.data.azurecr.io".to_owned(),
            addresses: vec!["20.42.66.2".parse().unwrap()],
        }],
        login_server: "contoso.azurecr.io".parse().unwrap(),
        names: vec![login(), data()],
    }
}

pub(crate) fn event() -> EventRecord {
    EventRecord {
        sequence: 9,
        time: at("12:00.123456789"),
        verdict: "deny".to_owned(),
        reason: "storage".to_owned(),
        message: None,
        old: None,
        new: None,
        destination: Some("20.38.98.100".parse().unwrap()),
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
        pid: Some(1234),
        uid: Some(0),
        command: Some("curl".to_owned()),
        executable: Some(PathBuf::from("/usr/bin/curl")),
        cgroup: Some(PathBuf::from("/system.slice/build.service")),
        unit: Some("build.service".to_owned()),
        container: None,
        duplicates: 4,
    }
}

fn counted(hook: &str, reason: &str, verdict: &str, [count, attempts]: [u64; 2]) -> Count {
    Count {
        hook: hook.to_owned(),
        reason: reason.to_owned(),
        verdict: verdict.to_owned(),
        count,
        attempts,
    }
}

fn tags() -> TagsStatus {
    TagsStatus {
        cloud: "public".to_owned(),
        names: ["Storage", "AzureContainerRegistry"]
            .map(str::to_owned)
            .to_vec(),
        change_number: 375,
        date: Some("2025-10-28".to_owned()),
        age_days: Some(65),
        max_age_days: 90,
        source: "the bundle in the binary".to_owned(),
        bundle: "change 375, published 2025-10-28, generated from ServiceTags_Public_20251028.json"
            .to_owned(),
        ipv4_prefixes: 100,
        ipv6_prefixes: 50,
        cidrs: vec!["198.51.100.0/24".to_owned()],
        added_by_api: 0,
        changed: None,
    }
}

fn source() -> SourceStatus {
    SourceStatus {
        kind: "endpoints-file".to_owned(),
        source: "/etc/egress-enforcer/contoso.json".to_owned(),
        registry: Some("contoso.azurecr.io".parse().unwrap()),
        confirmed: Some(at("04:00")),
        next: None,
        failing: Some(Alarm {
            kind: "source-failing".to_owned(),
            since: at("06:00"),
            message: "contoso.json: has no data endpoint".to_owned(),
        }),
    }
}

fn name(name: &str, kind: Option<EndpointKind>, origin: &str) -> NameStatus {
    NameStatus {
        name: name.parse().unwrap(),
        kind,
        origin: origin.to_owned(),
        confirmed: None,
        addresses: Vec::new(),
        chain: Vec::new(),
        resolved: None,
        failing: None,
        refused: Vec::new(),
    }
}

fn address(address: &str, untagged: bool) -> AddressStatus {
    AddressStatus {
        address: address.parse().unwrap(),
        first_seen: at("00:01"),
        last_seen: at("09:55"),
        remaining: 895,
        untagged,
        snooped: false,
        lingers: false,
        hosts_line: None,
    }
}

fn login() -> NameStatus {
    NameStatus {
        addresses: vec![
            address("20.42.66.0", false),
            AddressStatus {
                snooped: true,
                ..address("20.42.66.1", false)
            },
            address("2603:1030::66", true),
            AddressStatus {
                hosts_line: Some(3),
                ..address("20.42.66.13", false)
            },
        ],
        chain: vec![
            "eus-1.fe.azcr.io".parse().unwrap(),
            "fe.trafficmanager.net".parse().unwrap(),
        ],
        resolved: Some(at("09:55")),
        ..name(
            "contoso.azurecr.io",
            Some(EndpointKind::LoginServer),
            "configuration",
        )
    }
}

fn data() -> NameStatus {
    NameStatus {
        failing: Some(Alarm {
            kind: "name-failing".to_owned(),
            since: at("05:00"),
            message: "no resolver answered in time".to_owned(),
        }),
        refused: vec!["52.239.169.228: it is in Storage".to_owned()],
        ..name(
            "contoso.eastus.data.azurecr.io",
            Some(EndpointKind::Data),
            "region eastus",
        )
    }
}

fn exception() -> ExceptionStatus {
    ExceptionStatus {
        reason: "logs".to_owned(),
        target: "unit agent.service".to_owned(),
        cgroups: vec![PathBuf::from("/system.slice/agent.service")],
        names: vec![name("logs.blob.core.windows.net", None, "exception")],
        cidrs: Vec::new(),
        sni: crate::config::Sni::Required,
        device_bypass: false,
        until: "2027-01-31T00:00:00Z".parse().unwrap(),
        ended: false,
    }
}
