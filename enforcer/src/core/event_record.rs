//! An event as `/events` reports it.

use std::net::IpAddr;
use std::path::PathBuf;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::event_kind::{EventKind, NOTE};
use crate::name::Name;

/// Name of the cgroup that `prove` makes its attempts from, and in place of a unit in their events. No unit has it: it has no type.
pub(crate) const PROOF: &str = "egress-enforcer-prove";

/// One line of `GET /events`: a denial, several identical denials, or a change.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub struct EventRecord {
    /// Sequence number of the event in this daemon; a reader resumes after the last one it has seen.
    pub sequence: u64,
    /// The time of the event.
    #[cfg_attr(test, schemars(with = "crate::documents::Time"))]
    pub time: Timestamp,
    /// "deny"; "audit" if it passed in audit mode; "note" for a change.
    pub verdict: String,
    /// [`enforcer_common::Reason::word`]; "suppressed" for a total of denials without a separate event; for a note,
    /// [`EventKind::word`].
    pub reason: String,
    /// The message of a note.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
    /// The value before a change.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub old: Option<String>,
    /// The value after a change.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub new: Option<String>,
    /// The destination; `None` for a note or a socket option.
    pub destination: Option<IpAddr>,
    /// The port, if the protocol has one.
    pub port: Option<u16>,
    /// "tcp", "udp", "icmp", or the IP protocol number.
    pub protocol: String,
    /// Allowed names that resolve to the destination.
    pub names: Vec<Name>,
    /// The server name in the TLS ClientHello, if it was read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub server_name: Option<String>,
    /// The name that is not allowed and whose DNS answer had the destination: the process's cgroup asked for it, or else another program of
    /// this host, such as its resolver.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub queried_name: Option<Name>,
    /// Whether another program asked for it: others have the same addresses, so the process may have wanted another name.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub queried_by_other: bool,
    /// The hook that made the decision.
    pub hook: String,
    /// The network device that the frame was to leave by, if a device's hook decided; its index if it is gone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub device: Option<String>,
    /// The source address of a frame that no socket of this host sends: a container's, or a forwarded one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source: Option<IpAddr>,
    /// The socket option that was refused ([`enforcer_common::BypassOption::word`]).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub option: Option<String>,
    /// The process id, if known.
    pub pid: Option<u32>,
    /// The user id of the process.
    pub uid: Option<u32>,
    /// The command name of the process.
    pub command: Option<String>,
    /// The executable of the process, if it still runs.
    pub executable: Option<PathBuf>,
    /// The path of the cgroup.
    pub cgroup: Option<PathBuf>,
    /// The systemd unit, from the cgroup path.
    pub unit: Option<String>,
    /// The container id, from the cgroup path.
    pub container: Option<String>,
    /// Number of further denials that this record represents.
    pub duplicates: u64,
}

/// Longest text and most names of [`EventRecord::shortened`].
const MOST_TEXT: usize = 512;
const MOST_NAMES: usize = 16;

fn shortened(text: &str, most: usize) -> String {
    match text.char_indices().nth(most) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

impl EventRecord {
    /// Creates a record for a change, for example of names, prefixes or the state of a source.
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
            queried_name: None,
            queried_by_other: false,
            hook: String::new(),
            device: None,
            source: None,
            option: None,
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

    /// Returns the record with the values before and after the change.
    #[must_use]
    pub fn changed(self, old: Option<String>, new: Option<String>) -> Self {
        Self { old, new, ..self }
    }

    /// Returns one record for this event and a later one of the same rule: their number, and what they have in common.
    #[must_use]
    pub(crate) fn aggregated_with(&self, later: &Self) -> Self {
        fn common<T: Clone + PartialEq>(one: &Option<T>, other: &Option<T>) -> Option<T> {
            one.clone().filter(|_| one == other)
        }
        fn same<T: Clone + Default + PartialEq>(one: &T, other: &T) -> T {
            if one == other {
                one.clone()
            } else {
                T::default()
            }
        }
        Self {
            sequence: later.sequence,
            time: later.time,
            verdict: same(&self.verdict, &later.verdict),
            reason: same(&self.reason, &later.reason),
            message: common(&self.message, &later.message),
            old: common(&self.old, &later.old),
            new: common(&self.new, &later.new),
            destination: common(&self.destination, &later.destination),
            port: common(&self.port, &later.port),
            protocol: same(&self.protocol, &later.protocol),
            names: same(&self.names, &later.names),
            server_name: common(&self.server_name, &later.server_name),
            queried_name: common(&self.queried_name, &later.queried_name),
            queried_by_other: (self.queried_by_other || later.queried_by_other)
                && self.queried_name == later.queried_name,
            hook: same(&self.hook, &later.hook),
            device: common(&self.device, &later.device),
            source: common(&self.source, &later.source),
            option: common(&self.option, &later.option),
            pid: common(&self.pid, &later.pid),
            uid: common(&self.uid, &later.uid),
            command: common(&self.command, &later.command),
            executable: common(&self.executable, &later.executable),
            cgroup: common(&self.cgroup, &later.cgroup),
            unit: common(&self.unit, &later.unit),
            container: common(&self.container, &later.container),
            duplicates: self
                .duplicates
                .saturating_add(later.duplicates)
                .saturating_add(1),
        }
    }

    /// Returns the event with long fields cut, for places with a limit: at most some 12 KiB as JSON.
    #[must_use]
    pub(crate) fn shortened(&self) -> Self {
        let text = |text: &String| shortened(text, MOST_TEXT);
        let path = |path: &PathBuf| PathBuf::from(shortened(&path.to_string_lossy(), MOST_TEXT));
        Self {
            message: self.message.as_ref().map(text),
            old: self.old.as_ref().map(text),
            new: self.new.as_ref().map(text),
            names: self.names.iter().take(MOST_NAMES).cloned().collect(),
            executable: self.executable.as_ref().map(path),
            cgroup: self.cgroup.as_ref().map(path),
            unit: self.unit.as_ref().map(text),
            container: self.container.as_ref().map(text),
            ..self.clone()
        }
    }

    /// Returns the name that the process wanted to reach, as far as known: the server name of the handshake, or what it asked DNS for itself.
    pub(crate) fn wanted_name(&self) -> Option<&str> {
        let asked = || {
            let asked = self
                .queried_name
                .as_ref()
                .filter(|_| !self.queried_by_other);
            asked.map(Name::as_str)
        };
        self.server_name.as_deref().or_else(asked)
    }

    /// Returns whether this is neither a denial nor a total of denials.
    pub fn is_note(&self) -> bool {
        self.verdict == NOTE
    }

    /// Returns whether `prove` made the attempt.
    pub fn is_of_proof(&self) -> bool {
        self.unit.as_deref() == Some(PROOF)
    }

    /// Returns the kind of event.
    pub fn kind(&self) -> EventKind {
        match self.verdict.as_str() {
            _ if self.reason == EventKind::Suppressed.word() => EventKind::Suppressed,
            "deny" => EventKind::Denied,
            "audit" => EventKind::Audited,
            _ => EventKind::from_word(&self.reason).unwrap_or(EventKind::Other),
        }
    }
}
