//! Keys and values of the maps of names, addresses and socket owners.

#[cfg(doc)]
use super::DNS_ADDRESSES;

/// Bytes of a [`NameKey`]; a name has 253 at most (RFC 1035 section 2.3.4).
pub const NAME_BYTES: usize = 256;
/// An address as [`crate::Address::key`].
pub type AddressKey = [u8; 16];

/// A name in lower case without a final dot, padded with zeros. `*` as the whole second label matches any one label.
pub type NameKey = [u8; NAME_BYTES];

/// An allowed name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
#[repr(C)]
pub struct NameEntry {
    /// Its number in [`AddressGrant`], from 1 on; constant while the name stays allowed.
    pub id: u32,
    /// The flags below.
    pub flags: u32,
    /// Cgroup of the exception that has the name, or 0.
    pub cgroup: u64,
    /// When that exception ends.
    pub deadline: Deadline,
}

impl NameEntry {
    /// The name of a registry: allowed for every cgroup.
    pub const REGISTRY: u32 = 1;
    /// Its addresses are in `AzureContainerRegistry`.
    pub const IN_REGISTRY_TAG: u32 = 2;
    /// Its addresses are in `Storage`.
    pub const IN_STORAGE_TAG: u32 = 4;
    /// The kernel reports answers instead of granting their addresses: several cgroups have the name, or answers need more checks.
    pub const ASK_DAEMON: u32 = 8;
    /// Server names are not checked at its addresses (`sni = "off"`) for some cgroup: the kernel grants none of them.
    pub const UNCHECKED: u32 = 16;
    /// Any name with this text behind its first label, which begins with a dot. It allows nothing: answers are reported, so that denials have the name
    /// that was asked for.
    pub const WATCHED: u32 = 32;
}

/// The grant of an address to a cgroup by a name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(C)]
pub struct AddressGrant {
    /// Cgroup of an exception; 0 for every cgroup.
    pub cgroup: u64,
    /// The address.
    pub address: AddressKey,
    /// [`NameEntry::id`]; [`AddressGrant::ADDRESS`] or [`AddressGrant::ANY_NAME`].
    pub name: u32,
    /// Zero.
    pub reserved: u32,
}

impl AddressGrant {
    /// Instead of a name's number: allowed by some name ([`DNS_ADDRESSES`] only).
    pub const ADDRESS: u32 = 0;
    /// Instead of a name's number: server names are not checked (`sni = "off"`).
    pub const ANY_NAME: u32 = u32::MAX;

    /// The grant of `address` to `cgroup` by `name`.
    #[inline(always)]
    pub const fn new(cgroup: u64, address: AddressKey, name: u32) -> Self {
        Self {
            cgroup,
            address,
            name,
            reserved: 0,
        }
    }
}

/// Number of allowed names that resolve to an address.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
#[repr(C)]
pub struct NameCount {
    /// The number.
    pub names: u32,
    /// Zero.
    pub reserved: u32,
}

/// An address in the exceptions of one cgroup. A prefix length counts from the cgroup's first bit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(C)]
pub struct ScopedAddress {
    /// The cgroup id in big-endian byte order.
    pub cgroup: [u8; 8],
    /// As [`crate::Address::key`].
    pub address: AddressKey,
}

impl ScopedAddress {
    /// Bits of a whole key.
    pub const BITS: u32 = 8 * size_of::<Self>() as u32;
    /// Bits of the cgroup id.
    pub const CGROUP_BITS: u32 = 64;

    /// The key of `address` for `cgroup`.
    #[inline(always)]
    pub const fn new(cgroup: u64, address: AddressKey) -> Self {
        Self {
            cgroup: cgroup.to_be_bytes(),
            address,
        }
    }
}

/// End of a grant, in nanoseconds since boot (`CLOCK_BOOTTIME`): the kernel enforces it even while the daemon is dead.
pub type Deadline = u64;

/// The process that opened or used a socket.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
#[repr(C, align(8))]
pub struct SocketOwner {
    /// The thread group.
    pub pid: u32,
    /// The user.
    pub uid: u32,
    /// The command name, NUL-padded.
    pub command: [u8; 16],
}

const _: () = {
    assert!(size_of::<NameCount>() == 8);
    assert!(size_of::<NameEntry>() == 24);
    assert!(size_of::<AddressGrant>() == 32);
    assert!(size_of::<ScopedAddress>() == 24);
    assert!(size_of::<SocketOwner>() == 24);
};
