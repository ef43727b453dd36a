//! Names, prefixes and answers → what the maps should hold.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Arc;

use enforcer_common::Class;
use enforcer_common::layout::{
    AddressGrant, AddressKey, Deadline, MAX_ADDRESSES, MAX_PREFIXES, MAX_RESOLVERS, MAX_SCOPES,
    NameCount, NameEntry, NameKey, ScopedAddress, Snooping, Switches,
};
use ipnet::{IpNet, Ipv6Net};

use super::effective_address::address;
use super::names::{self, NameInput};
use super::revocation::NameGrants;
use super::table::{Layer, Tables};

/// Addresses that the allowed set can hold.
pub const MAX_ALLOWED: usize = MAX_ADDRESSES as usize;

/// `168.63.129.16`: DNS, DHCP and health probes of the Azure platform, inside every virtual network.
const PLATFORM: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(168, 63, 129, 16));

/// All that decides the protected set.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Protected {
    /// What is closed; where prefixes of two layers overlap, the later layer counts.
    pub layers: Vec<Layer>,
    /// NAT64 prefixes of this network (RFC 6052 lengths), beside the well-known ones.
    pub nat64: Vec<Ipv6Net>,
    /// DNS servers and the host's own addresses.
    pub exempt: Vec<IpAddr>,
}

/// All else that decides what the maps hold.
#[derive(Clone, Debug, Default)]
pub struct Inputs {
    /// Report, and let pass.
    pub audit: bool,
    /// What nothing closes is open.
    pub default_allow: bool,
    /// Addresses of allowed names, each as often as names lead there.
    pub allowed: Vec<IpAddr>,
    /// Exceptions that have not ended.
    pub exceptions: Vec<ExceptionInput>,
    /// The names behind these addresses.
    pub names: Vec<NameInput>,
    /// What the kernel learns by itself.
    pub snooping: Snooping,
    /// The DNS servers that it learns from.
    pub servers: Vec<IpAddr>,
}

/// One exception for one cgroup.
#[derive(Clone, Debug)]
pub struct ExceptionInput {
    /// The cgroup id.
    pub cgroup: u64,
    /// Its level in the tree; the root is 0.
    pub level: u32,
    /// When it ends, in nanoseconds since boot.
    pub deadline: u64,
    /// Prefixes that it opens.
    pub prefixes: Vec<IpNet>,
    /// Addresses that its names resolve to.
    pub addresses: Vec<IpAddr>,
}

/// What the maps should hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Desired {
    /// Mode, default and shortcuts.
    pub switches: Switches,
    /// The deepest level of a cgroup with an exception.
    pub exception_level: u32,
    /// The protected set, shared from one policy to the next while it stays the same.
    pub tables: Arc<Tables>,
    /// The allowed set.
    pub allowed: BTreeMap<AddressKey, NameCount>,
    /// Cgroups with exceptions, and how many they have.
    pub cgroups: BTreeMap<u64, u32>,
    /// Prefixes of exceptions, by their key and its significant bits.
    pub prefixes: BTreeMap<(ScopedAddress, u32), Deadline>,
    /// Addresses of names of exceptions.
    pub addresses: BTreeMap<ScopedAddress, Deadline>,
    /// Allowed names.
    pub names: BTreeMap<NameKey, NameEntry>,
    /// Which names lead where, for whom.
    pub bound: BTreeMap<AddressGrant, Deadline>,
    /// Who may learn more of where names lead.
    pub granted: NameGrants,
    /// DNS servers that are believed, by number.
    pub servers: BTreeMap<AddressKey, u32>,
    /// What the kernel learns by itself.
    pub snooping: Snooping,
}

/// Why inputs give no policy. The policy in force stays.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CompileError {
    /// The protected set is too scattered.
    #[error(
        "the {family} prefixes need {needed} table entries and {capacity} fit: \
         close fewer or larger prefixes (protect.tags, protect.cidrs)"
    )]
    TableFull {
        /// "IPv4" or "IPv6".
        family: &'static str,
        /// Blocks or rows needed.
        needed: usize,
        /// Blocks or rows there are.
        capacity: usize,
    },
    /// One of the other maps would overflow.
    #[error("{needed} {what} are to be held and {capacity} fit: {mend}")]
    MapFull {
        /// What the map holds.
        what: &'static str,
        /// Entries needed.
        needed: usize,
        /// Entries there are.
        capacity: usize,
        /// What to do.
        mend: &'static str,
    },
    /// An IPv6 prefix of an exception that covers all of IPv4 too.
    #[error("the exception's prefix {0} covers the IPv4-mapped range: write a longer one")]
    TooBroad(IpNet),
}

/// Compiles the protected set.
///
/// # Errors
/// [`CompileError::TableFull`] where it does not fit; then nothing of it may be applied.
pub fn compile_tables(protected: &Protected) -> Result<Arc<Tables>, CompileError> {
    // The longest prefix last: that is the one that counts, as in `judged`.
    let mut nat64 = protected.nat64.clone();
    nat64.sort_unstable_by_key(Ipv6Net::prefix_len);
    let nat64 = nat64.iter().map(|net| Layer {
        class: Class::Nat64(net.prefix_len()),
        prefixes: vec![IpNet::V6(*net)],
    });
    let exempt = protected.exempt.iter().copied().chain([PLATFORM]);
    let exempt = Layer {
        class: Class::Exempt,
        prefixes: exempt.map(IpNet::from).collect(),
    };
    let layers: Vec<Layer> = nat64
        .chain(protected.layers.iter().cloned())
        .chain([exempt])
        .collect();
    Ok(Arc::new(Tables::build(&layers)?))
}

/// Compiles `inputs` over a protected set.
///
/// # Errors
/// Where something does not fit; then nothing of it may be applied.
pub fn compile(inputs: &Inputs, tables: Arc<Tables>) -> Result<Desired, CompileError> {
    let allowed = allowed(&inputs.allowed)?;
    let outside = inputs.allowed.iter().any(|ip| {
        let address = address(*ip);
        address.is_global() && tables.class(address) == Class::Unprotected
    });
    let exceptions = Exceptions::compile(&inputs.exceptions)?;
    let (names, bound) = names::compile(&inputs.names)?;
    Ok(Desired {
        switches: Switches::new(inputs.audit, inputs.default_allow, outside),
        exception_level: exceptions.level,
        tables,
        allowed,
        cgroups: exceptions.cgroups,
        prefixes: exceptions.prefixes,
        addresses: exceptions.addresses,
        names,
        bound,
        granted: names::granted(&inputs.names),
        servers: servers(&inputs.servers),
        snooping: inputs.snooping,
    })
}

/// The servers with their numbers, as many as there is room for: what answers the others give, the daemon learns.
fn servers(servers: &[IpAddr]) -> BTreeMap<AddressKey, u32> {
    let keys = servers.iter().map(|ip| address(*ip).key());
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
        "allow fewer names, or find out why they resolve to so many addresses (`egress-enforcer endpoints`)",
    )?;
    Ok(allowed)
}

#[derive(Default)]
struct Exceptions {
    level: u32,
    cgroups: BTreeMap<u64, u32>,
    prefixes: BTreeMap<(ScopedAddress, u32), Deadline>,
    addresses: BTreeMap<ScopedAddress, Deadline>,
}

impl Exceptions {
    fn compile(inputs: &[ExceptionInput]) -> Result<Self, CompileError> {
        let mut compiled = Self::default();
        let mut prefixes = BTreeMap::new();
        for input in inputs {
            *compiled.cgroups.entry(input.cgroup).or_default() += 1;
            compiled.level = compiled.level.max(input.level);
            for ip in &input.addresses {
                let key = ScopedAddress::new(input.cgroup, address(*ip).key());
                later(compiled.addresses.entry(key).or_default(), input.deadline);
            }
            for net in &input.prefixes {
                later(
                    prefixes.entry((input.cgroup, *net)).or_default(),
                    input.deadline,
                );
            }
        }
        compiled.prefixes = keyed(&prefixes)?;
        compiled.check_sizes()?;
        Ok(compiled)
    }

    fn check_sizes(&self) -> Result<(), CompileError> {
        let mend = "remove exceptions";
        fits(
            self.cgroups.len(),
            MAX_SCOPES as usize,
            "cgroups with exceptions",
            mend,
        )?;
        fits(
            self.prefixes.len(),
            MAX_PREFIXES as usize,
            "prefixes of exceptions",
            mend,
        )?;
        fits(
            self.addresses.len(),
            MAX_ALLOWED,
            "addresses of exceptions",
            mend,
        )
    }
}

/// The keys of the prefixes. A longer prefix hides the shorter ones in the trie, so it lasts as long as the longest-lived of them.
fn keyed(
    prefixes: &BTreeMap<(u64, IpNet), Deadline>,
) -> Result<BTreeMap<(ScopedAddress, u32), Deadline>, CompileError> {
    let mut keyed = BTreeMap::new();
    for (cgroup, net) in prefixes.keys() {
        let covering = prefixes
            .iter()
            .filter(|((other_cgroup, other), _)| other_cgroup == cgroup && other.contains(net));
        let latest = covering.map(|(_, deadline)| *deadline).max();
        let (ip, bits) = match net {
            IpNet::V4(net) => (IpAddr::V4(net.network()), 96 + u32::from(net.prefix_len())),
            IpNet::V6(net) if covers_mapped(net) => {
                return Err(CompileError::TooBroad((*net).into()));
            }
            IpNet::V6(net) => (IpAddr::V6(net.network()), u32::from(net.prefix_len())),
        };
        let key = ScopedAddress::new(*cgroup, key_of_network(ip));
        keyed.insert(
            (key, ScopedAddress::CGROUP_BITS + bits),
            latest.unwrap_or(0),
        );
    }
    Ok(keyed)
}

fn covers_mapped(net: &Ipv6Net) -> bool {
    net.contains(&std::net::Ipv4Addr::UNSPECIFIED.to_ipv6_mapped())
}

/// As [`Address::key`], but without reading an IPv4 address into an IPv6 network.
fn key_of_network(ip: IpAddr) -> AddressKey {
    match ip {
        IpAddr::V4(ip) => ip.to_ipv6_mapped().octets(),
        IpAddr::V6(ip) => ip.octets(),
    }
}

fn later(deadline: &mut Deadline, nanoseconds: u64) {
    *deadline = nanoseconds.max(*deadline);
}

pub(super) fn fits(
    needed: usize,
    capacity: usize,
    what: &'static str,
    mend: &'static str,
) -> Result<(), CompileError> {
    if needed > capacity {
        return Err(CompileError::MapFull {
            what,
            needed,
            capacity,
            mend,
        });
    }
    Ok(())
}

#[cfg(test)]
mod tests;
