//! Maps and programs of the device hook: `sched_cls` programs on network devices.

use super::names::{AddressKey, Deadline};
use crate::coded_enum::coded_enum;

/// Program on the egress side of a device: judges each frame that leaves.
pub const DEVICE_EGRESS: &str = "device_egress";
/// Program on the ingress side of a device: records what servers acknowledge. It allows everything.
pub const DEVICE_INGRESS: &str = "device_ingress";

/// Program of `cgroup/setsockopt`: refuses each [`crate::BypassOption`]. Calls of 32-bit programs pass it unseen.
pub const SOCKET_OPTIONS: &str = "socket_options";
/// The same for kernels on which such a program may neither name the process nor the cgroup's ancestors.
pub const SOCKET_OPTIONS_PLAIN: &str = "socket_options_plain";
/// The same at `socket_setsockopt` of the BPF LSM, which sees every call. Linux 6.0, where the kernel has BTF.
pub const SOCKET_OPTIONS_LSM: &str = "socket_options_lsm";

/// `HASH` of an interface index (`u32`) to [`Device`]. Frames of a device without an entry are denied. The entry [`OPTIONS_DEVICE`] has the mode of the
/// programs that refuse socket options.
pub const DEVICES: &str = "DEVICES";
/// `ARRAY` of the code of a [`LinkHeader`] (`u32`), by interface index: of devices in [`DEVICES`] whose index is low, 0 for all others. A look-up in an
/// array costs a tenth of one in a hash map, and most frames need no more of their device.
pub const DEVICE_HEADERS: &str = "DEVICE_HEADERS";
/// `LRU_HASH` of [`DeviceFlowKey`] to [`OpeningFlow`]: connections without payload so far.
pub const DEVICE_SYNS: &str = "DEVICE_SYNS";
/// `HASH` of [`DeviceFlowKey`] to [`crate::tls::PartialFlow`]: connections whose ClientHello the server has not acknowledged to its end.
pub const DEVICE_HELLOS: &str = "DEVICE_HELLOS";
/// `HASH` of [`DeviceFlowKey`] to [`VerifiedFlow`]: connections whose ClientHello was verified and acknowledged.
pub const DEVICE_FLOWS: &str = "DEVICE_FLOWS";
/// `ARRAY` of [`DeviceFlowKey`], in random slots: the keys of [`DEVICE_HELLOS`] and of [`DEVICE_FLOWS`], for their expiry in the kernel.
pub const DEVICE_FLOW_RING: &str = "DEVICE_FLOW_RING";

/// `HASH` of [`DeviceFlowKey`] to 0 (`u32`): connections and slots whose state a program uses, so that no other one does.
pub const DEVICE_CLAIMS: &str = "DEVICE_CLAIMS";

/// `HASH` of an interface index (`u32`) to the code of a [`ForwardedMode`] (`u32`): what happens to denied frames that came in by this device. Without an
/// entry they are denied.
pub const DEVICE_FORWARDED: &str = "DEVICE_FORWARDED";

/// The maps of the device hook that versions of a daemon share with the attached programs, besides [`super::MAPS`].
pub const DEVICE_MAPS: [&str; 8] = [
    DEVICES,
    DEVICE_HEADERS,
    DEVICE_FORWARDED,
    DEVICE_SYNS,
    DEVICE_HELLOS,
    DEVICE_FLOWS,
    DEVICE_FLOW_RING,
    DEVICE_CLAIMS,
];

/// Entries of [`DEVICES`] and of [`DEVICE_FORWARDED`].
pub const MAX_DEVICES: u32 = 4096;
/// Entries of [`DEVICE_HEADERS`]: cards get their indexes at boot, so those are low.
pub const MAX_DEVICE_HEADERS: u32 = 512;
/// Entries of [`DEVICE_SYNS`].
pub const MAX_DEVICE_SYNS: u32 = 4096;
/// Entries of [`DEVICE_HELLOS`].
pub const MAX_DEVICE_HELLOS: u32 = 256;
/// Entries of [`DEVICE_CLAIMS`].
pub const MAX_DEVICE_CLAIMS: u32 = 1024;
/// Entries of [`DEVICE_FLOWS`].
pub const MAX_DEVICE_FLOWS: u32 = 16_384;

/// Slots of [`DEVICE_FLOW_RING`] for [`DEVICE_FLOWS`], the first ones: twice as many as entries, so that a few tries find a free one.
pub const FLOW_SLOTS: u32 = 2 * MAX_DEVICE_FLOWS;
/// Slots of [`DEVICE_FLOW_RING`] for [`DEVICE_HELLOS`].
pub const HELLO_SLOTS: u32 = 2 * MAX_DEVICE_HELLOS;
/// Share of the slots that connections may take whose frames come in by one device, or by none: one in this many.
pub const SHARES: u32 = 4;
/// Entries of [`DEVICE_FLOW_RING`].
pub const RING_SLOTS: u32 = FLOW_SLOTS + HELLO_SLOTS;

/// Interface index in [`DEVICES`] that no device has.
pub const OPTIONS_DEVICE: u32 = 0;

/// Destination in [`super::EXCEPTION_ADDRESSES`] that stands for all devices: processes of the cgroup may set a [`crate::BypassOption`]. No packet is sent
/// there: as a source it is invalid, as a group it has no scope (RFC 4291 section 2.7).
pub const BYPASS_ADDRESS: AddressKey = [0xff; 16];

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
    /// What comes in by a device.
    pub enum Arrivals: u32 {
        /// Frames of anybody: also of this host's containers, virtual machines and tunnels.
        Any = 0,
        /// What other hosts send, which has no socket here: a frame with one was looped back in the host, as MACVLAN does.
        Outside = 1,
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

coded_enum! {
    /// What happens to a frame that the device hook denies and that came in by a certain device.
    pub enum ForwardedMode: u32 {
        /// It is dropped, unless the device that it leaves by is audited.
        Enforce = 0,
        /// It passes and is reported.
        Audit = 1,
        /// It passes.
        Pass = 2,
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
    /// The code of the [`Arrivals`].
    pub arrivals: u32,
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

/// A slot of [`DEVICE_FLOW_RING`] that connections may take whose frames come in by the device `ingress` (an interface index; 0: by none), the one of number
/// `number`, modulo their share. Each device has other slots, of which it has few in common with another.
#[inline(always)]
pub const fn slot_of(slots: Slots, ingress: u32, number: u32) -> u32 {
    let (first, count) = slots.range();
    let number = number % (count / SHARES);
    // A mixing function with little bias: every input bit changes every output bit.
    let mut hash = ingress.wrapping_mul(0x9e37_79b1).wrapping_add(number);
    hash = (hash ^ hash >> 16).wrapping_mul(0x7feb_352d);
    hash = (hash ^ hash >> 15).wrapping_mul(0x846c_a68b);
    first + (hash ^ hash >> 16) % count
}

/// One of the two parts of [`DEVICE_FLOW_RING`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Slots {
    /// Those of [`DEVICE_FLOWS`].
    Verified,
    /// Those of [`DEVICE_HELLOS`].
    Partial,
}

impl Slots {
    /// The first slot, and their number.
    #[inline(always)]
    pub const fn range(self) -> (u32, u32) {
        match self {
            Self::Verified => (0, FLOW_SLOTS),
            Self::Partial => (FLOW_SLOTS, HELLO_SLOTS),
        }
    }
}

const _: () = {
    assert!(size_of::<Device>() == 12);
    assert!(size_of::<DeviceFlowKey>() == 40);
    assert!(size_of::<OpeningFlow>() == 16);
    assert!(size_of::<VerifiedFlow>() == 56);
};

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    fn share(slots: Slots, ingress: u32) -> BTreeSet<u32> {
        (0..RING_SLOTS)
            .map(|number| slot_of(slots, ingress, number))
            .collect()
    }

    #[test]
    fn a_device_takes_its_share_of_the_slots_and_no_other_part() {
        for slots in [Slots::Verified, Slots::Partial] {
            let (first, count) = slots.range();
            for ingress in [0, 1, 2, 3, 77, 1 << 20, u32::MAX] {
                let share = share(slots, ingress);
                let most = (count / SHARES) as usize;
                assert!((most * 4 / 5..=most).contains(&share.len()), "{ingress}");
                assert!(
                    share
                        .iter()
                        .all(|slot| (first..first + count).contains(slot))
                );
            }
        }
    }

    #[test]
    fn no_device_can_fill_the_share_of_another() {
        for slots in [Slots::Verified, Slots::Partial] {
            let shares: Vec<_> = (0..40).map(|ingress| share(slots, ingress)).collect();
            for (one, share) in shares.iter().enumerate() {
                for (other, others) in shares.iter().enumerate() {
                    let common = share.intersection(others).count();
                    assert!(
                        one == other || common * 5 < share.len() * 2,
                        "{one} and {other}: {common}"
                    );
                }
            }
        }
    }
}
