//! Maps and programs of the device hook: `sched_cls` programs on network devices.

use super::names::{AddressKey, Deadline};
use crate::coded_enum::coded_enum;

/// Program on the egress side of a device: judges each frame that leaves.
pub const DEVICE_EGRESS: &str = "device_egress";
/// Program on the ingress side of a device: records what servers acknowledge. It allows everything.
pub const DEVICE_INGRESS: &str = "device_ingress";

/// `HASH` of an interface index (`u32`) to [`Device`]. Frames of a device without an entry are denied.
pub const DEVICES: &str = "DEVICES";
/// `LRU_HASH` of [`DeviceFlowKey`] to [`OpeningFlow`]: connections without payload so far.
pub const DEVICE_SYNS: &str = "DEVICE_SYNS";
/// `HASH` of [`DeviceFlowKey`] to [`crate::tls::PartialFlow`]: connections whose ClientHello the server has not acknowledged to its end.
pub const DEVICE_HELLOS: &str = "DEVICE_HELLOS";
/// `HASH` of [`DeviceFlowKey`] to [`VerifiedFlow`]: connections whose ClientHello was verified and acknowledged.
pub const DEVICE_FLOWS: &str = "DEVICE_FLOWS";
/// `ARRAY` of [`DeviceFlowKey`], in random slots: the keys of [`DEVICE_HELLOS`] and of [`DEVICE_FLOWS`], for their expiry in the kernel.
pub const DEVICE_FLOW_RING: &str = "DEVICE_FLOW_RING";

/// The maps of the device hook that versions of a daemon share with the attached programs, besides [`super::MAPS`].
pub const DEVICE_MAPS: [&str; 5] = [
    DEVICES,
    DEVICE_SYNS,
    DEVICE_HELLOS,
    DEVICE_FLOWS,
    DEVICE_FLOW_RING,
];

/// Entries of [`DEVICES`].
pub const MAX_DEVICES: u32 = 4096;
/// Entries of [`DEVICE_SYNS`].
pub const MAX_DEVICE_SYNS: u32 = 4096;
/// Entries of [`DEVICE_HELLOS`].
pub const MAX_DEVICE_HELLOS: u32 = 256;
/// Entries of [`DEVICE_FLOWS`].
pub const MAX_DEVICE_FLOWS: u32 = 16_384;

/// Slots of [`DEVICE_FLOW_RING`] for [`DEVICE_FLOWS`], the first ones: twice as many as entries, so that a few tries find a free one.
pub const FLOW_SLOTS: u32 = 2 * MAX_DEVICE_FLOWS;
/// Slots of [`DEVICE_FLOW_RING`] for [`DEVICE_HELLOS`].
pub const HELLO_SLOTS: u32 = 2 * MAX_DEVICE_HELLOS;
/// Entries of [`DEVICE_FLOW_RING`].
pub const RING_SLOTS: u32 = FLOW_SLOTS + HELLO_SLOTS;

/// Instead of a cgroup id: the union of all exceptions, for packets without a socket.
pub const ANY_SCOPE: u64 = u64::MAX;

coded_enum! {
    /// What precedes the network header of a device's frames.
    pub enum LinkHeader: u32 {
        /// An Ethernet header (`ARPHRD_ETHER`).
        Ethernet = 1,
        /// Nothing: tunnels and other point-to-point devices.
        None = 2,
    }
}

coded_enum! {
    /// What happens to a frame that the device hook denies.
    pub enum DeviceMode: u32 {
        /// It is dropped, unless all denials are only reported.
        Enforce = 0,
        /// It passes and is reported.
        Audit = 1,
    }
}

/// A device with filters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(C)]
pub struct Device {
    /// The code of the [`LinkHeader`]; frames with an unknown one are denied.
    pub header: u32,
    /// The code of the [`DeviceMode`].
    pub mode: u32,
}

/// A TCP connection at a device, from the side that opened it. Ports are in host byte order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(C)]
pub struct DeviceFlowKey {
    /// The client.
    pub source: AddressKey,
    /// The server.
    pub destination: AddressKey,
    /// Interface index.
    pub device: u32,
    /// The client's port; the server's is 443.
    pub port: u32,
}

/// A connection that sent a SYN.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(C)]
pub struct OpeningFlow {
    /// Sequence number of the first byte.
    pub first: u32,
    /// 1 once the server's SYN-ACK has acknowledged it.
    pub is_answered: u32,
    /// Sequence number of the server's first byte, from that SYN-ACK.
    pub server_first: u32,
    /// Zero.
    pub reserved: u32,
}

/// A connection whose ClientHello was verified and acknowledged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(C)]
pub struct VerifiedFlow {
    /// Sequence number up to which the server has everything.
    pub acknowledged: u32,
    /// Sequence number of the first byte.
    pub first: u32,
    /// Sequence number of the first byte after the ClientHello.
    pub hello_end: u32,
    /// Index in [`DEVICE_FLOW_RING`].
    pub slot: u32,
    /// Numbers of the server name's two keys; 0 for one that was not found.
    pub names: [u32; 2],
    /// [`super::Settings::epoch`] when the grant was looked up.
    pub epoch: u64,
    /// Scope of the grant: 0 for every cgroup.
    pub cgroup: u64,
    /// End of the grant.
    pub deadline: Deadline,
    /// Time of the last segment, in nanoseconds since boot.
    pub last_seen: u64,
}

const _: () = {
    assert!(size_of::<Device>() == 8);
    assert!(size_of::<DeviceFlowKey>() == 40);
    assert!(size_of::<OpeningFlow>() == 16);
    assert!(size_of::<VerifiedFlow>() == 56);
};
