//! Addresses of the hosts of Azure's APIs. The clients resolve nothing themselves: a request goes only to addresses that the policy allows.

use std::collections::BTreeMap;
use std::net::IpAddr;

use crate::https::Url;
use crate::name::Name;

/// The addresses of each host that may be queried, as the caller has resolved and allowed them.
pub type PinnedAddresses = BTreeMap<Name, Vec<IpAddr>>;

/// Returns the addresses of the host of `url`: none for a service within this host, which needs none.
///
/// # Errors
/// The host's name, when it has no address.
pub(super) fn addresses<'p>(url: &Url, pinned: &'p PinnedAddresses) -> Result<&'p [IpAddr], Name> {
    let Some(name) = url.name() else {
        return Ok(&[]);
    };
    match pinned.get(name) {
        Some(addresses) if !addresses.is_empty() => Ok(addresses),
        _ => Err(name.clone()),
    }
}
