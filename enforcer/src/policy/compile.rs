//! Compiles names, prefixes and addresses to the desired contents of the maps.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Arc;

use enforcer_common::Class;
use enforcer_common::layout::{
    AddressGrant, AddressKey, Deadline, MAX_ADDRESSES, MAX_RESOLVERS, NameCount, NameEntry,
    NameKey, ScopedAddress, Snooping, Switches,
};
use ipnet::{IpNet, Ipv6Net};

use super::effective_address::address;
use super::error::{CompileError, fits};
use super::exceptions::{ExceptionInput, Exceptions, with_any_scope};
use super::layer::Layer;
use super::names::{self, NameInput};
use super::revocation::NameGrants;
use super::tables::Tables;

/// The most addresses in the allowed set.
pub const MAX_ALLOWED: usize = MAX_ADDRESSES as usize;

/// `168.63.129.16`: DNS, DHCP and health probes of the Azure platform, inside every virtual network.
const PLATFORM: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(168, 63, 129, 16));

/// The inputs of the protected set.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Protected {
    /// The protected prefixes; where prefixes of two layers overlap, the later layer applies.
    pub layers: Vec<Layer>,
    /// NAT64 prefixes of this network (RFC 6052 lengths), in addition to the well-known ones.
    pub nat64: Vec<Ipv6Net>,
    /// DNS servers and the host's own addresses.
    pub exempt: Vec<IpAddr>,
}

/// The other inputs of a policy.
#[derive(Clone, Debug, Default)]
pub struct Inputs {
    /// Whether denied packets pass and are only reported.
    pub audit: bool,
    /// Whether addresses outside the protected set are allowed.
    pub default_allow: bool,
    /// Addresses of allowed names, each once per name.
    pub allowed: Vec<IpAddr>,
    /// Exceptions before their deadline.
    pub exceptions: Vec<ExceptionInput>,
    /// The names behind these addresses.
    pub names: Vec<NameInput>,
    /// What the kernel snoops.
    pub snooping: Snooping,
    /// The DNS servers whose answers it snoops.
    pub resolvers: Vec<IpAddr>,
    /// Whether frames of network devices are judged: those without a socket have the union of all exceptions.
    pub devices: bool,
}

/// The desired contents of the maps.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Desired {
    /// Mode, default and shortcuts.
    pub switches: Switches,
    /// The deepest level of a cgroup with an exception.
    pub exception_level: u32,
    /// The protected set, shared between successive policies while it does not change.
    pub tables: Arc<Tables>,
    /// The allowed set.
    pub allowed: BTreeMap<AddressKey, NameCount>,
    /// Cgroups with exceptions, and the number of their exceptions.
    pub cgroups: BTreeMap<u64, u32>,
    /// Prefixes of exceptions, by their key and its significant bits.
    pub prefixes: BTreeMap<(ScopedAddress, u32), Deadline>,
    /// Addresses of names of exceptions.
    pub addresses: BTreeMap<ScopedAddress, Deadline>,
    /// Allowed names.
    pub names: BTreeMap<NameKey, NameEntry>,
    /// Grants of addresses to names, by cgroup.
    pub name_addresses: BTreeMap<AddressGrant, Deadline>,
    /// Which names may grant addresses by snooping.
    pub name_grants: NameGrants,
    /// DNS servers whose answers are snooped, with their numbers.
    pub resolvers: BTreeMap<AddressKey, u32>,
    /// What the kernel snoops.
    pub snooping: Snooping,
}

/// Compiles the protected set.
///
/// # Errors
/// [`CompileError::TableFull`] where it does not fit; then no part of it may be applied.
pub fn compile_tables(protected: &Protected) -> Result<Arc<Tables>, CompileError> {
    Ok(Arc::new(Tables::build(&protected.all_layers())?))
}

impl Protected {
    /// Returns the layers of every class.
    pub(super) fn all_layers(&self) -> Vec<Layer> {
        // The longest prefix last, so that it applies, as in `effective_address`.
        let mut nat64 = self.nat64.clone();
        nat64.sort_unstable_by_key(Ipv6Net::prefix_len);
        let nat64 = nat64.iter().map(|net| Layer {
            class: Class::Nat64(net.prefix_len()),
            prefixes: vec![IpNet::V6(*net)],
        });
        let exempt = self.exempt.iter().copied().chain([PLATFORM]);
        let exempt = Layer {
            class: Class::Exempt,
            prefixes: exempt.map(IpNet::from).collect(),
        };
        nat64
            .chain(self.layers.iter().cloned())
            .chain([exempt])
            .collect()
    }
}

/// Compiles `inputs` for a protected set.
///
/// # Errors
/// Where a map would overflow; then no part of the policy may be applied.
pub fn compile(inputs: &Inputs, tables: Arc<Tables>) -> Result<Desired, CompileError> {
    let allowed = allowed(&inputs.allowed)?;
    let outside = inputs.allowed.iter().any(|ip| {
        let address = address(*ip);
        address.is_global() && tables.class(address) == Class::Unprotected
    });
    let exceptions = if inputs.devices {
        Exceptions::compile(&with_any_scope(&inputs.exceptions))?
    } else {
        Exceptions::compile(&inputs.exceptions)?
    };
    let (names, name_addresses) = names::compile(&inputs.names, inputs.devices)?;
    Ok(Desired {
        switches: Switches::new(inputs.audit, inputs.default_allow, outside),
        exception_level: exceptions.level,
        tables,
        allowed,
        cgroups: exceptions.cgroups,
        prefixes: exceptions.prefixes,
        addresses: exceptions.addresses,
        names,
        name_addresses,
        name_grants: names::name_grants(&inputs.names),
        resolvers: resolvers(&inputs.resolvers),
        snooping: inputs.snooping,
    })
}

/// Returns the servers with their numbers, as many as fit; the daemon itself resolves what the others answer.
fn resolvers(resolvers: &[IpAddr]) -> BTreeMap<AddressKey, u32> {
    let keys = resolvers.iter().map(|ip| address(*ip).key());
    keys.take(MAX_RESOLVERS as usize).zip(1..).collect()
}

fn allowed(addresses: &[IpAddr]) -> Result<BTreeMap<AddressKey, NameCount>, CompileError> {
    let mut allowed = BTreeMap::<AddressKey, NameCount>::new();
    for ip in addresses {
        allowed.entry(address(*ip).key()).or_default().names += 1;
    }
    fits(
        allowed.len(),
        MAX_ALLOWED,
        "addresses of allowed names",
        "allow fewer names, or check why they resolve to so many addresses (`egress-enforcer endpoints`)",
    )?;
    Ok(allowed)
}

#[cfg(test)]
mod tests;
