//! The names in the maps, and what each allows, entry by entry.

use std::net::{IpAddr, Ipv6Addr};

use aya::maps::MapError;
use enforcer_common::layout::{AddressGrant, Deadline, NameEntry, NameKey, SnoopedGrant};

use super::Maps;
use crate::policy::name_text;
use crate::sys::KernelError;

/// What the maps hold about names.
#[derive(Debug)]
pub(crate) struct NamedGrants {
    /// The entries of names.
    pub(crate) names: Vec<(String, NameEntry)>,
    /// Addresses by name: those of the daemon, and those that the kernel programs read from DNS answers.
    pub(crate) grants: Vec<NamedGrant>,
    /// Number of the latter.
    pub(crate) snooped: usize,
}

/// An address that is allowed by a name.
#[derive(Clone, Copy, Debug)]
pub(crate) struct NamedGrant {
    /// Id of the cgroup; 0 for all, `ANY_SCOPE` for packets without a socket.
    pub(crate) cgroup: u64,
    pub(crate) to: IpAddr,
    pub(crate) by: GrantedBy,
    /// When it ends, in nanoseconds since boot.
    pub(crate) deadline: Deadline,
}

/// The name that allows an address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum GrantedBy {
    /// The name with this [`NameEntry::id`].
    Name(u32),
    /// Any server name.
    AnyName,
    /// Some name: the address without a check of the server name.
    SomeName,
}

impl Maps {
    /// Reads the names and what they allow.
    ///
    /// # Errors
    /// If a map cannot be read.
    pub(crate) fn named_grants(&self) -> Result<NamedGrants, KernelError> {
        let what = "read the names in the maps";
        let of_name = |(key, entry): (NameKey, NameEntry)| (name_text(&key), entry);
        let names: Result<_, MapError> =
            self.names.iter().map(|entry| entry.map(of_name)).collect();
        let named = |(grant, deadline): (AddressGrant, Deadline)| named_grant(grant, deadline);
        let of_daemon = self.name_addresses.iter().map(|entry| entry.map(named));
        let snooped =
            |(grant, snooped): (AddressGrant, SnoopedGrant)| named_grant(grant, snooped.deadline);
        let of_kernel = self.dns_addresses.iter().map(|entry| entry.map(snooped));
        let read = |found: Result<Vec<_>, MapError>| found.map_err(KernelError::failed(what));
        let (mut grants, of_kernel) = (read(of_daemon.collect())?, read(of_kernel.collect())?);
        let snooped = of_kernel.len();
        grants.extend(of_kernel);
        Ok(NamedGrants {
            names: names.map_err(KernelError::failed(what))?,
            grants,
            snooped,
        })
    }
}

fn named_grant(grant: AddressGrant, deadline: Deadline) -> NamedGrant {
    NamedGrant {
        cgroup: grant.cgroup,
        to: Ipv6Addr::from(grant.address).to_canonical(),
        by: match grant.name {
            AddressGrant::ADDRESS => GrantedBy::SomeName,
            AddressGrant::ANY_NAME => GrantedBy::AnyName,
            name => GrantedBy::Name(name),
        },
        deadline,
    }
}
