//! The explanation, as JSON and as text.

use std::fmt::{Display, Formatter, Result};
use std::net::IpAddr;

use enforcer_common::Hook;
use serde::Serialize;

use super::address_verdict::AddressVerdict;
use super::evaluation::Evaluation;
use super::initiator::Initiator;
use super::places::Places;
use crate::cli::args::Protocol;
use crate::core::MissingHooks;
use crate::name::Name;

/// The port of allowed names.
pub(super) const HTTPS: u16 = 443;

/// The verdict on a destination and on each of its addresses.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub(in crate::cli) struct Explanation {
    /// The destination as it was asked for.
    pub(super) destination: String,
    /// The protocol.
    pub(super) protocol: Protocol,
    /// The port; null for ICMP.
    pub(super) port: Option<u16>,
    #[serde(flatten)]
    pub(super) initiator: Initiator,
    /// The server name of the TLS ClientHello, with --sni.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) sni: Option<String>,
    /// "deny" if one of the addresses is denied, else "allow".
    pub(super) verdict: &'static str,
    /// Whether all packets pass, which in audit mode they do in any case.
    pub(super) passes: bool,
    /// Whether the configuration allows the name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) name_allowed: Option<bool>,
    /// What answered: the running daemon, the programs of its pins, or the configuration.
    pub(super) answered_by: &'static str,
    #[serde(flatten)]
    pub(super) places: Places,
    /// The hooks that are not attached: what they judge passes.
    #[serde(skip_serializing_if = "MissingHooks::is_empty")]
    pub(super) missing_hooks: MissingHooks,
    /// The verdict on each address.
    pub(super) answers: Vec<AddressVerdict>,
    /// What else decides or is uncertain.
    pub(super) notes: Vec<String>,
    /// What would allow it.
    pub(super) fix: Option<String>,
}

impl Explanation {
    /// An explanation without addresses, which is allowed. `port` does not count for ICMP.
    pub(super) fn new(
        destination: String,
        protocol: Protocol,
        port: u16,
        initiator: Initiator,
        answered_by: &'static str,
    ) -> Self {
        Self {
            destination,
            protocol,
            port: (protocol != Protocol::Icmp).then_some(port),
            initiator,
            sni: None,
            verdict: "allow",
            passes: true,
            name_allowed: None,
            answered_by,
            places: Places::default(),
            missing_hooks: MissingHooks::new(&Hook::CGROUP),
            answers: Vec::new(),
            notes: Vec::new(),
            fix: None,
        }
    }

    /// Notes the hooks that are not attached. Without the egress hook, what it denies passes unless network devices judge; the other hooks only refuse it
    /// earlier.
    pub(super) fn set_missing_hooks(&mut self, hooks: MissingHooks) {
        if !hooks.is_empty() {
            let note = format!("{hooks}; see `egress-enforcer status`");
            self.notes.push(note);
        }
        self.missing_hooks = hooks;
    }

    /// Adds the verdict on one address.
    pub(super) fn add(&mut self, address: IpAddr, mut verdict: Evaluation, names: Vec<Name>) {
        verdict.passes |= self.is_unenforced();
        if verdict.is_denied() {
            self.verdict = verdict.verdict;
        }
        self.passes &= verdict.passes;
        self.answers.push(AddressVerdict {
            address,
            verdict,
            names,
            without_socket: None,
            trace: None,
        });
    }

    /// Adds the verdict on a packet without a socket to the last address.
    pub(super) fn add_without_socket(&mut self, verdict: Option<Evaluation>) {
        if let Some(last) = self.answers.last_mut() {
            last.without_socket = verdict;
        }
    }

    /// Whether nothing drops what the rule denies.
    fn is_unenforced(&self) -> bool {
        self.missing_hooks.contains(Hook::Egress) && !self.places.enforce()
    }

    /// Whether any address is denied.
    pub(super) fn is_denied(&self) -> bool {
        self.answers.iter().any(|answer| answer.verdict.is_denied())
    }

    /// Whether this is TCP port 443, the port of allowed names.
    pub(super) fn is_https(&self) -> bool {
        self.protocol == Protocol::Tcp && self.port == Some(HTTPS)
    }
}

impl Display for Explanation {
    fn fmt(&self, formatter: &mut Formatter<'_>) -> Result {
        writeln!(formatter, "{}: {}", self.subject(), self.verdict_text())?;
        let one = self.answers.len() == 1;
        for answer in &self.answers {
            answer.write(one, formatter)?;
        }
        if let Some(allowed) = self.name_allowed {
            let not = if allowed { "" } else { "not " };
            writeln!(
                formatter,
                "  {} is {not}a name of a configured registry",
                self.destination
            )?;
        }
        for note in &self.notes {
            writeln!(formatter, "  {note}")?;
        }
        writeln!(formatter, "  {}", self.places)?;
        writeln!(formatter, "  answered by {}", self.answered_by)?;
        if let Some(fix) = &self.fix {
            writeln!(formatter, "{fix}")?;
        }
        Ok(())
    }
}

impl Explanation {
    fn subject(&self) -> String {
        let protocol = match self.protocol {
            Protocol::Tcp => "TCP",
            Protocol::Udp => "UDP",
            Protocol::Icmp => "ICMP",
        };
        let port = self
            .port
            .map_or(String::new(), |port| format!(" port {port}"));
        let name = match &self.sni {
            None => String::new(),
            Some(none) if none.is_empty() => ", TLS without a server name".to_owned(),
            Some(sni) if *sni == self.destination => ", TLS".to_owned(),
            Some(sni) => format!(", TLS with the server name {sni}"),
        };
        let from = match (&self.initiator.unit, &self.initiator.cgroup) {
            (Some(unit), _) => format!(" from {unit}"),
            (None, Some(cgroup)) => format!(" from the cgroup {}", cgroup.display()),
            (None, None) => String::new(),
        };
        format!("{}, {protocol}{port}{name}{from}", self.destination)
    }

    fn verdict_text(&self) -> &'static str {
        let denied = self
            .answers
            .iter()
            .find(|answer| answer.verdict.is_denied());
        if denied.is_some() && self.is_unenforced() {
            return "denied by the rule, which is not enforced";
        }
        let decisive = denied.or(self.answers.first());
        decisive.map_or("no verdict", |answer| answer.verdict.text())
    }
}

#[cfg(test)]
pub(super) mod tests;
