//! The program of `explain --trace`: it logs each step of its judgement. Loaded on demand over the live maps, never attached or pinned.

use std::net::IpAddr;
use std::os::fd::{AsRawFd as _, OwnedFd};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use aya::programs::{CgroupSkb, ProgramError};
use aya::{Ebpf, EbpfLoader};
use aya_log::EbpfLogger;
use enforcer_common::layout::MAPS;
use log::{Log, Metadata, Record};
use nix::errno::Errno;
use nix::fcntl::{OFlag, open};
use nix::sys::stat::Mode;

use super::Step;
use super::test_run::{header_packet, hello_packet, run};
use crate::bpf::Pins;
use crate::bpf::object::{load_error, prepare, program_error};
use crate::sys::{KernelError, kernel_release};

/// The compiled program; empty in a build without the BPF toolchain.
pub const TRACE_OBJECT: &[u8] =
    aya::include_bytes_aligned!(concat!(env!("OUT_DIR"), "/enforcer-ebpf-trace"));

/// The name of the program in the object.
const PROGRAM: &str = "explain_trace";

/// The loaded program with its log.
pub struct TraceProgram {
    programs: Ebpf,
    logger: EbpfLogger<Messages>,
    messages: Messages,
}

impl TraceProgram {
    /// Loads the program over the pinned maps. It writes to none of them.
    ///
    /// # Errors
    /// [`KernelError::NotLoaded`] if the maps are not pinned, [`KernelError::TraceRefused`], and as for [`crate::bpf::Kernel::load`].
    pub fn load(pins: &Pins) -> Result<Self, KernelError> {
        Self::load_object(pins, TRACE_OBJECT)
    }

    /// As [`TraceProgram::load`], from another build of the program: an ELF object whose bytes begin at a multiple of 8.
    ///
    /// # Errors
    /// As [`TraceProgram::load`].
    pub fn load_object(pins: &Pins, object: &[u8]) -> Result<Self, KernelError> {
        prepare(object)?;
        let maps = open_pins(pins)?;
        let mut loader = EbpfLoader::new();
        for (name, pin) in &maps {
            // The loader creates and pins a map that it cannot open, which is impossible under this name.
            let name_of_pin = format!("/proc/self/fd/{}", pin.as_raw_fd());
            loader.map_pin_path(name, PathBuf::from(name_of_pin));
        }
        let mut programs = loader
            .load(object)
            .map_err(|error| load_error(pins, error))?;
        let messages = Messages::default();
        let logger = EbpfLogger::init_with_logger(&mut programs, messages.clone());
        let logger = logger.map_err(KernelError::failed("open the log of the trace program"))?;
        program(&mut programs)?.load().map_err(refused)?;
        Ok(Self {
            programs,
            logger,
            messages,
        })
    }

    /// Returns the steps of the judgement of a packet of `protocol` to `destination` and `port`, from the cgroup of this process.
    ///
    /// # Errors
    /// If the kernel cannot run the program.
    pub fn steps(
        &mut self,
        destination: IpAddr,
        protocol: u8,
        port: u16,
    ) -> Result<Vec<Step>, KernelError> {
        self.steps_of(&header_packet(destination, protocol, port))
    }

    /// Returns the steps of the judgement of a ClientHello for `server_name`, the first bytes of a connection to port 443.
    ///
    /// # Errors
    /// If the kernel cannot run the program.
    pub fn hello_steps(
        &mut self,
        destination: IpAddr,
        server_name: &str,
    ) -> Result<Vec<Step>, KernelError> {
        self.steps_of(&hello_packet(destination, server_name))
    }

    fn steps_of(&mut self, packet: &[u8]) -> Result<Vec<Step>, KernelError> {
        let _verdict = run(program(&mut self.programs)?, packet)?;
        self.logger.flush();
        let messages = self.messages.take();
        Ok(messages
            .iter()
            .map(|message| Step::parse(message))
            .collect())
    }
}

/// Opens the pins of all maps, each as a path only: the kernel opens a pinned object only by its name.
///
/// # Errors
/// [`KernelError::NotLoaded`] if one is missing.
fn open_pins(pins: &Pins) -> Result<Vec<(&'static str, OwnedFd)>, KernelError> {
    let flags = OFlag::O_PATH | OFlag::O_CLOEXEC;
    let pinned = |name| Ok((name, open(&pins.map(name), flags, Mode::empty())?));
    let opened = MAPS.into_iter().map(pinned).collect::<nix::Result<_>>();
    opened.map_err(|error| {
        if error == Errno::ENOENT {
            let path = pins.base().to_owned();
            return KernelError::NotLoaded { path };
        }
        KernelError::failed("open the pinned maps")(error)
    })
}

fn program(programs: &mut Ebpf) -> Result<&mut CgroupSkb, KernelError> {
    let program = programs.program_mut(PROGRAM);
    let program = program.ok_or(KernelError::NoProgram)?;
    program
        .try_into()
        .map_err(KernelError::failed("find the trace program"))
}

fn refused(error: ProgramError) -> KernelError {
    let error = program_error(PROGRAM, error);
    let KernelError::Verifier { log, .. } = &error else {
        return error;
    };
    tracing::debug!("the verifier refuses the trace program: {log}");
    KernelError::TraceRefused {
        release: kernel_release(),
    }
}

/// The messages of the program's log records, oldest first.
#[derive(Clone, Default)]
struct Messages(Arc<Mutex<Vec<String>>>);

impl Messages {
    fn take(&self) -> Vec<String> {
        std::mem::take(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Log for Messages {
    fn enabled(&self, _: &Metadata<'_>) -> bool {
        true
    }

    fn log(&self, record: &Record<'_>) {
        let mut messages = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        messages.push(record.args().to_string());
    }

    fn flush(&self) {}
}
