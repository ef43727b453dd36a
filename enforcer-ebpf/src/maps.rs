//! All maps. Their names, sizes and layouts are defined in `enforcer_common::layout`, except for scratch memory; a test compares the names.

use core::cell::Cell;

use aya_ebpf::bindings::BPF_F_NO_PREALLOC;
use aya_ebpf::btf_maps::{
    Array, ArrayOfMaps, HashMap, LpmTrie, LruHashMap, PerCpuArray, RingBuf, SkStorage,
};
use aya_ebpf::macros::btf_map;
use enforcer_common::Event;
use enforcer_common::dns::{MessageReader, PendingQueries};
use enforcer_common::layout::{
    AddressGrant, AddressKey, BudgetSlot, Deadline, DedupEntry, DedupKey, EVENT_BYTES,
    MAX_ADDRESSES, MAX_BUDGET_SLOTS, MAX_BUDGETS, MAX_COUNTERS, MAX_DNS_ADDRESSES, MAX_DNS_SOCKETS,
    MAX_NAME_ADDRESSES, MAX_NAMES, MAX_PREFIXES, MAX_RECENT, MAX_REPORTERS, MAX_RESOLVERS,
    MAX_SCOPES, NameCount, NameEntry, NameKey, ScopedAddress, Settings, SnoopedGrant, SocketDenial,
    SocketOwner, SuppressedKey,
};
use enforcer_common::tables::interval::{MAX_ROWS, Row};
use enforcer_common::tables::stride::{Block, MAX_BLOCKS};
use enforcer_common::tls::{FlowState, ParserScratch, SentBytes};

/// Slots of [`DNS_SCRATCH`] per CPU.
pub(crate) const DNS_SCRATCH_SLOTS: u32 = 2;
/// Slots of [`DNS_SCRATCH`] that can be claimed at the same time.
const MAX_DNS_SCRATCH_CLAIMS: usize = 1024;
/// Sockets that can be parsing at the same time: a program may be interrupted or preempted meanwhile.
const MAX_HELLO_SCRATCH: usize = 1024;
/// Sockets whose recorded bytes can be parsed or compared at the same time.
const MAX_RETRANSMIT_SCRATCH: usize = 256;

/// Allocates memory for existing entries only.
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
pub(crate) static ALLOWED: HashMap<AddressKey, NameCount, { MAX_ADDRESSES as usize }, ON_DEMAND> =
    HashMap::new();

#[btf_map]
pub(crate) static EXC_CGROUPS: HashMap<u64, u32, { MAX_SCOPES as usize }, ON_DEMAND> =
    HashMap::new();

#[btf_map]
pub(crate) static EXC_PREFIXES: LpmTrie<ScopedAddress, Deadline, { 2 * MAX_PREFIXES as usize }> =
    LpmTrie::new();

#[btf_map]
pub(crate) static EXC_ADDRESSES: HashMap<
    ScopedAddress,
    Deadline,
    { 2 * MAX_ADDRESSES as usize },
    ON_DEMAND,
> = HashMap::new();

#[btf_map]
pub(crate) static EVENTS: RingBuf<Event, { EVENT_BYTES as usize }> = RingBuf::new();

#[btf_map]
pub(crate) static DENIAL_DEDUP: HashMap<DedupKey, DedupEntry, { MAX_RECENT as usize }> =
    HashMap::new();

#[btf_map]
pub(crate) static REPORT_RATES: LruHashMap<u64, u64, { MAX_REPORTERS as usize }> =
    LruHashMap::new();

#[btf_map]
pub(crate) static SUPPRESSED: HashMap<SuppressedKey, u64, { MAX_REPORTERS as usize }, ON_DEMAND> =
    HashMap::new();

#[btf_map]
pub(crate) static SOCKET_DENIALS: LruHashMap<u64, SocketDenial, { MAX_RECENT as usize }> =
    LruHashMap::new();

#[btf_map]
pub(crate) static COUNTERS: PerCpuArray<u64, { MAX_COUNTERS as usize }> = PerCpuArray::new();

#[btf_map]
pub(crate) static SOCKET_OWNERS: LruHashMap<u64, SocketOwner, { MAX_RECENT as usize }> =
    LruHashMap::new();

#[btf_map]
pub(crate) static NAMES: HashMap<NameKey, NameEntry, { MAX_NAMES as usize }, ON_DEMAND> =
    HashMap::new();

#[btf_map]
pub(crate) static NAME_ADDRESSES: HashMap<
    AddressGrant,
    Deadline,
    { MAX_NAME_ADDRESSES as usize },
    ON_DEMAND,
> = HashMap::new();

#[btf_map]
pub(crate) static DNS_ADDRESSES: HashMap<
    AddressGrant,
    SnoopedGrant,
    { MAX_DNS_ADDRESSES as usize },
    ON_DEMAND,
> = HashMap::new();

#[btf_map]
pub(crate) static BUDGETS: LruHashMap<u64, u32, { MAX_BUDGETS as usize }> = LruHashMap::new();

#[btf_map]
pub(crate) static BUDGET_SLOTS: LruHashMap<
    BudgetSlot,
    AddressGrant,
    { MAX_BUDGET_SLOTS as usize },
> = LruHashMap::new();

#[btf_map]
pub(crate) static RESOLVERS: HashMap<AddressKey, u32, { MAX_RESOLVERS as usize }, ON_DEMAND> =
    HashMap::new();

#[btf_map]
pub(crate) static DNS_SOCKETS: HashMap<u64, AddressKey, { MAX_DNS_SOCKETS as usize }, ON_DEMAND> =
    HashMap::new();

#[btf_map]
pub(crate) static DNS_CLIENTS: SkStorage<PendingQueries> = SkStorage::new();

#[btf_map]
pub(crate) static DNS_SCRATCH: PerCpuArray<DnsScratch, { DNS_SCRATCH_SLOTS as usize }> =
    PerCpuArray::new();

/// Claimed entries of [`DNS_SCRATCH`], by CPU and slot.
#[btf_map]
pub(crate) static DNS_SCRATCH_CLAIMS: HashMap<u32, u32, MAX_DNS_SCRATCH_CLAIMS, ON_DEMAND> =
    HashMap::new();

#[btf_map]
pub(crate) static FLOWS: SkStorage<FlowState> = SkStorage::new();

#[btf_map]
pub(crate) static HELLO_SCRATCH: HashMap<u64, ParserScratch, MAX_HELLO_SCRATCH, ON_DEMAND> =
    HashMap::new();

#[btf_map]
pub(crate) static RETRANSMIT_SCRATCH: HashMap<u64, SentBytes, MAX_RETRANSMIT_SCRATCH, ON_DEMAND> =
    HashMap::new();

/// Memory for one DNS message.
#[repr(C)]
pub(crate) struct DnsScratch {
    /// Entry of the allowed name in the question.
    pub(crate) entry: Cell<NameEntry>,
    /// Cgroup of the message's socket.
    pub(crate) cgroup: Cell<u64>,
    pub(crate) reading: MessageReader,
}
