//! Lets user space read and write the layouts as map keys and values.

use aya::Pod;

use crate::event::Event;
use crate::layout::{
    AddressGrant, BudgetSlot, DedupEntry, DedupKey, Device, DeviceFlowKey, NameCount, NameEntry,
    ScopedAddress, Settings, SnoopedGrant, SocketOwner, SuppressedKey, Switches,
};
use crate::tables::interval::Row;

macro_rules! pod {
    ($($layout:ty),+ $(,)?) => {
        $(
            // SAFETY: `repr(C)` or `repr(transparent)` over integers and byte arrays, without padding: the size asserts beside
            // each layout equal the sums of its fields.
            unsafe impl Pod for $layout {}
        )+
    };
}

pod!(
    NameCount,
    BudgetSlot,
    Event,
    DedupEntry,
    DedupKey,
    Device,
    DeviceFlowKey,
    SnoopedGrant,
    NameEntry,
    AddressGrant,
    SocketOwner,
    Row,
    ScopedAddress,
    Settings,
    Switches,
    SuppressedKey
);
