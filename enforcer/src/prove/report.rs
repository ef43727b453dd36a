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
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
#[cfg_attr(test, schemars(rename = "Proof"))]
pub(crate) struct Report {
    /// Version of the document.
    pub(crate) schema: u32,
    /// The worst outcome.
    pub(crate) outcome: CheckOutcome,
    /// When it was made.
    #[cfg_attr(test, schemars(with = "crate::documents::Time"))]
    pub(crate) time: Timestamp,
    /// Where it was made.
    pub(crate) host: Host,
    /// What is held against the attempts.
    pub(crate) policy: Policy,
    /// The checks, by subject.
    pub(crate) parts: Vec<Part>,
    /// Past denials.
    pub(crate) history: History,
}

/// The host and the programs.
#[derive(Clone, Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
#[cfg_attr(test, schemars(rename = "ProofHost"))]
pub(crate) struct Host {
    /// The name of the host.
    pub(crate) name: String,
    /// The release of the kernel.
    pub(crate) kernel: String,
    /// The machine type.
    pub(crate) machine: String,
    /// The version of this binary.
    pub(crate) version: String,
    /// The version of the daemon; null if none runs.
    pub(crate) daemon: Option<String>,
    /// SHA-256 of the object with the kernel programs for cgroups.
    pub(crate) programs_sha256: String,
    /// The same for the programs of network devices.
    pub(crate) device_programs_sha256: String,
}

/// What is in force.
#[derive(Clone, Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
#[cfg_attr(test, schemars(rename = "ProofPolicy"))]
pub(crate) struct Policy {
    /// The configuration file.
    pub(crate) file: PathBuf,
    /// SHA-256 of the configuration file; `None` without one.
    pub(crate) sha256: Option<String>,
    /// Number of policies applied.
    pub(crate) generation: Option<u64>,
    /// When the last policy was applied.
    #[cfg_attr(test, schemars(with = "Option<crate::documents::Time>"))]
    pub(crate) applied: Option<Timestamp>,
    /// The change number of the service tags.
    pub(crate) tags_change_number: u32,
    /// SHA-256 of the protected prefixes, one per line, sorted.
    pub(crate) protected_sha256: String,
    /// The number of protected prefixes.
    pub(crate) protected_prefixes: usize,
    /// The governed cgroup; null for the root of the hierarchy.
    pub(crate) scope: Option<PathBuf>,
    /// What happens to addresses that are not protected.
    pub(crate) default: DefaultAction,
    /// Whether network devices judge, too.
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
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
#[cfg_attr(test, schemars(rename = "ProofPart"))]
pub(crate) struct Part {
    /// Their subject.
    pub(crate) title: &'static str,
    /// The checks.
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
pub(super) mod tests;
