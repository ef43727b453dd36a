//! Maps of the device programs only; names, sizes and layouts are defined in `enforcer_common::layout`, except for scratch memory.

use aya_ebpf::bindings::BPF_F_NO_PREALLOC;
use aya_ebpf::btf_maps::{Array, HashMap, LruHashMap, PerCpuArray};
use aya_ebpf::macros::btf_map;
use enforcer_common::layout::{
    Device, DeviceFlowKey, MAX_DEVICE_CLAIMS, MAX_DEVICE_FLOWS, MAX_DEVICE_HEADERS,
    MAX_DEVICE_HELLOS, MAX_DEVICE_SYNS, MAX_DEVICES, NAME_BYTES, OpeningFlow, RING_SLOTS,
    VerifiedFlow,
};
use enforcer_common::tls::PartialFlow;

/// Allocates memory for existing entries only.
const ON_DEMAND: usize = BPF_F_NO_PREALLOC as usize;

#[btf_map]
pub(super) static DEVICES: HashMap<u32, Device, { MAX_DEVICES as usize }, ON_DEMAND> =
    HashMap::new();

#[btf_map]
pub(super) static DEVICE_HEADERS: Array<u32, { MAX_DEVICE_HEADERS as usize }> = Array::new();

#[btf_map]
pub(super) static DEVICE_FORWARDED: HashMap<u32, u32, { MAX_DEVICES as usize }, ON_DEMAND> =
    HashMap::new();

#[btf_map]
pub(super) static DEVICE_SYNS: LruHashMap<
    DeviceFlowKey,
    OpeningFlow,
    { MAX_DEVICE_SYNS as usize },
> = LruHashMap::new();

#[btf_map]
pub(super) static DEVICE_HELLOS: HashMap<
    DeviceFlowKey,
    PartialFlow,
    { MAX_DEVICE_HELLOS as usize },
    ON_DEMAND,
> = HashMap::new();

#[btf_map]
pub(super) static DEVICE_FLOWS: HashMap<
    DeviceFlowKey,
    VerifiedFlow,
    { MAX_DEVICE_FLOWS as usize },
    ON_DEMAND,
> = HashMap::new();

#[btf_map]
pub(super) static DEVICE_FLOW_RING: Array<DeviceFlowKey, { RING_SLOTS as usize }> = Array::new();

#[btf_map]
pub(super) static DEVICE_CLAIMS: HashMap<
    DeviceFlowKey,
    u32,
    { MAX_DEVICE_CLAIMS as usize },
    ON_DEMAND,
> = HashMap::new();

/// The state of a connection that has sent nothing. Never written.
#[btf_map]
pub(super) static DEVICE_NEW_FLOW: Array<PartialFlow, 1> = Array::new();

/// Keys and values that are too large for the stack. A program of a device runs with bottom halves disabled, so that no other one uses its CPU's entry.
#[btf_map]
pub(super) static DEVICE_SCRATCH: PerCpuArray<DeviceScratch, 1> = PerCpuArray::new();

/// What the report of a denial shows of its frame.
#[repr(C)]
pub(super) struct DenialDetails {
    /// Words of the source address of a frame without a socket.
    pub(super) source: [u64; 2],
    /// Words of the server name that it is denied for.
    pub(super) name: [u64; NAME_BYTES / 8],
    /// Whether `source` is set (1 or 0).
    pub(super) has_source: u32,
    /// Whether `name` is set.
    pub(super) has_name: u32,
}

/// Memory for one segment.
#[repr(C)]
pub(super) struct DeviceScratch {
    pub(super) key: DeviceFlowKey,
    pub(super) verified: VerifiedFlow,
    /// Digest of the key.
    pub(super) digest: u64,
    pub(super) denial: DenialDetails,
}
