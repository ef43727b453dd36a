//! A suggestion as a fragment of the configuration.

use std::collections::BTreeSet;
use std::fmt::{self, Display, Formatter, Write as _};

use super::seen::{Exception, Registry, Seen, Suggestion, Target};
use crate::cli::format::{count, instant};
use crate::name::Name;
use crate::printable;

/// Maximum number of processes, units or destinations in a comment.
const MOST: usize = 4;

impl Display for Suggestion {
    fn fmt(&self, formatter: &mut Formatter<'_>) -> fmt::Result {
        let is_empty = self.registries.is_empty() && self.exceptions.is_empty();
        if is_empty && self.unexplained.is_empty() {
            return formatter.write_str(
                "# The stored events have nothing that would be denied. Run with mode = \"audit\" until each job has run once.\n",
            );
        }
        formatter.write_str(
            "# From stored events. Keep what this host needs, remove the rest, and fill in each reason and end:\n\
             # `egress-enforcer check` refuses the file until then.\n",
        )?;
        for (login, registry) in &self.registries {
            self::registry(formatter, login, registry)?;
        }
        for (target, one) in &self.exceptions {
            exception(formatter, target, one)?;
        }
        for (reason, seen) in &self.unexplained {
            writeln!(
                formatter,
                "\n# Not to be allowed by a name, reason {reason}: {}",
                about(seen)
            )?;
        }
        Ok(())
    }
}

fn registry(formatter: &mut Formatter<'_>, login: &Name, registry: &Registry) -> fmt::Result {
    writeln!(formatter, "\n# {}", about(&registry.seen))?;
    let endpoints = quoted(registry.endpoints.iter());
    if registry.configured && endpoints.is_empty() {
        return writeln!(
            formatter,
            "# {login} is configured, but no DNS answer to the daemon had these addresses: see `egress-enforcer endpoints`."
        );
    }
    if registry.configured {
        return writeln!(
            formatter,
            "# This registry is configured. If these are its replicas, add below login-server = \"{login}\":\n# data-endpoints = [{endpoints}]"
        );
    }
    writeln!(formatter, "[[registry]]\nlogin-server = \"{login}\"")?;
    match endpoints.is_empty() {
        true => Ok(()),
        false => writeln!(formatter, "data-endpoints = [{endpoints}]"),
    }
}

fn exception(formatter: &mut Formatter<'_>, target: &Target, one: &Exception) -> fmt::Result {
    formatter.write_char('\n')?;
    for (name, seen) in &one.names {
        writeln!(formatter, "# {name}: {}", about(seen))?;
    }
    for (cidr, seen) in &one.cidrs {
        writeln!(formatter, "# {cidr}: {}", about(seen))?;
    }
    if let Some(seen) = &one.unnamed {
        writeln!(
            formatter,
            "# The events know no name for these: add to `names` the accounts that this unit is configured for.\n# {}",
            about(seen)
        )?;
        if !one.perhaps.is_empty() {
            writeln!(
                formatter,
                "# Other programs asked for these names, which have the same addresses: {}",
                quoted(one.perhaps.iter())
            )?;
        }
    }
    if let Target::Container(_) = target {
        formatter.write_str(
            "# This cgroup ends with its container: start the container below a cgroup of yours (--cgroup-parent) and name that.\n",
        )?;
    }
    formatter.write_str("[[exception]]\nreason = \"\"\n")?;
    match target {
        Target::Unit(unit) => writeln!(formatter, "unit = {}", quote(unit))?,
        Target::Cgroup(path) | Target::Container(path) => {
            writeln!(formatter, "cgroup = {}", quote(path))?;
        }
    }
    if !one.names.is_empty() || one.unnamed.is_some() {
        writeln!(formatter, "names = [{}]", quoted(one.names.keys()))?;
    }
    if !one.cidrs.is_empty() {
        writeln!(formatter, "cidrs = [{}]", quoted(one.cidrs.keys()))?;
    }
    formatter.write_str("# until = YYYY-MM-DDT00:00:00Z\n")
}

/// Who tried what, and when last, for a comment.
fn about(seen: &Seen) -> String {
    let attempts = usize::try_from(seen.count).unwrap_or(usize::MAX);
    let mut text = count(attempts, "attempt", "attempts");
    for (word, values) in [
        ("by", &seen.processes),
        ("of", &seen.units),
        ("to", &seen.destinations),
    ] {
        if !values.is_empty() {
            text.push_str(&format!(" {word} {}", some(values)));
        }
    }
    printable::line(&format!("{text}, the last at {}", instant(seen.last)))
}

fn some(values: &BTreeSet<String>) -> String {
    let shown: Vec<&str> = values.iter().take(MOST).map(String::as_str).collect();
    let more = values.len().saturating_sub(MOST);
    let shown = shown.join(", ");
    match more {
        0 => shown,
        more => format!("{shown} and {more} more"),
    }
}

/// A string of TOML, whose basic strings have the escapes of JSON.
fn quote(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

fn quoted(values: impl Iterator<Item = impl ToString>) -> String {
    let values: Vec<String> = values.map(|value| quote(&value.to_string())).collect();
    values.join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::EventRecord;
    use crate::doctor::test_data;

    fn event(reason: &str, name: Option<&str>, unit: Option<&str>) -> EventRecord {
        EventRecord {
            verdict: "audit".to_owned(),
            reason: reason.to_owned(),
            server_name: name.map(str::to_owned),
            unit: unit.map(str::to_owned),
            duplicates: 1,
            ..test_data::event()
        }
    }

    fn events() -> Vec<EventRecord> {
        vec![
            event(
                "storage",
                Some("logs2.blob.core.windows.net"),
                Some("agent.service"),
            ),
            event(
                "server-name-unknown",
                Some("logs2.blob.core.windows.net"),
                Some("agent.service"),
            ),
            event("registry", Some("new.azurecr.io"), Some("docker.service")),
            event(
                "registry",
                Some("new.eastus.data.azurecr.io"),
                Some("docker.service"),
            ),
            event(
                "registry",
                Some("contoso.westus.data.azurecr.io"),
                Some("docker.service"),
            ),
            event("default-deny", None, Some(r"odd\x2d.service")),
            event("storage", None, Some("agent.service")),
            event(
                "wrong-port",
                Some("contoso.azurecr.io"),
                Some("agent.service"),
            ),
            EventRecord {
                cgroup: None,
                unit: None,
                ..event("storage", Some("x.blob.core.windows.net"), None)
            },
        ]
    }

    #[test]
    fn a_name_that_another_program_asked_for_is_a_hint_only() {
        let of = |queried_by_other| {
            let event = EventRecord {
                queried_name: "logs3.blob.core.windows.net".parse().ok(),
                queried_by_other,
                ..event("storage", None, Some("agent.service"))
            };
            Suggestion::of(&[event], &test_data::status()).to_string()
        };
        let (own, others) = (of(false), of(true));
        assert!(
            own.contains("names = [\"logs3.blob.core.windows.net\"]"),
            "{own}"
        );
        assert!(others.contains("names = []"), "{others}");
        assert!(
            others.contains("same addresses: \"logs3.blob.core.windows.net\"\n"),
            "{others}"
        );
    }

    #[test]
    fn the_completed_fragment_is_the_narrowest_configuration() {
        let text = Suggestion::of(&events(), &test_data::status()).to_string();
        let refused = crate::config::parse(&text, "config.toml".as_ref()).unwrap_err();
        assert!(refused.to_string().contains("reason"), "{refused}");

        let completed = text
            .replace("reason = \"\"", "reason = \"why\"")
            .replace("# until = YYYY-MM-DD", "until = 2099-01-31");
        let config = crate::config::parse(&completed, "config.toml".as_ref()).unwrap();
        let [new] = config.registries.as_slice() else {
            panic!("{completed}");
        };
        assert_eq!(new.login_server.as_str(), "new.azurecr.io");
        assert_eq!(new.data_endpoints[0].as_str(), "new.eastus.data.azurecr.io");
        let found: Vec<String> = config
            .exceptions
            .iter()
            .map(|one| format!("{} {:?} {:?}", one.target, one.names, one.cidrs.len()))
            .collect();
        assert_eq!(found.len(), 2, "{completed}");
        assert!(
            found[0].contains("agent.service") && found[0].contains("logs2.blob"),
            "{found:?}"
        );
        assert!(
            found[1].contains(r"odd\x2d.service") && found[1].ends_with(" 1"),
            "{found:?}"
        );
    }

    #[test]
    fn what_no_name_allows_is_a_comment() {
        let text = Suggestion::of(&events(), &test_data::status()).to_string();
        for comment in [
            "# logs2.blob.core.windows.net: 4 attempts by curl of agent.service to 20.38.98.100:443",
            "# data-endpoints = [\"contoso.westus.data.azurecr.io\"]",
            "# The events know no name for these",
            "# Not to be allowed by a name, reason storage: 2 attempts",
            "# Not to be allowed by a name, reason wrong-port: 2 attempts",
        ] {
            assert!(text.contains(comment), "{comment}\n{text}");
        }
        let nothing = Suggestion::default().to_string();
        assert!(
            nothing.starts_with("# The stored events have nothing"),
            "{nothing}"
        );
    }

    #[test]
    fn the_same_is_one_json_document() {
        let suggestion = Suggestion::of(&events(), &test_data::status());
        let json = serde_json::to_value(&suggestion).unwrap();
        let exception = &json["exceptions"][0];
        assert_eq!(exception["target"]["unit"], "agent.service");
        assert_eq!(
            exception["names"]["logs2.blob.core.windows.net"]["count"],
            4
        );
        assert_eq!(json["registries"]["contoso.azurecr.io"]["configured"], true);
    }

    #[test]
    fn a_process_cannot_add_a_line() {
        let hostile = EventRecord {
            command: Some("x\nregistry = []\n#".to_owned()),
            container: Some("0123".to_owned()),
            ..event("storage", Some("a.blob.core.windows.net"), None)
        };
        let text = Suggestion::of(&[hostile], &test_data::status()).to_string();
        assert!(!text.contains("\nregistry"), "{text}");
        assert!(text.contains("--cgroup-parent"), "{text}");
    }
}
