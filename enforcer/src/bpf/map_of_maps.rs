//! The two outer maps of the protected set.
//!
//! The loader would create their first inner maps with BTF types, while those of a new set have none. Linux 5.15 to 6.1 treat these as different kinds of
//! map and refuse to switch (`timer_off` in `bpf_map_meta_equal`). So both are created here, identically.

use std::io;
use std::os::fd::{AsRawFd as _, RawFd};

use aya::maps::MapData;
use enforcer_common::layout::{PROTECTED_V4, PROTECTED_V6};
use enforcer_common::tables::interval::{MAX_ROWS, Row};
use enforcer_common::tables::stride::{Block, MAX_BLOCKS};

use super::{Pins, syscall};
use crate::sys::KernelError;

/// `BPF_MAP_CREATE`, `BPF_MAP_TYPE_ARRAY` and `BPF_MAP_TYPE_ARRAY_OF_MAPS` of linux/bpf.h.
const MAP_CREATE: libc::c_int = 0;
const ARRAY: u32 = 2;
const ARRAY_OF_MAPS: u32 = 12;

/// The part of `union bpf_attr` (linux/bpf.h) that `BPF_MAP_CREATE` takes, up to the last field that is needed.
#[repr(C)]
struct MapCreate {
    map_type: u32,
    key_size: u32,
    value_size: u32,
    max_entries: u32,
    map_flags: u32,
    inner_map_fd: RawFd,
}

/// Creates and pins the outer maps unless they are pinned: the loader reuses pinned maps.
///
/// # Errors
/// If the kernel refuses.
pub(super) fn prepare(pins: &Pins) -> Result<(), KernelError> {
    pin::<Block>(pins, PROTECTED_V4, MAX_BLOCKS)?;
    pin::<Row>(pins, PROTECTED_V6, MAX_ROWS)
}

fn pin<V>(pins: &Pins, name: &str, capacity: u32) -> Result<(), KernelError> {
    let place = pins.map(name);
    if place.exists() {
        return Ok(());
    }
    let what = || format!("create the map {name}");
    let made = |map_type, value: usize, max_entries, inner_map_fd| {
        let attributes = MapCreate {
            map_type,
            key_size: 4,
            value_size: u32::try_from(value).map_err(io::Error::other)?,
            max_entries,
            map_flags: 0,
            inner_map_fd,
        };
        // SAFETY: the attributes are of this command, and the inner map's descriptor is open until after it.
        unsafe { syscall::made(MAP_CREATE, &attributes) }
    };
    let inner = made(ARRAY, size_of::<V>(), capacity, 0).map_err(KernelError::failed(what()))?;
    let fd = made(ARRAY_OF_MAPS, size_of::<RawFd>(), 1, inner.as_raw_fd())
        .map_err(KernelError::failed(what()))?;
    let map = MapData::from_fd(fd).map_err(KernelError::failed(what()))?;
    map.pin(place).map_err(KernelError::failed(what()))
}
