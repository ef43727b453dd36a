//! Lets user space read and write the layouts as map keys and values.

use aya::Pod;

use crate::event::Event;
use crate::interval::Row;
use crate::layout::{
    Binding, BudgetSlot, Fold, FoldKey, Learned, NameEntry, Opening, Origin, ScopedAddress,
    Settings, Switches, WithheldKey,
};

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
    Binding,
    BudgetSlot,
    Event,
    Fold,
    FoldKey,
    Learned,
    NameEntry,
    Opening,
    Origin,
    Row,
    ScopedAddress,
    Settings,
    Switches,
    WithheldKey
);
