//! Exceptions of cgroups, as the maps hold them.

use std::collections::BTreeMap;
use std::net::IpAddr;

use enforcer_common::layout::{
    ANY_SCOPE, AddressKey, BYPASS_ADDRESS, Deadline, MAX_ADDRESSES, MAX_PREFIXES, MAX_SCOPES,
    ScopedAddress,
};
use ipnet::{IpNet, Ipv6Net};

use super::effective_address::address;
use super::error::{CompileError, fits};

/// One exception for one cgroup.
#[derive(Clone, Debug)]
pub struct ExceptionInput {
    /// The cgroup id.
    pub cgroup: u64,
    /// Its level in the tree; the root is 0.
    pub level: u32,
    /// When it ends, in nanoseconds since boot.
    pub deadline: u64,
    /// Prefixes that it allows.
    pub prefixes: Vec<IpNet>,
    /// Addresses that its names resolve to.
    pub addresses: Vec<IpAddr>,
    /// Whether it may send past the filters of network devices.
    pub bypasses_devices: bool,
}

/// The maps of exceptions.
#[derive(Default)]
pub(super) struct Exceptions {
    /// The deepest level of a cgroup with an exception.
    pub(super) level: u32,
    pub(super) cgroups: BTreeMap<u64, u32>,
    pub(super) prefixes: BTreeMap<(ScopedAddress, u32), Deadline>,
    pub(super) addresses: BTreeMap<ScopedAddress, Deadline>,
}

impl Exceptions {
    /// Compiles the exceptions.
    pub(super) fn compile(inputs: &[ExceptionInput]) -> Result<Self, CompileError> {
        let mut compiled = Self::default();
        let mut prefixes = BTreeMap::new();
        for input in inputs {
            if input.cgroup != ANY_SCOPE {
                *compiled.cgroups.entry(input.cgroup).or_default() += 1;
            }
            compiled.level = compiled.level.max(input.level);
            let addresses = input.addresses.iter().map(|ip| address(*ip).key());
            // No name leads there.
            let addresses = addresses.filter(|key| *key != BYPASS_ADDRESS);
            let bypass = input.bypasses_devices.then_some(BYPASS_ADDRESS);
            for key in addresses.chain(bypass) {
                let key = ScopedAddress::new(input.cgroup, key);
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
        let fix = "remove exceptions";
        fits(
            self.cgroups.len(),
            MAX_SCOPES as usize,
            "cgroups with exceptions",
            fix,
        )?;
        // Those of all scopes have as much room.
        let is_own = |key: &ScopedAddress| key.cgroup != ANY_SCOPE.to_be_bytes();
        let prefixes = self.prefixes.keys().filter(|(key, _)| is_own(key));
        let addresses = self.addresses.keys().filter(|key| is_own(key));
        fits(
            prefixes.count(),
            MAX_PREFIXES as usize,
            "prefixes of exceptions",
            fix,
        )?;
        fits(
            addresses.count(),
            MAX_ADDRESSES as usize,
            "addresses of exceptions",
            fix,
        )
    }
}

/// Returns the exceptions, and each of them once more for packets without a socket.
pub(super) fn with_any_scope(inputs: &[ExceptionInput]) -> Vec<ExceptionInput> {
    let any = inputs.iter().map(|input| ExceptionInput {
        cgroup: ANY_SCOPE,
        bypasses_devices: false,
        ..input.clone()
    });
    inputs.iter().cloned().chain(any).collect()
}

/// Returns the keys of the prefixes. A longer prefix hides the shorter ones in the trie, so it gets the latest deadline of them.
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

/// Like [`Address::key`](enforcer_common::Address::key), but without extracting an IPv4 address from an IPv6 network.
pub(super) fn key_of_network(ip: IpAddr) -> AddressKey {
    match ip {
        IpAddr::V4(ip) => ip.to_ipv6_mapped().octets(),
        IpAddr::V6(ip) => ip.octets(),
    }
}

fn later(deadline: &mut Deadline, nanoseconds: u64) {
    *deadline = nanoseconds.max(*deadline);
}
