//! A report, and its last line.

use std::collections::BTreeMap;

use super::*;
use crate::report::{Step, UnitHistory};

/// A report with one check of each outcome, and a denial in the last hour.
pub(crate) fn report() -> Report {
    let time: Timestamp = "2026-11-30T12:00:00Z".parse().unwrap();
    let checks = vec![
        Check::new(
            "storage: TCP over IPv4",
            false,
            "20.38.98.10: not refused",
            "look",
        ),
        Check::new("storage: UDP over IPv4", true, "20.38.98.10: refused", ""),
        Check::unknown("IPv6", "this kernel has none", "nothing to do"),
    ];
    let text = String::from;
    Report {
        schema: SCHEMA,
        outcome: overall(&checks),
        time,
        host: Host {
            name: text("plant-7"),
            kernel: text("6.12.1"),
            machine: text("x86_64"),
            version: text("0.1.0"),
            daemon: None,
            programs_sha256: sha256(b""),
            device_programs_sha256: sha256(b""),
        },
        policy: Policy {
            file: PathBuf::from("/etc/egress-enforcer/config.toml"),
            sha256: None,
            generation: Some(3),
            applied: Some(time),
            tags_change_number: 401,
            protected_sha256: sha256(b""),
            protected_prefixes: 1,
            scope: Some(PathBuf::from("/sys/fs/cgroup")),
            default: DefaultAction::Allow,
            frames: FramesMode::On,
            registries: vec![text("contoso.azurecr.io")],
            exceptions: Vec::new(),
            weaknesses: Vec::new(),
        },
        parts: vec![Part::new("must be refused", checks)],
        history: History {
            steps: vec![Step {
                from: time,
                denials: BTreeMap::from([(text("storage"), 2)]),
            }],
            units: vec![UnitHistory {
                unit: text("agent.service"),
                reason: text("storage"),
                verdict: text("deny"),
                count: 2,
                last: time,
            }],
        },
    }
}

#[test]
fn the_last_line_counts_the_checks() {
    assert_eq!(
        report().to_string(),
        "NOT PROVED: 1 as required, 1 failed, 1 not tried"
    );
}

#[test]
fn digests_are_those_of_sha256sum() {
    let empty = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
    assert_eq!(sha256(b""), empty);
}
