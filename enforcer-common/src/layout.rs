//! Maps and programs: their names and the layouts of their keys and values.
//!
//! [`VERSION`] stands in the pin directory; any change to a layout, a map's size or a code raises it.

mod budget;

pub use self::budget::{BUDGET, BudgetSlot, Learned, MAX_ASKERS, MAX_BUDGET_SLOTS, MAX_BUDGETS};
use crate::interval::Row;
use crate::stride::Block;

mod denials;

pub use denials::{
    COUNTER_LOST, COUNTER_WITHHELD, FOLD_WINDOW, Fold, FoldKey, MAX_COUNTERS, REPORT_BURST,
    REPORT_INTERVAL, SocketDenial, WithheldKey, attempt_counter, counter, digest, window,
};

/// The version of everything in this module. A build with the feature `layout-next` has the version after it, with a layout of its own:
/// the tests hand over between the two.
pub const VERSION: u32 = 3 + cfg!(feature = "layout-next") as u32;
/// Other versions whose [`ALLOWED`] holds the same keys and values, so that what is open there can be taken over from its pins. What
/// another version opened is otherwise known from the state file alone.
pub const SAME_ALLOWED: &[u32] = &[VERSION - 1, VERSION - 2];

/// `ARRAY[1]` of [`Settings`].
pub const SETTINGS: &str = "SETTINGS";
/// `ARRAY_OF_MAPS[1]` of `ARRAY[MAX_BLOCKS]` of [`Block`]: the protected IPv4 set.
pub const PROTECTED_V4: &str = "PROTECTED_V4";
/// `ARRAY_OF_MAPS[1]` of `ARRAY[MAX_ROWS]` of [`Row`]: the protected IPv6 set.
pub const PROTECTED_V6: &str = "PROTECTED_V6";
/// `HASH` of [`AddressKey`] to [`Binding`]: addresses that allowed names resolve to.
pub const ALLOWED: &str = "ALLOWED";
/// `HASH` of a cgroup id (`u64`) to the number of its exceptions (`u32`).
pub const EXCEPTION_CGROUPS: &str = "EXC_CGROUPS";
/// `LPM_TRIE` of [`ScopedAddress`] to a [`Deadline`]: prefixes of exceptions.
pub const EXCEPTION_PREFIXES: &str = "EXC_PREFIXES";
/// `HASH` of [`ScopedAddress`] to a [`Deadline`]: addresses that names of exceptions resolve to.
pub const EXCEPTION_ADDRESSES: &str = "EXC_ADDRESSES";
/// `RINGBUF` of [`crate::Record`]s.
pub const EVENTS: &str = "EVENTS";
/// `HASH` of [`FoldKey`] to [`Fold`]. The daemon removes the entries of a window that is over.
pub const FOLDS: &str = "FOLDS";
/// `LRU_HASH` of a cgroup id (`u64`) to the time until which its token bucket is in debt, in nanoseconds since boot (`u64`).
pub const REPORT_RATES: &str = "REPORT_RATES";
/// `HASH` of [`WithheldKey`] to the number of denials (`u64`) that no record reports.
pub const WITHHELD: &str = "WITHHELD";
/// `LRU_HASH` of a socket cookie (`u64`) to [`SocketDenial`]: tells the packets of one denied connection from a new attempt.
pub const SOCKET_DENIALS: &str = "SOCKET_DENIALS";
/// `PERCPU_ARRAY` of `u64`, indexed by [`counter`].
pub const COUNTERS: &str = "COUNTERS";
/// `LRU_HASH` of a socket cookie (`u64`) to [`Origin`].
pub const ORIGINS: &str = "ORIGINS";
/// `HASH` of [`NameKey`] to [`NameEntry`]: the allowed names.
pub const NAMES: &str = "NAMES";
/// `HASH` of [`Opening`] to a [`Deadline`]: which names lead to which addresses, as the daemon knows it.
pub const BOUND: &str = "BOUND";
/// `HASH` of [`Opening`] to [`Learned`]: what the kernel learned from DNS answers and the daemon has not taken over yet.
pub const LEARNED: &str = "LEARNED";
/// `LRU_HASH` of a cgroup id (`u64`) to how many openings its answers brought in (`u32`, it wraps): the next one of its [`BudgetSlot`]s.
pub const BUDGETS: &str = "BUDGETS";
/// `LRU_HASH` of [`BudgetSlot`] to [`Opening`]: what each cgroup's answers brought in.
pub const BUDGET_SLOTS: &str = "BUDGET_SLOTS";
/// `HASH` of [`AddressKey`] to a number from 1 on (`u32`): the DNS servers whose answers are believed.
pub const SERVERS: &str = "SERVERS";

/// `HASH` of a socket cookie (`u64`) to the [`AddressKey`] of the DNS server that the socket is connected to: sockets of the daemon's network
/// namespace that no program saw connect.
pub const DNS_SOCKETS: &str = "DNS_SOCKETS";

/// `SK_STORAGE` of [`crate::dns::Asked`]: the sockets of trusted network namespaces that ask DNS servers.
pub const ASKERS: &str = "ASKERS";

/// `SK_STORAGE` of [`crate::hello::Handshake`]: how far the first bytes of each connection to an allowed address were read. The number
/// is that of its layout: versions that have a map of this name share it, so that a connection outlives the hand-over between them.
pub const HANDSHAKES: &str = "HANDSHAKES_2";

/// Every map but the programs' scratch, in the order in which they are pinned.
pub const MAPS: [&str; 23] = [
    SETTINGS,
    PROTECTED_V4,
    PROTECTED_V6,
    ALLOWED,
    EXCEPTION_CGROUPS,
    EXCEPTION_PREFIXES,
    EXCEPTION_ADDRESSES,
    EVENTS,
    FOLDS,
    REPORT_RATES,
    WITHHELD,
    SOCKET_DENIALS,
    COUNTERS,
    ORIGINS,
    NAMES,
    BOUND,
    LEARNED,
    BUDGETS,
    BUDGET_SLOTS,
    SERVERS,
    DNS_SOCKETS,
    ASKERS,
    HANDSHAKES,
];

/// The program that answers `explain`: the egress program's judgement without its telemetry, for test runs.
pub const EXPLAIN: &str = "explain";
/// The program that remembers which process opened a socket. It allows everything.
pub const ORIGIN: &str = "origin";
/// The program that reads DNS answers as they come in. It allows everything.
pub const LEARN: &str = "learn";

/// Entries of [`ALLOWED`] and of [`EXCEPTION_ADDRESSES`].
pub const MAX_ADDRESSES: u32 = 8192;
/// Entries of [`EXCEPTION_CGROUPS`].
pub const MAX_SCOPES: u32 = 256;
/// Entries of [`EXCEPTION_PREFIXES`].
pub const MAX_PREFIXES: u32 = 4096;
/// Entries of [`NAMES`].
pub const MAX_NAMES: u32 = 4096;
/// Entries of [`BOUND`].
pub const MAX_BOUND: u32 = 32_768;
/// Entries of [`LEARNED`]: two for each address, for 32 cgroups that use their whole budget.
pub const MAX_LEARNED: u32 = 32 * BUDGET;
/// Entries of [`SERVERS`].
pub const MAX_SERVERS: u32 = 64;
/// Entries of [`DNS_SOCKETS`].
pub const MAX_DNS_SOCKETS: u32 = 4096;
/// Bytes of a [`NameKey`]; a name has 253 at most (RFC 1035 section 2.3.4).
pub const NAME_BYTES: usize = 256;
/// Entries of [`FOLDS`], of [`SOCKET_DENIALS`] and of [`ORIGINS`].
pub const MAX_RECENT: u32 = 4096;
/// Entries of [`REPORT_RATES`] and of [`WITHHELD`].
pub const MAX_REPORTERS: u32 = 1024;
/// Bytes of [`EVENTS`]: about 3,000 events without a name.
pub const EVENT_BYTES: u32 = 256 * 1024;
/// How deep in the tree a cgroup with an exception may stand, the root being level 0.
pub const MAX_LEVEL: u32 = 16;
/// What the programs read first. All zero means: enforce, and deny what nothing opens.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
#[repr(C)]
pub struct Settings {
    /// Moves everything behind it.
    #[cfg(feature = "layout-next")]
    pub moved: u64,
    /// See [`Switches`].
    pub switches: Switches,
    /// The deepest level of a cgroup that has an exception; 0 where none has.
    pub exception_level: u32,
    /// Counts the policies applied; for people, not for the programs.
    pub generation: u64,
    /// Changes after each change that may close something: what was verified before is then looked up again.
    pub epoch: u64,
    /// What the kernel learns from DNS answers.
    pub learning: Learning,
}

/// Whether and for how long the kernel opens what DNS answers say. All zero means: nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
#[repr(C)]
pub struct Learning {
    /// How long a learned address stays open, in nanoseconds, whatever its TTL: that may be forged.
    pub linger: u64,
    /// The cookie of a network namespace whose sockets are trusted beside those of the initial one; 0 for none.
    pub network: u64,
    /// Whether anything is learned (1 or 0).
    pub enabled: u32,
    /// Zero.
    pub reserved: u32,
}

impl Settings {
    /// The settings of the policy that is the `generation`th.
    pub fn new(
        switches: Switches,
        exception_level: u32,
        generation: u64,
        epoch: u64,
        learning: Learning,
    ) -> Self {
        Self {
            #[cfg(feature = "layout-next")]
            moved: u64::MAX,
            switches,
            exception_level,
            generation,
            epoch,
            learning,
        }
    }
}

/// Mode, default and shortcuts in one word, so that a change is seen whole or not at all.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
#[repr(transparent)]
pub struct Switches(u32);

impl Switches {
    const AUDIT: u32 = 1;
    const DEFAULT_ALLOW: u32 = 2;
    const ALLOWED_OUTSIDE: u32 = 4;

    /// `audit`: report and let pass. `default_allow`: what nothing closes is open. `allowed_outside`: the allowed set holds
    /// addresses that no configured prefix covers, so open addresses must be looked up there too.
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

    /// Whether what nothing closes is open.
    #[inline(always)]
    pub const fn default_allows(self) -> bool {
        self.0 & Self::DEFAULT_ALLOW != 0
    }

    /// Whether an address that no configured prefix covers is open whatever the other maps hold.
    #[inline(always)]
    pub const fn open_needs_no_lookup(self) -> bool {
        self.0 & (Self::DEFAULT_ALLOW | Self::ALLOWED_OUTSIDE) == Self::DEFAULT_ALLOW
    }
}

/// An address as [`crate::Address::key`].
pub type AddressKey = [u8; 16];

/// A name in lower case, labels parted by dots, none at the end, the rest zero. `*` as the whole second label stands for any one label.
pub type NameKey = [u8; NAME_BYTES];

/// What the programs know of an allowed name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
#[repr(C)]
pub struct NameEntry {
    /// Its number in [`Opening`], from 1 on; the same while the name stays allowed.
    pub id: u32,
    /// See the constants.
    pub flags: u32,
    /// The cgroup of the exception that has the name, or 0.
    pub cgroup: u64,
    /// When that exception ends.
    pub deadline: Deadline,
}

impl NameEntry {
    /// A registry has it, so it opens for everybody.
    pub const REGISTRY: u32 = 1;
    /// Its addresses lie in `AzureContainerRegistry`.
    pub const IN_REGISTRY_TAG: u32 = 2;
    /// Its addresses lie in `Storage`.
    pub const IN_STORAGE_TAG: u32 = 4;
    /// The kernel is not to learn it but to tell the daemon: more than one cgroup has it, or answers need more checks.
    pub const ASK_DAEMON: u32 = 8;
    /// Names in handshakes do not count at its addresses (`sni = "off"`) for somebody: the kernel does not learn it.
    pub const UNCHECKED: u32 = 16;
}

/// An address, for somebody, by a name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(C)]
pub struct Opening {
    /// The cgroup of an exception; 0 for everybody.
    pub cgroup: u64,
    /// The address.
    pub address: AddressKey,
    /// [`NameEntry::id`]; [`Opening::ADDRESS`] or [`Opening::ANY_NAME`].
    pub name: u32,
    /// Zero.
    pub reserved: u32,
}

impl Opening {
    /// In the place of a name: the address is open, by whichever name ([`LEARNED`] only).
    pub const ADDRESS: u32 = 0;
    /// In the place of a name: names are not looked at there (`sni = "off"`).
    pub const ANY_NAME: u32 = u32::MAX;

    /// The opening of `address` by `name` for `cgroup`.
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

/// What an allowed address is bound to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
#[repr(C)]
pub struct Binding {
    /// How many allowed names lead there.
    pub names: u32,
    /// Zero.
    pub reserved: u32,
}

/// An address for the exceptions of one cgroup. As the key of a prefix its bits count from the cgroup on.
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

/// When an entry of an exception ends, in nanoseconds since boot (`CLOCK_BOOTTIME`): the kernel keeps the end date also while the
/// daemon is dead.
pub type Deadline = u64;

/// The process that opened or used a socket.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
#[repr(C, align(8))]
pub struct Origin {
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
    assert!(size_of::<Binding>() == 8);
    assert!(size_of::<NameEntry>() == 24);
    assert!(size_of::<Opening>() == 32);
    assert!(size_of::<ScopedAddress>() == 24);
    assert!(size_of::<Origin>() == 24);
};
