//! The result of a proof.

use std::fmt;
use std::path::PathBuf;

use jiff::Timestamp;
use ring::digest::{SHA256, digest};
use serde::Serialize;

use super::in_force::InForce;
use crate::bpf::{DEVICE_OBJECT, OBJECT};
use crate::config::{DefaultAction, Exception, FramesMode};
use crate::doctor::{Check, CheckOutcome, overall};
use crate::report::{History, Period};
use crate::sys::kernel_release;

/// Version of the JSON document; new keys do not change it.
const SCHEMA: u32 = 1;

/// The result of a proof.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) struct Report {
    pub(crate) schema: u32,
    pub(crate) outcome: CheckOutcome,
    pub(crate) time: Timestamp,
    pub(crate) host: Host,
    pub(crate) policy: Policy,
    pub(crate) parts: Vec<Part>,
    pub(crate) history: History,
}

/// The host and the programs.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) struct Host {
    pub(crate) name: String,
    pub(crate) kernel: String,
    pub(crate) machine: String,
    /// The version of this binary, and of the daemon if one runs.
    pub(crate) version: String,
    pub(crate) daemon: Option<String>,
    /// SHA-256 of the objects with the kernel programs: for cgroups, and for network devices.
    pub(crate) programs_sha256: String,
    pub(crate) device_programs_sha256: String,
}

/// What is in force.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) struct Policy {
    pub(crate) file: PathBuf,
    /// SHA-256 of the configuration file; `None` without one.
    pub(crate) sha256: Option<String>,
    /// Number of policies applied, and when the last one was.
    pub(crate) generation: Option<u64>,
    pub(crate) applied: Option<Timestamp>,
    pub(crate) tags_change_number: u32,
    /// SHA-256 of the protected prefixes, one per line, sorted.
    pub(crate) protected_sha256: String,
    pub(crate) protected_prefixes: usize,
    /// The governed cgroup, and what passes outside the protected set.
    pub(crate) scope: Option<PathBuf>,
    pub(crate) default: DefaultAction,
    pub(crate) frames: FramesMode,
    /// Login servers.
    pub(crate) registries: Vec<String>,
    /// Target, reason and end of each exception.
    pub(crate) exceptions: Vec<String>,
    /// Avoidable permissions, one sentence each.
    pub(crate) weaknesses: Vec<String>,
}

/// Checks of one kind.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) struct Part {
    pub(crate) title: &'static str,
    pub(crate) checks: Vec<Check>,
}

impl Part {
    pub(super) fn new(title: &'static str, checks: Vec<Check>) -> Self {
        Self { title, checks }
    }
}

impl Report {
    pub(super) fn new(in_force: &InForce, parts: Vec<Part>, now: Timestamp) -> Self {
        let checks: Vec<_> = parts.iter().flat_map(|part| part.checks.clone()).collect();
        Self {
            schema: SCHEMA,
            outcome: overall(&checks),
            time: now,
            host: Host::of(in_force),
            policy: Policy::of(in_force),
            parts,
            history: History::of(&in_force.events, Period::Day, now),
        }
    }

    /// Number of checks with this outcome.
    pub(crate) fn count(&self, outcome: CheckOutcome) -> usize {
        let checks = self.parts.iter().flat_map(|part| &part.checks);
        checks.filter(|check| check.outcome == outcome).count()
    }
}

impl Host {
    fn of(in_force: &InForce) -> Self {
        let name = nix::unistd::gethostname().ok();
        Self {
            name: name.map_or_else(String::new, |name| name.to_string_lossy().into_owned()),
            kernel: kernel_release(),
            machine: std::env::consts::ARCH.to_owned(),
            version: crate::VERSION.to_owned(),
            daemon: in_force
                .status
                .as_ref()
                .map(|status| status.version.clone()),
            programs_sha256: sha256(OBJECT),
            device_programs_sha256: sha256(DEVICE_OBJECT),
        }
    }
}

impl Policy {
    fn of(in_force: &InForce) -> Self {
        let status = in_force.status.as_ref();
        let config = &in_force.sources.config;
        let layers = in_force.sources.layers().unwrap_or_default();
        let prefixes = layers.iter().flat_map(|layer| &layer.prefixes);
        let mut prefixes: Vec<_> = prefixes.map(ToString::to_string).collect();
        prefixes.sort_unstable();
        Self {
            file: in_force.file.clone(),
            sha256: in_force
                .sources
                .text
                .as_ref()
                .map(|text| sha256(text.as_bytes())),
            generation: status.map(|status| status.generation),
            applied: status.map(|status| status.applied),
            tags_change_number: in_force.sources.tags.change_number,
            protected_sha256: sha256((prefixes.join("\n") + "\n").as_bytes()),
            protected_prefixes: prefixes.len(),
            scope: in_force.scope().ok(),
            default: config.protect.default,
            frames: status.map_or(config.frames.mode, |status| status.frames),
            registries: config
                .registries
                .iter()
                .map(|registry| registry.login_server.to_string())
                .collect(),
            exceptions: config.exceptions.iter().map(described).collect(),
            weaknesses: config.weaknesses(),
        }
    }
}

fn described(exception: &Exception) -> String {
    let names = exception.names.iter().map(ToString::to_string);
    let grants = names.chain(exception.cidrs.iter().map(ToString::to_string));
    format!(
        "{}: {} until {:.0} ({})",
        exception.target,
        grants.collect::<Vec<_>>().join(", "),
        exception.until,
        exception.reason
    )
}

/// Returns the SHA-256 of `bytes` in hexadecimal digits.
fn sha256(bytes: &[u8]) -> String {
    let digest = digest(&SHA256, bytes);
    digest
        .as_ref()
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect()
}

impl fmt::Display for Report {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [ok, failed, unknown] = [
            CheckOutcome::Ok,
            CheckOutcome::Failed,
            CheckOutcome::Unknown,
        ]
        .map(|outcome| self.count(outcome));
        let verdict = match self.outcome {
            CheckOutcome::Ok if unknown == 0 => "proved",
            CheckOutcome::Ok => "proved, but for what was not tried",
            CheckOutcome::Failed | CheckOutcome::Unknown => "NOT PROVED",
        };
        write!(
            formatter,
            "{verdict}: {ok} as required, {failed} failed, {unknown} not tried"
        )
    }
}

#[cfg(test)]
pub(super) mod tests {
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
}
