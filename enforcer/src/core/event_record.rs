//! An event as `/events` reports it.

use std::net::IpAddr;
use std::path::PathBuf;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::event_kind::{EventKind, NOTE};
use crate::name::Name;

/// One line of `GET /events`: a denial, several alike, or a change.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct EventRecord {
    /// Counts the events of this daemon; a reader that knows the last one asks for what came after.
    pub sequence: u64,
    /// When.
    pub time: Timestamp,
    /// "deny", or "audit" where it was let through; "note" where something changed.
    pub verdict: String,
    /// [`enforcer_common::Reason::word`], or "suppressed" where it stands for denials without an event of their own; of a note, what changed
    /// ([`EventKind`]).
    pub reason: String,
    /// What a note says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
    /// Of a change, the value before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub old: Option<String>,
    /// Of a change, the value from then on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub new: Option<String>,
    /// Where it went; `None` of a note.
    pub destination: Option<IpAddr>,
    /// The port, where there is one.
    pub port: Option<u16>,
    /// "tcp", "udp", "icmp", or the IP protocol number.
    pub protocol: String,
    /// Allowed names that resolve there.
    pub names: Vec<Name>,
    /// The server name that the handshake carried, where that was read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub server_name: Option<String>,
    /// The hook that judged.
    pub hook: String,
    /// The process, where it is known.
    pub pid: Option<u32>,
    /// Its user.
    pub uid: Option<u32>,
    /// Its command name.
    pub command: Option<String>,
    /// Its program, while it runs.
    pub executable: Option<PathBuf>,
    /// The path of its cgroup.
    pub cgroup: Option<PathBuf>,
    /// The systemd unit, from the cgroup.
    pub unit: Option<String>,
    /// The container's id, from the cgroup.
    pub container: Option<String>,
    /// Further denials that this record stands for.
    pub duplicates: u64,
}

impl EventRecord {
    /// Something other than a denial: a change of names or prefixes, or a source that starts or stops failing.
    pub fn note(kind: EventKind, message: String, time: Timestamp) -> Self {
        Self {
            sequence: 0,
            time,
            verdict: NOTE.to_owned(),
            reason: kind.word().to_owned(),
            message: Some(message),
            old: None,
            new: None,
            destination: None,
            port: None,
            protocol: String::new(),
            names: Vec::new(),
            server_name: None,
            hook: String::new(),
            pid: None,
            uid: None,
            command: None,
            executable: None,
            cgroup: None,
            unit: None,
            container: None,
            duplicates: 0,
        }
    }
    /// The same with the values before and after the change.
    #[must_use]
    pub fn changed(self, old: Option<String>, new: Option<String>) -> Self {
        Self { old, new, ..self }
    }

    /// Whether it is neither a denial nor a sum of denials.
    pub fn is_note(&self) -> bool {
        self.verdict == NOTE
    }

    /// What kind of event this is.
    pub fn kind(&self) -> EventKind {
        match self.verdict.as_str() {
            _ if self.reason == EventKind::Suppressed.word() => EventKind::Suppressed,
            "deny" => EventKind::Denied,
            "audit" => EventKind::Audited,
            _ => EventKind::from_word(&self.reason).unwrap_or(EventKind::Other),
        }
    }
}
