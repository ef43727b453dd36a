//! The explanation as a person reads it.

use std::fmt::{Display, Formatter, Result};

use enforcer_common::Hook;

use super::{Answer, Explanation};
use crate::cli::args::Protocol;

impl Display for Explanation {
    fn fmt(&self, formatter: &mut Formatter<'_>) -> Result {
        writeln!(formatter, "{}: {}", self.subject(), self.word())?;
        let one = self.answers.len() == 1;
        for answer in &self.answers {
            answer.show(one, formatter)?;
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
        let from = match (&self.whose.unit, &self.whose.cgroup) {
            (Some(unit), _) => format!(" from {unit}"),
            (None, Some(cgroup)) => format!(" from the cgroup {}", cgroup.display()),
            (None, None) => String::new(),
        };
        format!("{}, {protocol}{port}{name}{from}", self.destination)
    }

    fn word(&self) -> &'static str {
        let denied = self.answers.iter().find(|answer| answer.judged.is_denied());
        if denied.is_some() && self.missing_hooks.contains(&Hook::Egress.word()) {
            return "denied by the rule, which is not enforced";
        }
        let telling = denied.or(self.answers.first());
        telling.map_or("not judged", |answer| answer.judged.word())
    }
}

impl Answer {
    fn show(&self, alone: bool, formatter: &mut Formatter<'_>) -> Result {
        if alone {
            writeln!(formatter, "  {}", self.judged.sentence)?;
        } else {
            let (word, sentence) = (self.judged.word(), self.judged.sentence);
            writeln!(formatter, "  {}: {word}: {sentence}", self.address)?;
        }
        if !self.names.is_empty() {
            let names: Vec<&str> = self.names.iter().map(|name| name.as_str()).collect();
            let names = names.join(", ");
            writeln!(formatter, "  names that lead to {}: {names}", self.address)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use enforcer_common::Reason;

    use crate::cli::explain::tests::explanation;

    #[test]
    fn one_address_has_its_verdict_and_its_reason() {
        let explanation = explanation("20.38.98.100", &[("20.38.98.100", Reason::Storage)]);
        let expected = "\
20.38.98.100, TCP port 443: denied
  an Azure storage address that no allowed name resolves to
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
        explanation.whose.unit = Some("agent.service".to_owned());
        explanation.sni = Some("contoso.azurecr.io".to_owned());
        explanation.answers[0].names = vec!["contoso.azurecr.io".parse().unwrap()];
        let expected = "\
contoso.azurecr.io, TCP port 443, TLS from agent.service: denied
  20.42.66.0: allowed: an allowed name resolves to it
  names that lead to 20.42.66.0: contoso.azurecr.io
  20.42.66.9: denied: an Azure container registry address that no allowed name resolves to
  contoso.azurecr.io is a name of a configured registry
  answered by the loaded kernel program on the live maps
";
        assert_eq!(explanation.to_string(), expected);
    }
}
