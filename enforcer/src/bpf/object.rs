//! Loads the programs over the pinned maps.

use aya::maps::MapError;
use aya::programs::{Program, ProgramError};
use aya::util::KernelVersion;
use aya::{Ebpf, EbpfError, EbpfLoader};
use enforcer_common::layout::{EXCEPTION_PREFIXES, MAPS};
use nix::sys::resource::{RLIM_INFINITY, Resource, setrlimit};

use super::{Maps, Pins, map_of_maps};
use crate::sys::{KernelError, kernel_release};

/// The compiled programs; empty in a build without the BPF toolchain.
pub const OBJECT: &[u8] = aya::include_bytes_aligned!(concat!(env!("OUT_DIR"), "/enforcer-ebpf"));

/// The compiled programs of network devices; empty in a build without the BPF toolchain.
pub const DEVICE_OBJECT: &[u8] =
    aya::include_bytes_aligned!(concat!(env!("OUT_DIR"), "/enforcer-ebpf-device"));

/// Oldest supported kernel.
pub(crate) const FLOOR: (u8, u8, u16) = (5, 10, 0);
/// Characters of a verifier log in an error message: the end of the log gives the cause.
const LOG_END: usize = 2000;

/// Message of the verifier for programs that require `CAP_PERFMON`.
const UNPRIVILEGED: &str = "prohibited for !root";

/// Programs that passed the verifier, and the maps that they read.
pub struct Kernel {
    pub(super) programs: Ebpf,
    /// The maps.
    pub maps: Maps,
    pub(super) pins: Pins,
}

impl Kernel {
    /// Loads the programs with the pinned maps and their contents; attaches nothing. Only the trie of exception prefixes is created again, since it cannot be
    /// listed reliably before Linux 6.13; attached programs keep the old one until they are replaced.
    ///
    /// # Errors
    /// [`KernelError::NoProgram`], [`KernelError::TooOld`], [`KernelError::Privilege`], [`KernelError::PinLayout`],
    /// [`KernelError::Verifier`].
    pub fn load(pins: &Pins) -> Result<Self, KernelError> {
        Self::load_object(pins, OBJECT)
    }

    /// As [`Kernel::load`], from another build of the programs: an ELF object aligned to 8 bytes.
    ///
    /// # Errors
    /// As [`Kernel::load`].
    pub fn load_object(pins: &Pins, object: &[u8]) -> Result<Self, KernelError> {
        prepare(object)?;
        pins.forget_map(EXCEPTION_PREFIXES)?;
        map_of_maps::prepare(pins)?;
        pins.share_connections()?;
        let mut loader = EbpfLoader::new();
        for name in MAPS {
            loader.map_pin_path(name, pins.map(name));
        }
        let programs = loader.load(object);
        Ok(Self {
            programs: loaded(programs.map_err(|error| load_error(pins, error))?)?,
            maps: Maps::open(pins)?,
            pins: pins.clone(),
        })
    }

    /// Creates the maps, loads the programs, and drops both: nothing is pinned or attached.
    ///
    /// # Errors
    /// As [`Kernel::load`].
    pub fn rehearse() -> Result<(), KernelError> {
        rehearsed().map(drop)
    }
}

/// Creates the maps and loads the programs; nothing is pinned or attached.
pub(super) fn rehearsed() -> Result<Ebpf, KernelError> {
    prepare(OBJECT)?;
    let programs = EbpfLoader::new().load(OBJECT);
    loaded(programs.map_err(KernelError::failed("create the maps"))?)
}

/// Checks the object and the kernel version, and raises the memory limit.
pub(super) fn prepare(object: &[u8]) -> Result<(), KernelError> {
    if object.is_empty() {
        return Err(KernelError::NoProgram);
    }
    let what = "read the kernel's version";
    let version = KernelVersion::current().map_err(KernelError::failed(what))?;
    if version < KernelVersion::new(FLOOR.0, FLOOR.1, FLOOR.2) {
        return Err(KernelError::TooOld {
            found: kernel_release(),
        });
    }
    if version < KernelVersion::new(5, 11, 0) {
        lock_memory();
    }
    Ok(())
}

/// Raises the limit of locked memory: before Linux 5.11 maps count towards it, and a process started from a shell may have 64 KiB. If that fails, creating
/// a map reports it.
fn lock_memory() {
    if let Err(error) = setrlimit(Resource::RLIMIT_MEMLOCK, RLIM_INFINITY, RLIM_INFINITY) {
        tracing::debug!("the limit of locked memory cannot be raised: {error}");
    }
}

/// Loads each program, which runs the verifier.
fn loaded(mut programs: Ebpf) -> Result<Ebpf, KernelError> {
    for (name, program) in programs.programs_mut() {
        load_program(program).map_err(|error| program_error(name, error))?;
    }
    Ok(programs)
}

fn load_program(program: &mut Program) -> Result<(), ProgramError> {
    if let Program::CgroupSkb(program) = program {
        return program.load();
    }
    if let Program::CgroupSockAddr(program) = program {
        return program.load();
    }
    <&mut aya::programs::CgroupSock>::try_from(program)?.load()
}

pub(super) fn load_error(pins: &Pins, error: EbpfError) -> KernelError {
    if let EbpfError::MapError(MapError::IncompatiblePinnedMap { name, .. }) = &error {
        return KernelError::PinLayout {
            path: pins.base().to_owned(),
            name: name.to_owned(),
        };
    }
    KernelError::failed("create the maps")(error)
}

/// The error of loading a program: with the verifier's log if it refused the program, without one if the caller lacks privileges.
pub(super) fn program_error(name: &str, error: ProgramError) -> KernelError {
    if let ProgramError::LoadError { verifier_log, .. } = &error {
        let log = verifier_log.to_string();
        if log.contains(UNPRIVILEGED) {
            let what = format!(
                "load the program {name} (the verifier treats it as one without CAP_PERFMON)"
            );
            return KernelError::Privilege { what };
        }
        if !log.is_empty() {
            let skipped = log.char_indices().rev().nth(LOG_END);
            return KernelError::Verifier {
                program: name.to_owned(),
                log: log
                    .get(skipped.map_or(0, |(at, _)| at)..)
                    .unwrap_or_default()
                    .to_owned(),
            };
        }
    }
    KernelError::failed(format!("load the program {name}"))(error)
}
