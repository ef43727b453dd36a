//! The destination: an address, or a name and the addresses that it resolves to.

use std::fmt;
use std::net::{IpAddr, SocketAddr, ToSocketAddrs as _};

use anyhow::{Context as _, Result, bail};

use crate::config::EndpointPattern;
use crate::core::{NameStatus, Status};
use crate::name::Name;
use crate::resolver::hosts::HOSTS;

/// The accepted forms of a destination.
const FORMS: &str =
    "write an address, a name, NAME:PORT, ADDRESS:PORT, [IPV6]:PORT or https://NAME/PATH";

/// A destination from the command line.
pub(super) struct ParsedDestination {
    pub(super) host: DestinationHost,
    /// Its port.
    pub(super) port: Option<u16>,
}

/// The host of a destination.
pub(super) enum DestinationHost {
    Address(IpAddr),
    Name(Name),
}

impl ParsedDestination {
    /// Parses an address or name, with a port or as an https URL.
    ///
    /// # Errors
    /// Where the text is none of these.
    pub(super) fn parse(text: &str) -> Result<Self> {
        if let Some((scheme, rest)) = text.split_once("://") {
            if !scheme.eq_ignore_ascii_case("https") {
                bail!("\"{text}\" is not an https URL; {FORMS}");
            }
            let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
            let (_user, host) = authority.rsplit_once('@').unwrap_or(("", authority));
            return Self::of_authority(host).with_context(|| format!("\"{text}\""));
        }
        Self::of_authority(text)
    }

    fn of_authority(text: &str) -> Result<Self> {
        let bracketed = text
            .strip_prefix('[')
            .and_then(|rest| rest.strip_suffix(']'));
        if let Ok(address) = bracketed.unwrap_or(text).parse() {
            let (host, port) = (DestinationHost::Address(address), None);
            return Ok(Self { host, port });
        }
        if let Ok(socket) = text.parse::<SocketAddr>() {
            let (host, port) = (DestinationHost::Address(socket.ip()), Some(socket.port()));
            return Ok(Self { host, port });
        }
        let (name, port) = match text.rsplit_once(':') {
            Some((name, port)) => {
                let port = port.parse().ok();
                let port = port
                    .with_context(|| format!("\"{text}\" has no port after the colon; {FORMS}"))?;
                (name, Some(port))
            }
            None => (text, None),
        };
        let name = name.parse();
        let name = name.with_context(|| format!("\"{text}\" is not a destination; {FORMS}"))?;
        let host = DestinationHost::Name(name);
        Ok(Self { host, port })
    }
}

/// A destination with its addresses.
pub(super) enum Destination {
    Address([IpAddr; 1]),
    Name(Name, Vec<IpAddr>),
}

impl Destination {
    /// Resolves a name like programs on this host, and adds the addresses that the daemon has for it.
    ///
    /// # Errors
    /// Where no address is found.
    pub(super) fn resolve(
        host: DestinationHost,
        status: Option<&Status>,
        notes: &mut Vec<String>,
    ) -> Result<Self> {
        let name = match host {
            DestinationHost::Address(address) => return Ok(Self::Address([address])),
            DestinationHost::Name(name) => name,
        };
        let mut addresses: Vec<IpAddr> = status
            .into_iter()
            .flat_map(all_names)
            .filter(|known| known.name == name)
            .flat_map(|known| known.addresses.iter().map(|address| address.address))
            .collect();
        match (name.as_str(), 0).to_socket_addrs() {
            Ok(found) => addresses.extend(found.map(|address| address.ip())),
            Err(error) if addresses.is_empty() => {
                bail!("{name} does not resolve ({error}); check its spelling and this host's resolvers, or explain an address")
            }
            Err(error) => notes.push(format!(
                "{name} does not resolve here ({error}); these are the addresses that the daemon allows for it"
            )),
        }
        addresses.sort_unstable();
        addresses.dedup();
        if addresses.is_empty() {
            bail!("{name} resolves to no address; check its spelling, or explain an address");
        }
        Ok(Self::Name(name, addresses))
    }

    /// Returns its addresses.
    pub(super) fn addresses(&self) -> &[IpAddr] {
        match self {
            Self::Address(address) => address,
            Self::Name(_, addresses) => addresses,
        }
    }

    /// Returns its name.
    pub(super) fn name(&self) -> Option<&Name> {
        match self {
            Self::Address(_) => None,
            Self::Name(name, _) => Some(name),
        }
    }

    /// Whether it is a name of a configured registry or matches its pattern; `None` where it is an address or no daemon answers.
    pub(super) fn is_allowed(&self, status: Option<&Status>) -> Option<bool> {
        let name = self.name()?;
        let mut registries = status?.registries.iter();
        Some(registries.any(|registry| {
            let named = registry.names.iter().any(|known| known.name == *name);
            named
                || registry
                    .patterns
                    .iter()
                    .any(|known| matches(&known.pattern, name))
        }))
    }
}

impl fmt::Display for Destination {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Address([address]) => address.fmt(formatter),
            Self::Name(name, _) => name.fmt(formatter),
        }
    }
}

fn matches(pattern: &str, name: &Name) -> bool {
    let pattern = pattern.parse::<EndpointPattern>();
    pattern.is_ok_and(|pattern| pattern.matches(name))
}

/// Returns the names that resolve to `address`, as the daemon knows.
pub(super) fn known_names(status: Option<&Status>, address: IpAddr) -> Vec<Name> {
    let names = status.into_iter().flat_map(all_names);
    let address = address.to_canonical();
    names
        .filter(|known| known.addresses.iter().any(|found| found.address == address))
        .map(|known| known.name.clone())
        .collect()
}

/// Returns a sentence for each line of the hosts file that maps an allowed name to `address`.
pub(super) fn hosts_lines(status: Option<&Status>, address: IpAddr) -> Vec<String> {
    let names = status.into_iter().flat_map(all_names);
    let address = address.to_canonical();
    let lines = names.flat_map(|known| {
        let of_name = known.addresses.iter();
        let of_name = of_name.filter(|found| found.address == address);
        of_name.filter_map(|found| Some((&known.name, found.hosts_line?)))
    });
    lines
        .map(|(name, line)| format!("{HOSTS} line {line} maps {name} to {address}"))
        .collect()
}

fn all_names(status: &Status) -> impl Iterator<Item = &NameStatus> {
    let registries = status
        .registries
        .iter()
        .flat_map(|registry| &registry.names);
    let exceptions = status
        .exceptions
        .iter()
        .flat_map(|exception| &exception.names);
    registries.chain(exceptions)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::test_data;

    /// The destination as text, and its port.
    fn parsed(text: &str) -> Result<(String, Option<u16>)> {
        let ParsedDestination { host, port } = ParsedDestination::parse(text)?;
        Ok(match host {
            DestinationHost::Address(address) => (address.to_string(), port),
            DestinationHost::Name(name) => (name.to_string(), port),
        })
    }

    #[test]
    fn addresses_names_ports_and_urls_are_destinations() {
        for (text, host, port) in [
            ("20.38.98.100", "20.38.98.100", None),
            ("::ffff:20.38.98.100", "::ffff:20.38.98.100", None),
            ("2603:1030::66", "2603:1030::66", None),
            ("[2603:1030::66]", "2603:1030::66", None),
            ("1.2.3.4:443", "1.2.3.4", Some(443)),
            ("[2603:1030::66]:8443", "2603:1030::66", Some(8443)),
            ("Contoso.azurecr.io", "contoso.azurecr.io", None),
            ("contoso.azurecr.io:443", "contoso.azurecr.io", Some(443)),
            (
                "https://contoso.azurecr.io/v2/?n=1",
                "contoso.azurecr.io",
                None,
            ),
            (
                "HTTPS://u:p@contoso.azurecr.io:5000#x",
                "contoso.azurecr.io",
                Some(5000),
            ),
            ("https://[2603:1030::66]/v2/", "2603:1030::66", None),
            ("https://1.2.3.4:444", "1.2.3.4", Some(444)),
        ] {
            assert_eq!(parsed(text).unwrap(), (host.to_owned(), port), "{text}");
        }
    }

    #[test]
    fn invalid_destinations_are_refused_with_the_valid_forms() {
        for text in [
            "",
            "host",
            "http://contoso.azurecr.io/",
            "https:///v2/",
            "1.2.3.4:",
            "contoso.azurecr.io:https",
            "contoso.azurecr.io:65536",
            "[2603:1030::66",
            "20.38.98.0/24",
            "*.azurecr.io",
        ] {
            let error = format!("{:#}", parsed(text).expect_err(text));
            assert!(error.contains("https://NAME/PATH"), "{text}: {error}");
        }
    }

    #[test]
    fn an_address_has_no_name_to_allow() {
        let destination = Destination::Address(["20.38.98.100".parse().unwrap()]);
        assert_eq!(destination.is_allowed(Some(&test_data::status())), None);
    }

    #[test]
    fn an_ipv4_mapped_address_has_the_same_names() {
        let status = test_data::status();
        let names = |address: &str| known_names(Some(&status), address.parse().unwrap());
        assert_eq!(names("20.42.66.0"), ["contoso.azurecr.io".parse().unwrap()]);
        assert_eq!(names("::ffff:20.42.66.0"), names("20.42.66.0"));
        assert!(names("20.42.66.9").is_empty());
    }

    #[test]
    fn an_address_from_the_hosts_file_has_its_line() {
        let status = test_data::status();
        let lines = |address: &str| hosts_lines(Some(&status), address.parse().unwrap());
        assert_eq!(
            lines("20.42.66.13"),
            ["/etc/hosts line 3 maps contoso.azurecr.io to 20.42.66.13"]
        );
        assert!(lines("20.42.66.0").is_empty());
    }

    #[test]
    fn only_names_of_registries_are_allowed() {
        let status = test_data::status();
        let allowed = |name: &str| {
            Destination::Name(name.parse().unwrap(), Vec::new()).is_allowed(Some(&status))
        };
        assert_eq!(allowed("contoso.azurecr.io"), Some(true));
        assert_eq!(allowed("logs.blob.core.windows.net"), Some(false));
        assert_eq!(allowed("evil.azurecr.io"), Some(false));
        assert_eq!(allowed("contoso.westus3.data.azurecr.io"), Some(true));
    }
}
