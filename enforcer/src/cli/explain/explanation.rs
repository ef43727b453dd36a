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
#[serde(rename_all = "kebab-case")]
pub(super) struct Explanation {
    pub(super) destination: String,
    pub(super) protocol: Protocol,
    pub(super) port: Option<u16>,
    #[serde(flatten)]
    pub(super) initiator: Initiator,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) sni: Option<String>,
    pub(super) verdict: &'static str,
    pub(super) passes: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) name_allowed: Option<bool>,
    pub(super) answered_by: &'static str,
    #[serde(flatten)]
    pub(super) places: Places,
    #[serde(skip_serializing_if = "MissingHooks::is_empty")]
    pub(super) missing_hooks: MissingHooks,
    pub(super) answers: Vec<AddressVerdict>,
    pub(super) notes: Vec<String>,
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
pub(super) mod tests {
    use enforcer_common::Reason;

    use super::super::places::tests::places;
    use super::*;
    use crate::core::DeviceState;

    pub(crate) fn explanation(destination: &str, reasons: &[(&str, Reason)]) -> Explanation {
        let mut explanation = Explanation::new(
            destination.to_owned(),
            Protocol::Tcp,
            HTTPS,
            Initiator::default(),
            "the loaded kernel program on the live maps",
        );
        for (address, reason) in reasons {
            let verdict = Evaluation::new(*reason, !reason.denies());
            explanation.add(address.parse().unwrap(), verdict, Vec::new());
        }
        explanation
    }

    #[test]
    fn one_denied_address_makes_a_denial() {
        let mixed = [
            ("20.42.66.0", Reason::AllowedName),
            ("20.38.98.100", Reason::Storage),
            ("20.42.66.1", Reason::AllowedName),
        ];
        let explanation = explanation("contoso.azurecr.io", &mixed);
        assert!(explanation.is_denied());
        assert_eq!((explanation.verdict, explanation.passes), ("deny", false));
    }

    #[test]
    fn what_the_egress_hook_denies_passes_without_it() {
        let add = |missing: Hook| {
            let mut explanation = explanation("20.38.98.100", &[]);
            let attached = Hook::CGROUP.into_iter().filter(|hook| *hook != missing);
            explanation.set_missing_hooks(MissingHooks::new(&Vec::from_iter(attached)));
            let verdict = Evaluation::new(Reason::Storage, false);
            explanation.add("20.38.98.100".parse().unwrap(), verdict, Vec::new());
            (explanation.passes, explanation.to_string())
        };
        let (passes, text) = add(Hook::Egress);
        assert!(passes && text.contains("is not enforced"), "{text}");
        assert!(text.contains("not attached: egress"), "{text}");
        let (passes, text) = add(Hook::Connect4);
        assert!(!passes && text.contains("port 443: denied\n"), "{text}");
        assert!(text.contains("not attached: connect4"), "{text}");
    }

    #[test]
    fn a_device_enforces_without_the_egress_hook_and_judges_packets_without_a_socket() {
        let mut explanation = explanation("20.38.98.100", &[]);
        explanation.places = places(&[("eth0", DeviceState::Filtered)]);
        explanation.set_missing_hooks(MissingHooks::new(&[]));
        let verdict = || Evaluation::new(Reason::Storage, false);
        explanation.add("20.38.98.100".parse().unwrap(), verdict(), Vec::new());
        let allowed = Evaluation::new(Reason::ExceptionPrefix, true);
        explanation.add_without_socket(Some(allowed));
        assert!(!explanation.passes);
        let text = explanation.to_string();
        let sentence = Reason::ExceptionPrefix.sentence();
        let without_socket = format!("packet socket): allowed: {sentence}\n");
        assert!(text.contains("port 443: denied\n") && text.contains(&without_socket));
        let json = serde_json::to_value(explanation).unwrap();
        let without_socket = &json["answers"][0]["without-socket"];
        assert_eq!(without_socket["reason"], "exception-prefix");
    }

    #[test]
    fn json_has_verdict_and_reason_of_each_address() {
        let explanation = explanation("20.38.98.100", &[("20.38.98.100", Reason::Storage)]);
        let json = serde_json::to_value(explanation).unwrap();
        assert_eq!(json["verdict"], "deny");
        assert_eq!(json["answers"][0]["reason"], "storage");
        assert_eq!(json["answers"][0]["address"], "20.38.98.100");
    }

    #[test]
    fn one_address_has_its_verdict_and_its_reason() {
        let explanation = explanation("20.38.98.100", &[("20.38.98.100", Reason::Storage)]);
        let expected = "\
20.38.98.100, TCP port 443: denied
  an Azure storage address that no allowed name resolves to
  judged at sockets only: no network device has a filter
  answered by the loaded kernel program on the live maps
";
        assert_eq!(explanation.to_string(), expected);
    }

    #[test]
    fn several_addresses_have_a_line_each() {
        let answers = [
            ("20.42.66.0", Reason::AllowedName),
            ("20.42.66.9", Reason::Registry),
        ];
        let mut explanation = explanation("contoso.azurecr.io", &answers);
        explanation.name_allowed = Some(true);
        explanation.initiator.unit = Some("agent.service".to_owned());
        explanation.sni = Some("contoso.azurecr.io".to_owned());
        explanation.answers[0].names = vec!["contoso.azurecr.io".parse().unwrap()];
        let expected = "\
contoso.azurecr.io, TCP port 443, TLS from agent.service: denied
  20.42.66.0: allowed: an allowed name resolves to it
  names that resolve to 20.42.66.0: contoso.azurecr.io
  20.42.66.9: denied: an Azure container registry address that no allowed name resolves to
  contoso.azurecr.io is a name of a configured registry
  judged at sockets only: no network device has a filter
  answered by the loaded kernel program on the live maps
";
        assert_eq!(explanation.to_string(), expected);
    }
}
