//! Proposes configuration lines that allow a denied destination, where that is plausible; the administrator reviews them.

use jiff::{SignedDuration, Timestamp};

use super::destination::Destination;
use super::explanation::Explanation;
use super::initiator::Initiator;
use crate::cli::format::instant;
use crate::config::{Cloud, EndpointKind};
use crate::core::Status;
use crate::name::Name;

/// Duration of a proposed exception.
const MONTH: SignedDuration = SignedDuration::from_hours(30 * 24);

/// Returns the lines that would allow the destination. Customers share the addresses of Azure services, so none is allowed by its address.
pub(super) fn propose(
    explanation: &Explanation,
    destination: &Destination,
    status: Option<&Status>,
    now: Timestamp,
) -> Option<String> {
    let denied = explanation
        .answers
        .iter()
        .find(|answer| answer.verdict.is_denied())?;
    let until = now.checked_add(MONTH).unwrap_or(now);
    let exception = |what: String| exception_lines(&explanation.initiator, &what, until);
    match (denied.verdict.reason, destination, wanted(explanation, destination)) {
        (
            "storage" | "registry" | "configured-prefix" | "default-deny" | "server-name-unknown"
            | "server-name-elsewhere",
            _,
            Some(name),
        ) if explanation.is_https() => {
            let known = status.and_then(|status| configured(&name, status, &explanation.initiator));
            let registry = || registry_lines(&name, status);
            let named = || exception(format!("names = [\"{name}\"]"));
            Some(known.or_else(registry).unwrap_or_else(named))
        }
        ("storage" | "registry", Destination::Address(_), None) => Some(
            "customers share this address, so it is allowed by a name that resolves to it: explain that name".to_owned(),
        ),
        ("configured-prefix" | "default-deny", Destination::Address([address]), _) => {
            Some(exception(format!("cidrs = [\"{}\"]", ipnet::IpNet::from(*address))))
        }
        _ => None,
    }
}

/// Returns the name of the connection: the server name of its TLS handshake, or the destination.
fn wanted(explanation: &Explanation, destination: &Destination) -> Option<Name> {
    match &explanation.sni {
        Some(name) => name.parse().ok(),
        None => destination.name().cloned(),
    }
}

/// Returns why a configured name does not allow this address.
fn configured(name: &Name, status: &Status, initiator: &Initiator) -> Option<String> {
    let mut names = status
        .registries
        .iter()
        .flat_map(|registry| &registry.names);
    if names.any(|known| known.name == *name) {
        return Some(
            "the name is allowed, but no DNS answer to the daemon contains this address: configure the resolvers that programs on this host use (dns.servers), and see `egress-enforcer endpoints`"
                .to_owned(),
        );
    }
    let exception = status
        .exceptions
        .iter()
        .find(|exception| exception.names.iter().any(|known| known.name == *name))?;
    if exception.ended {
        let until = instant(exception.until);
        return Some(format!(
            "the exception for {} (\"{}\") ended at {until}: set a later `until` if it is still needed",
            exception.target, exception.reason
        ));
    }
    initiator.is_own().then(|| {
        format!(
            "an exception allows it for {} only (\"{}\"): use --unit or --cgroup",
            exception.target, exception.reason
        )
    })
}

/// Returns the lines that allow the name of a registry.
fn registry_lines(name: &Name, status: Option<&Status>) -> Option<String> {
    let (login, kind) = Cloud::registry_of(name)?;
    let is_configured = status.is_some_and(|status| {
        let mut registries = status.registries.iter();
        registries.any(|registry| registry.login_server == login)
    });
    if is_configured {
        return Some(format!(
            "if this is a replica of the registry, add it below login-server = \"{login}\":\n  data-endpoints = [\"{name}\"]"
        ));
    }
    let endpoints = match kind {
        EndpointKind::LoginServer => String::new(),
        EndpointKind::Data | EndpointKind::Regional => format!("\n  data-endpoints = [\"{name}\"]"),
    };
    Some(format!(
        "to pull from it, add to the configuration and reload:\n  [[registry]]\n  login-server = \"{login}\"{endpoints}"
    ))
}

fn exception_lines(initiator: &Initiator, what: &str, until: Timestamp) -> String {
    let target = match (&initiator.unit, &initiator.cgroup) {
        (Some(unit), _) => format!("unit = \"{unit}\""),
        (None, Some(cgroup)) => format!("cgroup = \"{}\"", cgroup.display()),
        (None, None) => "unit = \"NAME.service\"".to_owned(),
    };
    format!(
        "if only one unit needs it, add to the configuration and reload:\n  [[exception]]\n  reason = \"WHY\"\n  {target}\n  {what}\n  until = {}",
        instant(until)
    )
}

#[cfg(test)]
mod tests {
    use enforcer_common::Reason;

    use super::*;
    use crate::cli::explain::explanation::tests::explanation;
    use crate::doctor::test_data;

    fn proposed(text: &str, reason: Reason, status: Option<&Status>) -> Option<String> {
        let explanation = explanation(text, &[("20.38.98.100", reason)]);
        let destination = text.parse().map_or_else(
            |_| Destination::Name(text.parse().unwrap(), Vec::new()),
            |address| Destination::Address([address]),
        );
        propose(&explanation, &destination, status, test_data::at("00:00"))
    }

    #[test]
    fn a_shared_address_is_not_allowed_by_itself() {
        for reason in [Reason::Storage, Reason::Registry] {
            let proposed = proposed("20.38.98.100", reason, None).unwrap();
            assert!(!proposed.contains("cidrs"), "{proposed}");
        }
        let own = proposed("20.38.98.100", Reason::Configured, None).unwrap();
        assert!(own.contains("cidrs = [\"20.38.98.100/32\"]"), "{own}");
    }

    #[test]
    fn what_is_allowed_or_cannot_be_allowed_has_no_fix() {
        for reason in [
            Reason::AllowedName,
            Reason::WrongPort,
            Reason::SourceRouted,
            Reason::NoTable,
        ] {
            assert_eq!(proposed("contoso.azurecr.io", reason, None), None);
        }
    }

    #[test]
    fn a_storage_account_gets_an_exception_that_parses() {
        let proposed = proposed("logs2.blob.core.windows.net", Reason::Storage, None).unwrap();
        let (_, lines) = proposed.split_once('\n').unwrap();
        let text = format!("registry = []\n{lines}");
        let config = crate::config::parse(&text, "config.toml".as_ref()).unwrap();
        let exception = &config.exceptions[0];
        assert_eq!(exception.names[0].as_str(), "logs2.blob.core.windows.net");
        assert_eq!(exception.until.to_string(), "2026-01-31T00:00:00Z");
    }

    #[test]
    fn a_registry_gets_a_section_with_its_login_server() {
        for name in ["new.azurecr.io", "new.eastus.data.azurecr.io"] {
            let proposed = proposed(name, Reason::Registry, None).unwrap();
            let (_, lines) = proposed.split_once('\n').unwrap();
            let config = crate::config::parse(lines, "config.toml".as_ref()).unwrap();
            let registry = &config.registries[0];
            assert_eq!(registry.login_server.as_str(), "new.azurecr.io");
        }
    }

    #[test]
    fn a_denied_server_name_gets_the_lines_of_that_name() {
        for name in ["new.azurecr.io", "logs2.blob.core.windows.net"] {
            let expected = proposed(name, Reason::Registry, None);
            assert_eq!(proposed(name, Reason::ServerNameUnknown, None), expected);
            let mut explanation = explanation(
                "20.38.98.100",
                &[("20.38.98.100", Reason::ServerNameUnknown)],
            );
            explanation.sni = Some(name.to_owned());
            let destination = Destination::Address(["20.38.98.100".parse().unwrap()]);
            let text = propose(&explanation, &destination, None, test_data::at("00:00"));
            assert_eq!(text, expected, "by its address");
        }
    }

    #[test]
    fn the_exception_is_for_the_cgroup_in_question() {
        let name = "logs2.blob.core.windows.net";
        let mut explanation = explanation(name, &[("20.38.98.100", Reason::Storage)]);
        explanation.initiator.cgroup = Some("/system.slice/agent.service".into());
        let destination = Destination::Name(name.parse().unwrap(), Vec::new());
        let text = propose(&explanation, &destination, None, test_data::at("00:00")).unwrap();
        let (_, lines) = text.split_once('\n').unwrap();
        let text = format!("registry = []\n{lines}");
        let config = crate::config::parse(&text, "config.toml".as_ref()).unwrap();
        let target = config.exceptions[0].target.to_string();
        assert_eq!(target, "cgroup /system.slice/agent.service");
    }

    #[test]
    fn a_configured_name_is_explained() {
        let status = test_data::status();
        let text = |name| proposed(name, Reason::Registry, Some(&status)).unwrap();
        assert!(text("contoso.azurecr.io").contains("the name is allowed"));
        assert!(
            text("contoso.westus.data.azurecr.io")
                .contains("login-server = \"contoso.azurecr.io\"")
        );
        assert!(text("logs.blob.core.windows.net").contains("use --unit"));
        let mut ended = test_data::status();
        ended.exceptions[0].ended = true;
        let proposal =
            proposed("logs.blob.core.windows.net", Reason::Storage, Some(&ended)).unwrap();
        assert!(proposal.contains("ended at 2027-01-31"), "{proposal}");
    }
}
