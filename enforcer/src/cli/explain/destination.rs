//! What is asked about: an address, or the addresses that a name leads to.

use std::net::{IpAddr, ToSocketAddrs as _};

use anyhow::{Context as _, Result, bail};

use crate::control::{NameStatus, Status};
use crate::name::Name;

/// A destination and its addresses.
pub(super) enum Destination {
    Address([IpAddr; 1]),
    Name(Name, Vec<IpAddr>),
}

impl Destination {
    /// Reads an address, or resolves a name as the programs of this host do; addresses that the daemon knows for it count as well.
    ///
    /// # Errors
    /// Where it is neither, or no address is found.
    pub(super) fn read(
        text: &str,
        status: Option<&Status>,
        notes: &mut Vec<String>,
    ) -> Result<Self> {
        if let Ok(address) = text.parse() {
            return Ok(Self::Address([address]));
        }
        let name: Name = text.parse().context("not an address, and not a name")?;
        let mut addresses: Vec<IpAddr> = status
            .into_iter()
            .flat_map(all_names)
            .filter(|known| known.name == name)
            .flat_map(|known| known.addresses.iter().map(|address| address.address))
            .collect();
        match (name.as_str(), 0).to_socket_addrs() {
            Ok(found) => addresses.extend(found.map(|address| address.ip())),
            Err(error) if addresses.is_empty() => {
                bail!("{name} does not resolve ({error}); check its spelling and this host's resolvers, or ask about an address")
            }
            Err(error) => notes.push(format!(
                "{name} does not resolve here ({error}); these are the addresses that the daemon keeps open"
            )),
        }
        addresses.sort_unstable();
        addresses.dedup();
        if addresses.is_empty() {
            bail!("{name} resolves to no address; check its spelling, or ask about an address");
        }
        Ok(Self::Name(name, addresses))
    }

    /// Its addresses.
    pub(super) fn addresses(&self) -> &[IpAddr] {
        match self {
            Self::Address(address) => address,
            Self::Name(_, addresses) => addresses,
        }
    }

    /// Whether a registry has this name; `None` where it is no name or no daemon tells.
    pub(super) fn is_allowed(&self, status: Option<&Status>) -> Option<bool> {
        let Self::Name(name, _) = self else {
            return None;
        };
        let mut names = status?
            .registries
            .iter()
            .flat_map(|registry| &registry.names);
        Some(names.any(|known| known.name == *name))
    }
}

/// The names that the daemon knows to lead to `address`.
pub(super) fn known_names(status: Option<&Status>, address: IpAddr) -> Vec<Name> {
    let names = status.into_iter().flat_map(all_names);
    let address = address.to_canonical();
    names
        .filter(|known| known.addresses.iter().any(|found| found.address == address))
        .map(|known| known.name.clone())
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
    use crate::cli::sample;

    fn read(text: &str, status: Option<&Status>) -> Result<Destination> {
        Destination::read(text, status, &mut Vec::new())
    }

    #[test]
    fn an_address_stands_for_itself() {
        for text in ["20.38.98.100", "::ffff:20.38.98.100", "2603:1030::66"] {
            let destination = read(text, None).unwrap();
            assert_eq!(destination.addresses(), [text.parse::<IpAddr>().unwrap()]);
            assert_eq!(destination.is_allowed(Some(&sample::status())), None);
        }
    }

    #[test]
    fn what_is_neither_address_nor_name_is_an_error() {
        for text in [
            "",
            "host",
            "https://contoso.azurecr.io/",
            "1.2.3.4:443",
            "*.azurecr.io",
        ] {
            assert!(read(text, None).is_err(), "{text}");
        }
    }

    #[test]
    fn an_address_is_known_by_its_names_in_any_form() {
        let status = sample::status();
        let names = |address: &str| known_names(Some(&status), address.parse().unwrap());
        assert_eq!(names("20.42.66.0"), ["contoso.azurecr.io".parse().unwrap()]);
        assert_eq!(names("::ffff:20.42.66.0"), names("20.42.66.0"));
        assert!(names("20.42.66.9").is_empty());
    }

    #[test]
    fn only_names_of_registries_are_allowed_for_everybody() {
        let status = sample::status();
        let allowed = |name: &str| {
            Destination::Name(name.parse().unwrap(), Vec::new()).is_allowed(Some(&status))
        };
        assert_eq!(allowed("contoso.azurecr.io"), Some(true));
        assert_eq!(allowed("logs.blob.core.windows.net"), Some(false));
        assert_eq!(allowed("evil.azurecr.io"), Some(false));
    }
}
