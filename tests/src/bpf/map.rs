//! Maps: made, pinned, or held by maps of maps.

use std::{
    fs, io,
    os::fd::{AsRawFd as _, OwnedFd},
    path::Path,
    ptr,
    sync::atomic::{AtomicU64, Ordering},
};

use anyhow::{Context as _, Result};

use super::{by_id, call, made, pinned, pointer, raw};

const MAP_CREATE: libc::c_int = 0;
const MAP_LOOKUP: libc::c_int = 1;
const MAP_UPDATE: libc::c_int = 2;
const MAP_DELETE: libc::c_int = 3;
const MAP_NEXT_KEY: libc::c_int = 4;
const MAP_BY_ID: libc::c_int = 14;

const LPM_TRIE: u32 = 11;
const NO_PREALLOC: u32 = 1;
/// No key is longer.
const KEY_BYTES: usize = 512;

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

    /// Removes one entry, if it is there.
    ///
    /// # Errors
    /// When the kernel refuses.
    pub fn remove(&self, key: &[u8]) -> Result<()> {
        let mut attributes = Element {
            map: raw(&self.0)?,
            key: pointer(key.as_ptr()),
            ..Element::default()
        };
        found(call(MAP_DELETE, &mut attributes)).context("remove an entry of a map")?;
        Ok(())
    }

    /// Removes every entry: always the first, as tries before Linux 6.13 do not find the one after another.
    ///
    /// # Errors
    /// When the kernel refuses.
    pub fn clear(&self) -> Result<()> {
        let mut key = [0_u8; KEY_BYTES];
        loop {
            let mut attributes = Element {
                map: raw(&self.0)?,
                value: pointer(key.as_mut_ptr().cast_const()),
                ..Element::default()
            };
            let next = call(MAP_NEXT_KEY, &mut attributes);
            if !found(next).context("look for an entry of a map")? {
                return Ok(());
            }
            self.remove(&key)?;
        }
    }

    /// Takes what is in a ring buffer for read: its pages begin with the place of the reader and that of the writer.
    ///
    /// # Errors
    /// When the kernel refuses.
    pub fn skip_unread(&self) -> Result<()> {
        // SAFETY: sysconf(3) takes one integer.
        let page = usize::try_from(unsafe { libc::sysconf(libc::_SC_PAGESIZE) })?;
        let reader = self.mapped(page, 0, libc::PROT_READ | libc::PROT_WRITE)?;
        let writer = self.mapped(page, page, libc::PROT_READ)?;
        // SAFETY: both are mapped, aligned, and only ever changed whole.
        unsafe { (*reader).store((*writer).load(Ordering::Acquire), Ordering::Release) };
        for page_address in [reader, writer] {
            // SAFETY: nothing refers to the page any more.
            unsafe { libc::munmap(page_address.cast_mut().cast(), page) };
        }
        Ok(())
    }

    fn mapped(&self, page: usize, at: usize, access: libc::c_int) -> Result<*const AtomicU64> {
        let (map, offset) = (self.0.as_raw_fd(), libc::off_t::try_from(at)?);
        // SAFETY: the kernel chooses a free place.
        let page_address =
            unsafe { libc::mmap(ptr::null_mut(), page, access, libc::MAP_SHARED, map, offset) };
        if page_address == libc::MAP_FAILED {
            return Err(io::Error::last_os_error()).context("map a ring buffer");
        }
        Ok(page_address.cast_const().cast())
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

/// Whether the entry was there.
fn found(called: io::Result<libc::c_int>) -> io::Result<bool> {
    match called {
        Err(error) if error.raw_os_error() == Some(libc::ENOENT) => Ok(false),
        other => other.map(|_| true),
    }
}
