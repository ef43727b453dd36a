//! Maps: made, pinned, or held by maps of maps.

use std::{
    fs,
    os::fd::{AsRawFd as _, OwnedFd},
    path::Path,
};

use anyhow::{Context as _, Result};

use super::{by_id, call, made, pinned, pointer, raw};

const MAP_CREATE: libc::c_int = 0;
const MAP_LOOKUP: libc::c_int = 1;
const MAP_UPDATE: libc::c_int = 2;
const MAP_BY_ID: libc::c_int = 14;

const LPM_TRIE: u32 = 11;
const NO_PREALLOC: u32 = 1;

/// A map.
#[derive(Debug)]
pub struct Map(OwnedFd);

#[repr(C)]
#[derive(Default)]
struct Element {
    map: u32,
    padding: u32,
    key: u64,
    value: u64,
    flags: u64,
}

impl Map {
    /// An empty trie of IPv4 prefixes.
    ///
    /// # Errors
    /// When the kernel refuses.
    pub fn trie(capacity: usize) -> Result<Self> {
        let mut attributes = [LPM_TRIE, 8, 4, u32::try_from(capacity)?, NO_PREALLOC];
        Ok(Self(
            made(MAP_CREATE, &mut attributes).context("make a trie")?,
        ))
    }

    /// A pinned map.
    ///
    /// # Errors
    /// When nothing is pinned there.
    pub fn pinned(pin: &Path) -> Result<Self> {
        Ok(Self(pinned(pin)?))
    }

    /// The map that a map of one map holds.
    ///
    /// # Errors
    /// When it holds none.
    pub fn inner(&self) -> Result<Self> {
        let mut id = 0_u32;
        let mut attributes = Element {
            map: raw(&self.0)?,
            key: pointer(&0_u32),
            value: pointer(std::ptr::from_mut(&mut id).cast_const()),
            ..Element::default()
        };
        call(MAP_LOOKUP, &mut attributes).context("look into a map of maps")?;
        Ok(Self(by_id(MAP_BY_ID, id).context("open an inner map")?))
    }

    /// Writes one entry. Key and value are as long as the map was made for.
    ///
    /// # Errors
    /// When the kernel refuses.
    pub fn set(&self, key: &[u8], value: &[u8]) -> Result<()> {
        let mut attributes = Element {
            map: raw(&self.0)?,
            key: pointer(key.as_ptr()),
            value: pointer(value.as_ptr()),
            ..Element::default()
        };
        call(MAP_UPDATE, &mut attributes).context("write into a map")?;
        Ok(())
    }

    /// The descriptor, as instructions and maps of maps hold it.
    ///
    /// # Errors
    /// Never: a descriptor is not negative.
    pub fn number(&self) -> Result<u32> {
        raw(&self.0)
    }

    /// Bytes of kernel memory, as the kernel accounts for them (`memlock` in proc_pid_fdinfo(5)).
    ///
    /// # Errors
    /// When the kernel does not say.
    pub fn memory(&self) -> Result<u64> {
        let info = fs::read_to_string(format!("/proc/self/fdinfo/{}", self.0.as_raw_fd()))?;
        let line = info.lines().find_map(|line| line.strip_prefix("memlock:"));
        let bytes = line.context("the kernel does not tell a map's memory")?;
        bytes.trim().parse().context("a map's memory")
    }
}
