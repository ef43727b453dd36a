//! The few calls of bpf(2) that the measurements make themselves: programs to compare with, test runs, and looks at what the daemon pinned.
//!
//! Layouts and numbers are those of linux/bpf.h.

use std::{
    ffi::CString,
    fs, io,
    os::{
        fd::{AsRawFd, FromRawFd, OwnedFd},
        unix::ffi::OsStrExt,
    },
    path::Path,
    time::{Duration, Instant},
};

use anyhow::{Context, Result};

const MAP_CREATE: libc::c_int = 0;
const MAP_LOOKUP: libc::c_int = 1;
const MAP_UPDATE: libc::c_int = 2;
const PROG_LOAD: libc::c_int = 5;
const OBJ_GET: libc::c_int = 7;
const TEST_RUN: libc::c_int = 10;
const PROG_BY_ID: libc::c_int = 13;
const MAP_BY_ID: libc::c_int = 14;
const INFO_BY_FD: libc::c_int = 15;

const LPM_TRIE: u32 = 11;
const NO_PREALLOC: u32 = 1;
const CGROUP_SKB: u32 = 8;
const CGROUP_EGRESS: u32 = 1;

/// A loaded program.
#[derive(Debug)]
pub(crate) struct Program(OwnedFd);

/// A map.
#[derive(Debug)]
pub(crate) struct Map(OwnedFd);

#[repr(C)]
#[derive(Default)]
struct Load {
    kind: u32,
    instructions_len: u32,
    instructions: u64,
    license: u64,
    log: [u64; 2],
    kernel_and_flags: u64,
    name: [u8; 16],
    interface: u32,
    attach_type: u32,
}

#[repr(C)]
#[derive(Default)]
struct Run {
    program: u32,
    code: u32,
    input_len: u32,
    output_len: u32,
    input: u64,
    output: u64,
    repeat: u32,
    duration: u32,
    context_lens: u64,
    contexts: [u64; 2],
    flags: u32,
    cpu: u32,
    batch: u32,
    padding: u32,
}

#[repr(C)]
#[derive(Default)]
struct Element {
    map: u32,
    padding: u32,
    key: u64,
    value: u64,
    flags: u64,
}

impl Program {
    /// Loads instructions as a program for packets that leave a cgroup.
    ///
    /// # Errors
    /// When the kernel refuses them.
    pub(crate) fn load(instructions: &[u64]) -> Result<Self> {
        let mut attributes = Load {
            kind: CGROUP_SKB,
            instructions_len: u32::try_from(instructions.len())?,
            instructions: pointer(instructions.as_ptr()),
            license: pointer(c"Dual MIT/GPL".as_ptr()),
            attach_type: CGROUP_EGRESS,
            ..Load::default()
        };
        Ok(Self(
            made(PROG_LOAD, &mut attributes).context("load a program")?,
        ))
    }

    /// The program behind a pinned link.
    ///
    /// # Errors
    /// When nothing is pinned there.
    pub(crate) fn of_link(pin: &Path) -> Result<Self> {
        let link = pinned(pin)?;
        // The beginning of `struct bpf_link_info`: type, id, program's id.
        let mut info = [0_u32; 3];
        let mut attributes = (
            link.as_raw_fd(),
            12_u32,
            pointer(info.as_mut_ptr().cast_const()),
        );
        call(INFO_BY_FD, &mut attributes).context("look at a link")?;
        Ok(Self(
            by_id(PROG_BY_ID, info[2]).context("open the program of a link")?,
        ))
    }

    /// What the program returns for `packet`, which begins with an Ethernet header, and how long one of `repeat` runs takes.
    ///
    /// # Errors
    /// When the kernel cannot run it.
    pub(crate) fn run(&self, packet: &[u8], repeat: u32) -> Result<(u32, Duration)> {
        let mut attributes = Run {
            program: raw(&self.0)?,
            input_len: u32::try_from(packet.len())?,
            input: pointer(packet.as_ptr()),
            repeat,
            ..Run::default()
        };
        let started = Instant::now();
        call(TEST_RUN, &mut attributes).context("run a program")?;
        Ok((attributes.code, started.elapsed() / repeat))
    }
}

impl Map {
    /// An empty trie of IPv4 prefixes.
    ///
    /// # Errors
    /// When the kernel refuses.
    pub(crate) fn trie(capacity: usize) -> Result<Self> {
        let mut attributes = [LPM_TRIE, 8, 4, u32::try_from(capacity)?, NO_PREALLOC];
        Ok(Self(
            made(MAP_CREATE, &mut attributes).context("make a trie")?,
        ))
    }

    /// A pinned map.
    ///
    /// # Errors
    /// When nothing is pinned there.
    pub(crate) fn pinned(pin: &Path) -> Result<Self> {
        Ok(Self(pinned(pin)?))
    }

    /// The map that a map of one map holds.
    ///
    /// # Errors
    /// When it holds none.
    pub(crate) fn inner(&self) -> Result<Self> {
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
    pub(crate) fn set(&self, key: &[u8], value: &[u8]) -> Result<()> {
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
    pub(crate) fn number(&self) -> Result<u32> {
        raw(&self.0)
    }

    /// Bytes of kernel memory, as the kernel accounts for them (`memlock` in proc_pid_fdinfo(5)).
    ///
    /// # Errors
    /// When the kernel does not say.
    pub(crate) fn memory(&self) -> Result<u64> {
        let info = fs::read_to_string(format!("/proc/self/fdinfo/{}", self.0.as_raw_fd()))?;
        let line = info.lines().find_map(|line| line.strip_prefix("memlock:"));
        let bytes = line.context("the kernel does not tell a map's memory")?;
        bytes.trim().parse().context("a map's memory")
    }
}

fn pinned(pin: &Path) -> Result<OwnedFd> {
    let path = CString::new(pin.as_os_str().as_bytes())?;
    let mut attributes = (pointer(path.as_ptr()), 0_u64);
    made(OBJ_GET, &mut attributes).with_context(|| format!("open the pin {}", pin.display()))
}

fn by_id(command: libc::c_int, id: u32) -> io::Result<OwnedFd> {
    made(command, &mut [id, 0, 0])
}

/// A call that returns a new descriptor.
fn made<T>(command: libc::c_int, attributes: &mut T) -> io::Result<OwnedFd> {
    let fd = call(command, attributes)?;
    // SAFETY: the kernel has just made this descriptor for us alone.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}

fn call<T>(command: libc::c_int, attributes: &mut T) -> io::Result<libc::c_int> {
    let attributes: *mut T = attributes;
    // SAFETY: the attributes are valid for their size, and what they point to outlives the call, as each caller holds it.
    let result = unsafe { libc::syscall(libc::SYS_bpf, command, attributes, size_of::<T>()) };
    match libc::c_int::try_from(result) {
        Ok(result) if result >= 0 => Ok(result),
        Ok(_) | Err(_) => Err(io::Error::last_os_error()),
    }
}

fn pointer<T>(pointer: *const T) -> u64 {
    pointer.expose_provenance() as u64
}

fn raw(fd: &OwnedFd) -> Result<u32> {
    Ok(u32::try_from(fd.as_raw_fd())?)
}
