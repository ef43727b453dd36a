//! Direct calls of bpf(2) for tests and benchmarks: small hand-written programs, test runs, and information on loaded or pinned objects.
//!
//! Structures and numbers are those of linux/bpf.h.

pub mod device_programs;
pub mod features;
mod legacy_attach;
pub mod loaded_policy;
mod map;
mod map_info;
pub mod objects;
mod program;
mod program_maps;
pub mod program_pool;

use std::{
    ffi::CString,
    fs, io,
    os::{
        fd::{AsRawFd, FromRawFd, OwnedFd},
        unix::ffi::OsStrExt,
    },
    path::Path,
};

use anyhow::{Context, Result};

pub use self::{
    legacy_attach::Exclusive,
    map::Map,
    map_info::MapInfo,
    program::{Attach, AttachPoint, Program, ProgramInfo},
};

const OBJ_GET: libc::c_int = 7;
const ENABLE_STATS: libc::c_int = 32;
const LINK_DETACH: libc::c_int = 34;

/// Detaches a pinned link forcibly, as `bpftool link detach` does: it stays pinned, but its program no longer runs.
///
/// # Errors
/// When nothing is pinned there, or the kernel refuses.
pub fn detach(pin: &Path) -> Result<()> {
    let link = pinned(pin)?;
    let mut attributes = raw(&link)?;
    call(LINK_DETACH, &mut attributes).context("detach a link")?;
    Ok(())
}

/// Enables run statistics of programs (Linux 5.8) until the returned descriptor is dropped.
///
/// # Errors
/// When the kernel refuses.
pub fn count_runs() -> Result<OwnedFd> {
    // `BPF_STATS_RUN_TIME`.
    let mut kind = 0_u32;
    made(ENABLE_STATS, &mut kind).context("enable run statistics")
}

/// Returns the number of possible processors, which is the number of values per entry of a per-CPU map.
///
/// # Errors
/// When sysfs is not available.
pub fn possible_processors() -> Result<usize> {
    let text = fs::read_to_string("/sys/devices/system/cpu/possible")?;
    let last = text.trim().rsplit(['-', ',']).next().unwrap_or_default();
    Ok(last.parse::<usize>().context("count the processors")? + 1)
}

fn pinned(pin: &Path) -> Result<OwnedFd> {
    let path = CString::new(pin.as_os_str().as_bytes())?;
    let mut attributes = (pointer(path.as_ptr()), 0_u64);
    made(OBJ_GET, &mut attributes).with_context(|| format!("open the pin {}", pin.display()))
}

fn by_id(command: libc::c_int, id: u32) -> io::Result<OwnedFd> {
    made(command, &mut [id, 0, 0])
}

/// Makes a call that returns a new descriptor.
fn made<T>(command: libc::c_int, attributes: &mut T) -> io::Result<OwnedFd> {
    let fd = call(command, attributes)?;
    // SAFETY: the kernel has just created this descriptor, and nothing else owns it.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}

fn call<T>(command: libc::c_int, attributes: &mut T) -> io::Result<libc::c_int> {
    let attributes: *mut T = attributes;
    // SAFETY: the attributes are valid for their size, and what they point to outlives the call, because each caller owns it.
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
