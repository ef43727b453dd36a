//! BPF maps: newly created, pinned, or inside a map of maps.

use std::{
    fs, io,
    os::fd::{AsRawFd as _, OwnedFd},
    path::Path,
    ptr,
    sync::atomic::{AtomicU64, Ordering},
};

use anyhow::{Context as _, Result};

use super::{by_id, call, made, map_info::MapInfo, pinned, pointer, program::INFO_BY_FD, raw};

const MAP_CREATE: libc::c_int = 0;
const MAP_LOOKUP: libc::c_int = 1;
const MAP_UPDATE: libc::c_int = 2;
const MAP_DELETE: libc::c_int = 3;
const MAP_NEXT_KEY: libc::c_int = 4;
const MAP_BY_ID: libc::c_int = 14;
const MAP_FREEZE: libc::c_int = 22;

const HASH: u32 = 1;
const LRU_HASH: u32 = 9;
const LPM_TRIE: u32 = 11;
const NO_PREALLOC: u32 = 1;
/// Upper bound of the length of a key.
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
    /// Creates an empty LPM trie of IPv4 prefixes.
    ///
    /// # Errors
    /// When the kernel refuses.
    pub fn trie(capacity: usize) -> Result<Self> {
        let mut attributes = [LPM_TRIE, 8, 4, u32::try_from(capacity)?, NO_PREALLOC];
        Ok(Self(
            made(MAP_CREATE, &mut attributes).context("create a trie")?,
        ))
    }

    /// Opens a pinned map.
    ///
    /// # Errors
    /// When nothing is pinned at the path.
    pub fn pinned(pin: &Path) -> Result<Self> {
        Ok(Self(pinned(pin)?))
    }

    /// Opens the map with this id.
    ///
    /// # Errors
    /// When there is none.
    pub fn by_id(id: u32) -> Result<Self> {
        Ok(Self(by_id(MAP_BY_ID, id).context("open a map")?))
    }

    /// Returns the kernel's information on the map.
    ///
    /// # Errors
    /// When the kernel refuses.
    pub fn info(&self) -> Result<MapInfo> {
        MapInfo::of(self.0.as_raw_fd())
    }

    /// Returns its id.
    ///
    /// # Errors
    /// When the kernel refuses.
    pub fn id(&self) -> Result<u32> {
        Ok(self.info()?.id)
    }

    /// Opens the map at index 0 of a map of maps.
    ///
    /// # Errors
    /// When there is none.
    pub fn inner(&self) -> Result<Self> {
        let mut id = 0_u32;
        let mut attributes = Element {
            map: raw(&self.0)?,
            key: pointer(&0_u32),
            value: pointer(std::ptr::from_mut(&mut id).cast_const()),
            ..Element::default()
        };
        call(MAP_LOOKUP, &mut attributes).context("look up an inner map")?;
        Self::by_id(id)
    }

    /// Writes one entry. Key and value must have the sizes of the map.
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

    /// Removes one entry, if it exists.
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

    /// Makes the kernel refuse every further change by a process.
    ///
    /// # Errors
    /// When the kernel refuses.
    pub fn freeze(&self) -> Result<()> {
        call(MAP_FREEZE, &mut raw(&self.0)?).context("freeze a map")?;
        Ok(())
    }

    /// Removes every entry, always the first one: before Linux 6.13, tries do not find the key after another.
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
            if !found(next).context("get the next key of a map")? {
                return Ok(());
            }
            self.remove(&key)?;
        }
    }

    /// Returns the number of its entries; `None` for a map of another type than a hash table or a trie.
    ///
    /// # Errors
    /// When the kernel refuses.
    pub fn entries(&self) -> Result<Option<u64>> {
        let is_counted = [HASH, LRU_HASH, LPM_TRIE].contains(&self.shape()?[0]);
        if !is_counted {
            return Ok(None);
        }
        let mut count = 0;
        self.each_key(|_| count += 1)?;
        Ok(Some(count))
    }

    /// Whether the kernel displaces its oldest entries.
    ///
    /// # Errors
    /// When the kernel refuses.
    pub fn displaces(&self) -> Result<bool> {
        Ok(self.shape()?[0] == LRU_HASH)
    }

    /// Returns the values of all its entries.
    ///
    /// # Errors
    /// When the kernel refuses.
    pub fn values(&self) -> Result<Vec<Vec<u8>>> {
        let size = usize::try_from(self.shape()?[3])?;
        let mut keys = Vec::new();
        self.each_key(|key| keys.push(*key))?;
        let mut values = Vec::new();
        for key in &keys {
            let mut value = vec![0; size];
            let mut attributes = Element {
                map: raw(&self.0)?,
                key: pointer(key.as_ptr()),
                value: pointer(value.as_mut_ptr().cast_const()),
                ..Element::default()
            };
            if found(call(MAP_LOOKUP, &mut attributes)).context("look up an entry")? {
                values.push(value);
            }
        }
        Ok(values)
    }

    /// Calls `each` with every key. One that is removed meanwhile may make it begin again, so it ends after as many as there can be.
    fn each_key(&self, mut each: impl FnMut(&[u8; KEY_BYTES])) -> Result<()> {
        let mut last: Option<[u8; KEY_BYTES]> = None;
        for _ in 0..self.shape()?[4] {
            let mut next = [0_u8; KEY_BYTES];
            let mut attributes = Element {
                map: raw(&self.0)?,
                key: last.as_ref().map_or(0, |key| pointer(key.as_ptr())),
                value: pointer(next.as_mut_ptr().cast_const()),
                ..Element::default()
            };
            if !found(call(MAP_NEXT_KEY, &mut attributes)).context("get a map's next key")? {
                break;
            }
            each(&next);
            last = Some(next);
        }
        Ok(())
    }

    /// Returns the beginning of `struct bpf_map_info`: type, id, sizes of keys and values, most entries.
    fn shape(&self) -> Result<[u32; 5]> {
        let mut info = [0_u32; 5];
        let mut attributes = (
            self.0.as_raw_fd(),
            20_u32,
            pointer(info.as_mut_ptr().cast_const()),
        );
        call(INFO_BY_FD, &mut attributes).context("get a map's information")?;
        Ok(info)
    }

    /// Discards the unread records of a ring buffer by setting the consumer position, on its first page, to the producer position, on its second.
    ///
    /// # Errors
    /// When the kernel refuses.
    pub fn skip_unread(&self) -> Result<()> {
        // SAFETY: sysconf(3) takes one integer.
        let page = usize::try_from(unsafe { libc::sysconf(libc::_SC_PAGESIZE) })?;
        let consumer = self.mapped(page, 0, libc::PROT_READ | libc::PROT_WRITE)?;
        let producer = self.mapped(page, page, libc::PROT_READ)?;
        // SAFETY: both are mapped and aligned, and only accessed atomically.
        unsafe { (*consumer).store((*producer).load(Ordering::Acquire), Ordering::Release) };
        for page_address in [consumer, producer] {
            // SAFETY: nothing refers to the page after this.
            unsafe { libc::munmap(page_address.cast_mut().cast(), page) };
        }
        Ok(())
    }

    fn mapped(&self, page: usize, at: usize, access: libc::c_int) -> Result<*const AtomicU64> {
        let (map, offset) = (self.0.as_raw_fd(), libc::off_t::try_from(at)?);
        // SAFETY: the kernel chooses a free address.
        let page_address =
            unsafe { libc::mmap(ptr::null_mut(), page, access, libc::MAP_SHARED, map, offset) };
        if page_address == libc::MAP_FAILED {
            return Err(io::Error::last_os_error()).context("map a ring buffer");
        }
        Ok(page_address.cast_const().cast())
    }

    /// Returns the descriptor as instructions and maps of maps contain it.
    ///
    /// # Errors
    /// Never: a descriptor is not negative.
    pub fn number(&self) -> Result<u32> {
        raw(&self.0)
    }

    /// Returns the map's kernel memory in bytes (`memlock` in proc_pid_fdinfo(5)).
    ///
    /// # Errors
    /// When the kernel does not report it.
    pub fn memory(&self) -> Result<u64> {
        let info = fs::read_to_string(format!("/proc/self/fdinfo/{}", self.0.as_raw_fd()))?;
        let line = info.lines().find_map(|line| line.strip_prefix("memlock:"));
        let bytes = line.context("the kernel does not report a map's memory")?;
        bytes.trim().parse().context("a map's memory")
    }
}

/// Whether the entry existed.
fn found(called: io::Result<libc::c_int>) -> io::Result<bool> {
    match called {
        Err(error) if error.raw_os_error() == Some(libc::ENOENT) => Ok(false),
        other => other.map(|_| true),
    }
}
