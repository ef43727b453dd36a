//! How to open what is denied, where that is a plausible wish: lines for the configuration, to be reviewed by whoever adds them.

use jiff::{SignedDuration, Timestamp};

use super::Explanation;
use super::destination::Destination;
use super::judge::Whose;
use crate::cli::words::instant;
use crate::config::{Cloud, EndpointKind};
use crate::control::Status;
use crate::name::Name;

/// How long a proposed exception lasts.
const MONTH: SignedDuration = SignedDuration::from_hours(30 * 24);

/// What would open the destination. Addresses of Azure services are shared between customers, so none is proposed by its address.
pub(super) fn fix(
    explanation: &Explanation,
    destination: &Destination,
    status: Option<&Status>,
    now: Timestamp,
) -> Option<String> {
    let denied = explanation
        .answers
        .iter()
        .find(|answer| answer.judged.is_denied())?;
    let until = now.checked_add(MONTH).unwrap_or(now);
    let exception = |what: String| exception(&explanation.whose, &what, until);
    match (denied.judged.reason, destination, wanted(explanation, destination)) {
        (
            "storage" | "registry" | "configured-prefix" | "default-deny" | "server-name-unknown"
            | "server-name-elsewhere",
            _,
            Some(name),
        ) if explanation.is_https() => {
            let known = status.and_then(|status| already(&name, status, &explanation.whose));
            let registry = || of_registry(&name, status);
            let named = || exception(format!("names = [\"{name}\"]"));
            Some(known.or_else(registry).unwrap_or_else(named))
        }
        ("storage" | "registry", Destination::Address(_), None) => Some(
            "customers share this address, so it is opened by the name that leads to it: ask again with that name".to_owned(),
        ),
        ("configured-prefix" | "default-deny", Destination::Address([address]), _) => {
            Some(exception(format!("cidrs = [\"{}\"]", ipnet::IpNet::from(*address))))
        }
        _ => None,
    }
}

/// The name that the connection is for: that of its handshake, or the destination itself.
fn wanted(explanation: &Explanation, destination: &Destination) -> Option<Name> {
    match &explanation.sni {
        Some(name) => name.parse().ok(),
        None => destination.name().cloned(),
    }
}

/// Why a name that the configuration has does not open this address.
fn already(name: &Name, status: &Status, whose: &Whose) -> Option<String> {
    let mut names = status
        .registries
        .iter()
        .flat_map(|registry| &registry.names);
    if names.any(|known| known.name == *name) {
        return Some(
            "the name is allowed, but no answer that the daemon got has this address: let the daemon ask the resolvers that this host's programs ask (dns.servers), and see `egress-enforcer endpoints`"
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
    whose.is_own().then(|| {
        format!(
            "an exception opens it for {} only (\"{}\"): ask with --unit or --cgroup",
            exception.target, exception.reason
        )
    })
}

/// Lines that open a registry's name.
fn of_registry(name: &Name, status: Option<&Status>) -> Option<String> {
    let cloud = Cloud::ALL
        .into_iter()
        .find(|cloud| name.is_within(cloud.registry_suffix()))?;
    let label = name.labels().next()?;
    let login: Name = format!("{label}.{}", cloud.registry_suffix())
        .parse()
        .ok()?;
    let kind = cloud.endpoint_kind(&login, name)?;
    let is_configured = status.is_some_and(|status| {
        let mut registries = status.registries.iter();
        registries.any(|registry| registry.login_server == login)
    });
    if is_configured {
        return Some(format!(
            "if this is the registry's replica, add it under login-server = \"{login}\":\n  data-endpoints = [\"{name}\"]"
        ));
    }
    let endpoints = match kind {
        EndpointKind::LoginServer => String::new(),
        EndpointKind::Data | EndpointKind::Regional => format!("\n  data-endpoints = [\"{name}\"]"),
    };
    Some(format!(
        "if this host is to pull from there, add to the configuration and reload:\n  [[registry]]\n  login-server = \"{login}\"{endpoints}"
    ))
}

fn exception(whose: &Whose, what: &str, until: Timestamp) -> String {
    let target = match (&whose.unit, &whose.cgroup) {
        (Some(unit), _) => format!("unit = \"{unit}\""),
        (None, Some(cgroup)) => format!("cgroup = \"{}\"", cgroup.display()),
        (None, None) => "unit = \"NAME.service\"".to_owned(),
    };
    format!(
        "if a unit needs it, add to the configuration and reload:\n  [[exception]]\n  reason = \"WHY\"\n  {target}\n  {what}\n  until = {}",
        instant(until)
    )
}

#[cfg(test)]
mod tests {
    use enforcer_common::Reason;

    use super::*;
    use crate::cli::explain::tests::explanation;
    use crate::cli::sample;

    fn proposed(text: &str, reason: Reason, status: Option<&Status>) -> Option<String> {
        let explanation = explanation(text, &[("20.38.98.100", reason)]);
        let destination = text.parse().map_or_else(
            |_| Destination::Name(text.parse().unwrap(), Vec::new()),
            |address| Destination::Address([address]),
        );
        fix(&explanation, &destination, status, sample::at("00:00"))
    }

    #[test]
    fn a_shared_address_is_not_opened_by_its_number() {
        for reason in [Reason::Storage, Reason::Registry] {
            let proposed = proposed("20.38.98.100", reason, None).unwrap();
            assert!(!proposed.contains("cidrs"), "{proposed}");
        }
        let own = proposed("20.38.98.100", Reason::Configured, None).unwrap();
        assert!(own.contains("cidrs = [\"20.38.98.100/32\"]"), "{own}");
    }

    #[test]
    fn what_is_allowed_or_never_opens_has_no_mend() {
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
    fn a_storage_account_is_opened_by_an_exception_that_parses() {
        let proposed = proposed("logs2.blob.core.windows.net", Reason::Storage, None).unwrap();
        let (_, lines) = proposed.split_once('\n').unwrap();
        let text = format!("registry = []\n{lines}");
        let config = crate::config::parse(&text, "config.toml".as_ref()).unwrap();
        let exception = &config.exceptions[0];
        assert_eq!(exception.names[0].as_str(), "logs2.blob.core.windows.net");
        assert_eq!(exception.until.to_string(), "2026-01-31T00:00:00Z");
    }

    #[test]
    fn a_registry_is_opened_by_its_login_server() {
        for name in ["new.azurecr.io", "new.eastus.data.azurecr.io"] {
            let proposed = proposed(name, Reason::Registry, None).unwrap();
            let (_, lines) = proposed.split_once('\n').unwrap();
            let config = crate::config::parse(lines, "config.toml".as_ref()).unwrap();
            let registry = &config.registries[0];
            assert_eq!(registry.login_server.as_str(), "new.azurecr.io");
        }
    }

    #[test]
    fn a_name_that_the_handshake_may_not_have_is_opened_by_its_line() {
        for name in ["new.azurecr.io", "logs2.blob.core.windows.net"] {
            let expected = proposed(name, Reason::Registry, None);
            assert_eq!(proposed(name, Reason::ServerNameUnknown, None), expected);
            let mut explanation = explanation(
                "20.38.98.100",
                &[("20.38.98.100", Reason::ServerNameUnknown)],
            );
            explanation.sni = Some(name.to_owned());
            let destination = Destination::Address(["20.38.98.100".parse().unwrap()]);
            let said = fix(&explanation, &destination, None, sample::at("00:00"));
            assert_eq!(said, expected, "by its address");
        }
    }

    #[test]
    fn a_cgroup_that_was_asked_about_gets_the_exception() {
        let name = "logs2.blob.core.windows.net";
        let mut explanation = explanation(name, &[("20.38.98.100", Reason::Storage)]);
        explanation.whose.cgroup = Some("/system.slice/agent.service".into());
        let destination = Destination::Name(name.parse().unwrap(), Vec::new());
        let said = fix(&explanation, &destination, None, sample::at("00:00")).unwrap();
        let (_, lines) = said.split_once('\n').unwrap();
        let text = format!("registry = []\n{lines}");
        let config = crate::config::parse(&text, "config.toml".as_ref()).unwrap();
        let target = config.exceptions[0].target.to_string();
        assert_eq!(target, "cgroup /system.slice/agent.service");
    }

    #[test]
    fn what_the_configuration_has_already_is_said() {
        let status = sample::status();
        let said = |name| proposed(name, Reason::Registry, Some(&status)).unwrap();
        assert!(said("contoso.azurecr.io").contains("the name is allowed"));
        assert!(
            said("contoso.westus.data.azurecr.io")
                .contains("login-server = \"contoso.azurecr.io\"")
        );
        assert!(said("logs.blob.core.windows.net").contains("ask with --unit"));
        let mut ended = sample::status();
        ended.exceptions[0].ended = true;
        let said = proposed("logs.blob.core.windows.net", Reason::Storage, Some(&ended)).unwrap();
        assert!(said.contains("ended at 2027-01-31"), "{said}");
    }
}
