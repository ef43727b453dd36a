//! The maps. Names, sizes and layouts are `enforcer_common::layout`'s; a test holds the names against it.

use aya_ebpf::bindings::BPF_F_NO_PREALLOC;
use aya_ebpf::btf_maps::{
    Array, ArrayOfMaps, HashMap, LpmTrie, LruHashMap, PerCpuArray, RingBuf, SkStorage,
};
use aya_ebpf::macros::btf_map;
use enforcer_common::Event;
use enforcer_common::dns::Asked;
use enforcer_common::hello::{Desk, Handshake, Sent};
use enforcer_common::interval::{MAX_ROWS, Row};
use enforcer_common::layout::{
    AddressKey, Binding, BudgetSlot, Deadline, EVENT_BYTES, Fold, FoldKey, Learned, MAX_ADDRESSES,
    MAX_BOUND, MAX_BUDGET_SLOTS, MAX_BUDGETS, MAX_COUNTERS, MAX_DNS_SOCKETS, MAX_LEARNED,
    MAX_NAMES, MAX_PREFIXES, MAX_RECENT, MAX_REPORTERS, MAX_SCOPES, MAX_SERVERS, NameEntry,
    NameKey, Opening, Origin, ScopedAddress, Settings, SocketDenial, WithheldKey,
};
use enforcer_common::stride::{Block, MAX_BLOCKS};

use crate::desk::{MAX_DESKS, MAX_REPEATS};
use crate::scratch::{MAX_BUSY, SLOTS, Scratch};

/// Memory only for the entries that there are.
const ON_DEMAND: usize = BPF_F_NO_PREALLOC as usize;

pub(crate) type BlockMap = Array<Block, { MAX_BLOCKS as usize }>;
pub(crate) type RowMap = Array<Row, { MAX_ROWS as usize }>;

#[btf_map]
pub(crate) static SETTINGS: Array<Settings, 1> = Array::new();

#[btf_map]
pub(crate) static PROTECTED_V4: ArrayOfMaps<BlockMap, 1> = ArrayOfMaps::new();

#[btf_map]
pub(crate) static PROTECTED_V6: ArrayOfMaps<RowMap, 1> = ArrayOfMaps::new();

#[btf_map]
pub(crate) static ALLOWED: HashMap<AddressKey, Binding, { MAX_ADDRESSES as usize }, ON_DEMAND> =
    HashMap::new();

#[btf_map]
pub(crate) static EXC_CGROUPS: HashMap<u64, u32, { MAX_SCOPES as usize }, ON_DEMAND> =
    HashMap::new();

#[btf_map]
pub(crate) static EXC_PREFIXES: LpmTrie<ScopedAddress, Deadline, { MAX_PREFIXES as usize }> =
    LpmTrie::new();

#[btf_map]
pub(crate) static EXC_ADDRESSES: HashMap<
    ScopedAddress,
    Deadline,
    { MAX_ADDRESSES as usize },
    ON_DEMAND,
> = HashMap::new();

#[btf_map]
pub(crate) static EVENTS: RingBuf<Event, { EVENT_BYTES as usize }> = RingBuf::new();

#[btf_map]
pub(crate) static FOLDS: HashMap<FoldKey, Fold, { MAX_RECENT as usize }> = HashMap::new();

#[btf_map]
pub(crate) static REPORT_RATES: LruHashMap<u64, u64, { MAX_REPORTERS as usize }> =
    LruHashMap::new();

#[btf_map]
pub(crate) static WITHHELD: HashMap<WithheldKey, u64, { MAX_REPORTERS as usize }, ON_DEMAND> =
    HashMap::new();

#[btf_map]
pub(crate) static SOCKET_DENIALS: LruHashMap<u64, SocketDenial, { MAX_RECENT as usize }> =
    LruHashMap::new();

#[btf_map]
pub(crate) static COUNTERS: PerCpuArray<u64, { MAX_COUNTERS as usize }> = PerCpuArray::new();

#[btf_map]
pub(crate) static ORIGINS: LruHashMap<u64, Origin, { MAX_RECENT as usize }> = LruHashMap::new();

#[btf_map]
pub(crate) static NAMES: HashMap<NameKey, NameEntry, { MAX_NAMES as usize }, ON_DEMAND> =
    HashMap::new();

#[btf_map]
pub(crate) static BOUND: HashMap<Opening, Deadline, { MAX_BOUND as usize }, ON_DEMAND> =
    HashMap::new();

#[btf_map]
pub(crate) static LEARNED: HashMap<Opening, Learned, { MAX_LEARNED as usize }, ON_DEMAND> =
    HashMap::new();

#[btf_map]
pub(crate) static BUDGETS: LruHashMap<u64, u32, { MAX_BUDGETS as usize }> = LruHashMap::new();

#[btf_map]
pub(crate) static BUDGET_SLOTS: LruHashMap<BudgetSlot, Opening, { MAX_BUDGET_SLOTS as usize }> =
    LruHashMap::new();

#[btf_map]
pub(crate) static SERVERS: HashMap<AddressKey, u32, { MAX_SERVERS as usize }, ON_DEMAND> =
    HashMap::new();

#[btf_map]
pub(crate) static DNS_SOCKETS: HashMap<u64, AddressKey, { MAX_DNS_SOCKETS as usize }, ON_DEMAND> =
    HashMap::new();

#[btf_map]
pub(crate) static ASKERS: SkStorage<Asked> = SkStorage::new();

#[btf_map]
pub(crate) static SCRATCH: PerCpuArray<Scratch, { SLOTS as usize }> = PerCpuArray::new();

/// Which scratches are in use.
#[btf_map]
pub(crate) static BUSY: HashMap<u32, u32, { MAX_BUSY as usize }, ON_DEMAND> = HashMap::new();

#[btf_map]
pub(crate) static HANDSHAKES_2: SkStorage<Handshake> = SkStorage::new();

#[btf_map]
pub(crate) static DESKS: HashMap<u64, Desk, { MAX_DESKS as usize }, ON_DEMAND> = HashMap::new();

#[btf_map]
pub(crate) static REPEATS: HashMap<u64, Sent, { MAX_REPEATS as usize }, ON_DEMAND> = HashMap::new();
