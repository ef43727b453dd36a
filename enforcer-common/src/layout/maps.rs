//! Names and sizes of the maps, and names of the programs.

#[cfg(doc)]
use super::{
    AddressGrant, AddressKey, BudgetSlot, Deadline, DedupEntry, DedupKey, NameCount, NameEntry,
    NameKey, ScopedAddress, Settings, SnoopedGrant, SocketDenial, SocketOwner, SuppressedKey,
    counter,
};
#[cfg(doc)]
use crate::tables::{
    interval::{MAX_ROWS, Row},
    stride::{Block, MAX_BLOCKS},
};

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

/// Entries of [`ALLOWED`], and half of those of [`EXCEPTION_ADDRESSES`]: each is there once more for packets without a socket.
pub const MAX_ADDRESSES: u32 = 8192;
/// Entries of [`EXCEPTION_CGROUPS`].
pub const MAX_SCOPES: u32 = 256;
/// Half of the entries of [`EXCEPTION_PREFIXES`]: each is there once more for packets without a socket.
pub const MAX_PREFIXES: u32 = 4096;
/// Entries of [`NAMES`].
pub const MAX_NAMES: u32 = 4096;
/// Entries of [`NAME_ADDRESSES`].
pub const MAX_NAME_ADDRESSES: u32 = 32_768;
/// Entries of [`RESOLVERS`].
pub const MAX_RESOLVERS: u32 = 64;
/// Entries of [`DNS_SOCKETS`].
pub const MAX_DNS_SOCKETS: u32 = 2048;
/// Entries of [`DENIAL_DEDUP`], of [`SOCKET_DENIALS`] and of [`SOCKET_OWNERS`].
pub const MAX_RECENT: u32 = 4096;
/// Entries of [`REPORT_RATES`] and of [`SUPPRESSED`].
pub const MAX_REPORTERS: u32 = 1024;
/// Bytes of [`EVENTS`]: about 2,500 events without a name.
pub const EVENT_BYTES: u32 = 256 * 1024;
/// Maximum level of a cgroup with an exception; the root has level 0.
pub const MAX_LEVEL: u32 = 16;
