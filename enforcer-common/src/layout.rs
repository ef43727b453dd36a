//! Maps and programs: names, sizes, and layouts of keys and values.
//!
//! [`VERSION`] names the pin directory. Any change to a layout, a map's name or size, or a code raises it.

mod budget;

pub use self::budget::{
    BUDGET, BudgetSlot, MAX_BUDGET_SLOTS, MAX_BUDGETS, MAX_CLAIMS, SnoopedGrant,
};
use crate::tables::interval::Row;
use crate::tables::stride::Block;

mod denials;

pub use denials::{
    COUNTER_LOST, COUNTER_SUPPRESSED, DEDUP_WINDOW, DedupEntry, DedupKey, MAX_COUNTERS,
    REPORT_BURST, REPORT_INTERVAL, SocketDenial, SuppressedKey, attempt_counter, counter, digest,
    window,
};

/// Version of everything in this module. A build with the feature `layout-next` has the next version and a different layout: the tests hand over
/// between the two.
pub const VERSION: u32 = 4 + cfg!(feature = "layout-next") as u32;
/// Other versions whose [`ALLOWED`] has the same keys and values, so that a hand-over keeps the addresses in it. Addresses that any other version allowed
/// are known from the state file only.
pub const SAME_ALLOWED: &[u32] = &[VERSION - 1, VERSION - 2, VERSION - 3];

/// `ARRAY[1]` of [`Settings`].
pub const SETTINGS: &str = "SETTINGS";
/// `ARRAY_OF_MAPS[1]` of `ARRAY[MAX_BLOCKS]` of [`Block`]: the protected IPv4 set.
pub const PROTECTED_V4: &str = "PROTECTED_V4";
/// `ARRAY_OF_MAPS[1]` of `ARRAY[MAX_ROWS]` of [`Row`]: the protected IPv6 set.
pub const PROTECTED_V6: &str = "PROTECTED_V6";
/// `HASH` of [`AddressKey`] to [`NameCount`]: addresses that allowed names resolve to.
pub const ALLOWED: &str = "ALLOWED";
/// `HASH` of a cgroup id (`u64`) to the number of its exceptions (`u32`).
pub const EXCEPTION_CGROUPS: &str = "EXC_CGROUPS";
/// `LPM_TRIE` of [`ScopedAddress`] to a [`Deadline`]: prefixes of exceptions.
pub const EXCEPTION_PREFIXES: &str = "EXC_PREFIXES";
/// `HASH` of [`ScopedAddress`] to a [`Deadline`]: addresses that names of exceptions resolve to.
pub const EXCEPTION_ADDRESSES: &str = "EXC_ADDRESSES";
/// `RINGBUF` of [`crate::Record`]s.
pub const EVENTS: &str = "EVENTS";
/// `HASH` of [`DedupKey`] to [`DedupEntry`]. The daemon removes the entries of past windows.
pub const DENIAL_DEDUP: &str = "DENIAL_DEDUP";
/// `LRU_HASH` of a cgroup id (`u64`) to the time until which its token bucket is in debt, in nanoseconds since boot (`u64`).
pub const REPORT_RATES: &str = "REPORT_RATES";
/// `HASH` of [`SuppressedKey`] to the number of denials (`u64`) without a record.
pub const SUPPRESSED: &str = "SUPPRESSED";
/// `LRU_HASH` of a socket cookie (`u64`) to [`SocketDenial`]: distinguishes further packets of a denied connection from a new attempt.
pub const SOCKET_DENIALS: &str = "SOCKET_DENIALS";
/// `PERCPU_ARRAY` of `u64`, indexed by [`counter`].
pub const COUNTERS: &str = "COUNTERS";
/// `LRU_HASH` of a socket cookie (`u64`) to [`SocketOwner`].
pub const SOCKET_OWNERS: &str = "SOCKET_OWNERS";
/// `HASH` of [`NameKey`] to [`NameEntry`]: the allowed names.
pub const NAMES: &str = "NAMES";
/// `HASH` of [`AddressGrant`] to a [`Deadline`]: which names grant which addresses, according to the daemon.
pub const NAME_ADDRESSES: &str = "NAME_ADDRESSES";
/// `HASH` of [`AddressGrant`] to [`SnoopedGrant`]: grants from snooped DNS answers that the daemon has not yet confirmed.
pub const DNS_ADDRESSES: &str = "DNS_ADDRESSES";
/// `LRU_HASH` of a cgroup id (`u64`) to the number of grants charged to it (`u32`, wrapping), which selects its next [`BudgetSlot`].
pub const BUDGETS: &str = "BUDGETS";
/// `LRU_HASH` of [`BudgetSlot`] to [`AddressGrant`]: the grants charged to each cgroup.
pub const BUDGET_SLOTS: &str = "BUDGET_SLOTS";
/// `HASH` of [`AddressKey`] to a number from 1 on (`u32`): the resolvers whose answers are snooped.
pub const RESOLVERS: &str = "RESOLVERS";

/// `HASH` of a socket cookie (`u64`) to the [`AddressKey`] of the resolver that the socket is connected to: sockets of the daemon's network namespace
/// that connected before the programs were attached.
pub const DNS_SOCKETS: &str = "DNS_SOCKETS";

/// `SK_STORAGE` of [`crate::dns::PendingQueries`]: sockets of trusted network namespaces that query resolvers.
pub const DNS_CLIENTS: &str = "DNS_CLIENTS";

/// `SK_STORAGE` of [`crate::tls::FlowState`]: the state of each connection to an allowed address. Versions share this map, so that verified connections
/// survive a hand-over.
pub const FLOWS: &str = "FLOWS";

/// Every map except the programs' scratch memory, in the order of pinning.
pub const MAPS: [&str; 23] = [
    SETTINGS,
    PROTECTED_V4,
    PROTECTED_V6,
    ALLOWED,
    EXCEPTION_CGROUPS,
    EXCEPTION_PREFIXES,
    EXCEPTION_ADDRESSES,
    EVENTS,
    DENIAL_DEDUP,
    REPORT_RATES,
    SUPPRESSED,
    SOCKET_DENIALS,
    COUNTERS,
    SOCKET_OWNERS,
    NAMES,
    NAME_ADDRESSES,
    DNS_ADDRESSES,
    BUDGETS,
    BUDGET_SLOTS,
    RESOLVERS,
    DNS_SOCKETS,
    DNS_CLIENTS,
    FLOWS,
];

/// Name of a map's pin. That of [`FLOWS`] is the name that the map has in versions 1 to 3, so that they and this one find each other's.
pub fn pin_name(map: &str) -> &str {
    if map == FLOWS { "HANDSHAKES_2" } else { map }
}

/// Program for test runs by `explain`: the egress program without telemetry.
pub const EXPLAIN: &str = "explain";
/// Program that records which process opened a socket. It allows everything.
pub const SOCKET_OWNER: &str = "socket_owner";
/// Program that snoops DNS answers. It allows everything.
pub const DNS_SNOOP: &str = "dns_snoop";

/// Entries of [`ALLOWED`] and of [`EXCEPTION_ADDRESSES`].
pub const MAX_ADDRESSES: u32 = 8192;
/// Entries of [`EXCEPTION_CGROUPS`].
pub const MAX_SCOPES: u32 = 256;
/// Entries of [`EXCEPTION_PREFIXES`].
pub const MAX_PREFIXES: u32 = 4096;
/// Entries of [`NAMES`].
pub const MAX_NAMES: u32 = 4096;
/// Entries of [`NAME_ADDRESSES`].
pub const MAX_NAME_ADDRESSES: u32 = 32_768;
/// Entries of [`DNS_ADDRESSES`]: 32 cgroups can use their whole budget.
pub const MAX_DNS_ADDRESSES: u32 = 32 * BUDGET;
/// Entries of [`RESOLVERS`].
pub const MAX_RESOLVERS: u32 = 64;
/// Entries of [`DNS_SOCKETS`].
pub const MAX_DNS_SOCKETS: u32 = 4096;
/// Bytes of a [`NameKey`]; a name has 253 at most (RFC 1035 section 2.3.4).
pub const NAME_BYTES: usize = 256;
/// Entries of [`DENIAL_DEDUP`], of [`SOCKET_DENIALS`] and of [`SOCKET_OWNERS`].
pub const MAX_RECENT: u32 = 4096;
/// Entries of [`REPORT_RATES`] and of [`SUPPRESSED`].
pub const MAX_REPORTERS: u32 = 1024;
/// Bytes of [`EVENTS`]: about 3,000 events without a name.
pub const EVENT_BYTES: u32 = 256 * 1024;
/// Maximum level of a cgroup with an exception; the root has level 0.
pub const MAX_LEVEL: u32 = 16;

/// Settings that the programs read first. All zero: enforce, and deny by default.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
#[repr(C)]
pub struct Settings {
    /// Shifts all other fields.
    #[cfg(feature = "layout-next")]
    pub moved: u64,
    /// See [`Switches`].
    pub switches: Switches,
    /// Deepest level of a cgroup with an exception; 0 without exceptions.
    pub exception_level: u32,
    /// Number of policies applied; shown to people, not used by the programs.
    pub generation: u64,
    /// Changes after each change that may revoke a grant: verified connections then look theirs up again.
    pub epoch: u64,
    /// DNS snooping.
    pub snooping: Snooping,
}

/// Settings of DNS snooping. All zero: none.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
#[repr(C)]
pub struct Snooping {
    /// How long a snooped address stays allowed, in nanoseconds, whatever its TTL: that may be forged.
    pub linger: u64,
    /// Cookie of a network namespace whose sockets are trusted like those of the initial one; 0 for none.
    pub network: u64,
    /// Whether answers are snooped (1 or 0).
    pub enabled: u32,
    /// Zero.
    pub reserved: u32,
}

impl Settings {
    /// Settings of policy number `generation`.
    pub fn new(
        switches: Switches,
        exception_level: u32,
        generation: u64,
        epoch: u64,
        snooping: Snooping,
    ) -> Self {
        Self {
            #[cfg(feature = "layout-next")]
            moved: u64::MAX,
            switches,
            exception_level,
            generation,
            epoch,
            snooping,
        }
    }
}

/// Mode, default and shortcuts in one word, so that a packet sees a change whole or not at all.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
#[repr(transparent)]
pub struct Switches(u32);

impl Switches {
    const AUDIT: u32 = 1;
    const DEFAULT_ALLOW: u32 = 2;
    const ALLOWED_OUTSIDE: u32 = 4;

    /// `audit`: report denials and let them pass. `default_allow`: allow what nothing protects. `allowed_outside`: some allowed addresses are outside the
    /// protected set, so unprotected addresses must be looked up as well.
    pub const fn new(audit: bool, default_allow: bool, allowed_outside: bool) -> Self {
        Self(
            (audit as u32 * Self::AUDIT)
                | (default_allow as u32 * Self::DEFAULT_ALLOW)
                | (allowed_outside as u32 * Self::ALLOWED_OUTSIDE),
        )
    }

    /// Whether denials are only reported.
    #[inline(always)]
    pub const fn audits(self) -> bool {
        self.0 & Self::AUDIT != 0
    }

    /// Whether unprotected addresses are allowed by default.
    #[inline(always)]
    pub const fn default_allows(self) -> bool {
        self.0 & Self::DEFAULT_ALLOW != 0
    }

    /// Whether an unprotected address is allowed whatever the other maps hold.
    #[inline(always)]
    pub const fn unprotected_needs_no_lookup(self) -> bool {
        self.0 & (Self::DEFAULT_ALLOW | Self::ALLOWED_OUTSIDE) == Self::DEFAULT_ALLOW
    }
}

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
    assert!(
        size_of::<Settings>()
            == if cfg!(feature = "layout-next") {
                56
            } else {
                48
            }
    );
    assert!(size_of::<Block>() == 512);
    assert!(size_of::<Row>() == 24);
    assert!(size_of::<NameCount>() == 8);
    assert!(size_of::<NameEntry>() == 24);
    assert!(size_of::<AddressGrant>() == 32);
    assert!(size_of::<ScopedAddress>() == 24);
    assert!(size_of::<SocketOwner>() == 24);
};
