//! Loaded programs: load, attach, run, and information.

use std::{
    io,
    os::fd::{AsRawFd, OwnedFd},
    path::Path,
    time::{Duration, Instant},
};

use anyhow::{Context, Result};

use super::{by_id, call, made, pinned, pointer, raw};

const PROG_LOAD: libc::c_int = 5;
const TEST_RUN: libc::c_int = 10;
const PROG_NEXT_ID: libc::c_int = 11;
const PROG_BY_ID: libc::c_int = 13;
pub(super) const INFO_BY_FD: libc::c_int = 15;
const LINK_CREATE: libc::c_int = 28;

/// Program and attach type: `enum bpf_prog_type` and `enum bpf_attach_type`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AttachPoint {
    /// Packets that leave a cgroup (`cgroup_skb/egress`).
    Egress,
    /// `connect` of IPv4 sockets in a cgroup (`cgroup/connect4`).
    Connect4,
    /// Packets that leave an interface, through a link (tcx).
    Tcx,
    /// Packets that arrive by an interface, through a link (tcx).
    TcxIngress,
}

impl AttachPoint {
    pub(super) fn numbers(self) -> (u32, u32) {
        match self {
            Self::Egress => (8, 1),
            Self::Connect4 => (18, 10),
            Self::Tcx => (3, 47),
            Self::TcxIngress => (3, 46),
        }
    }
}

/// Optional attributes of a new link; zero means default.
#[derive(Clone, Copy, Debug, Default)]
pub struct Attach {
    /// `BPF_F_…`.
    pub flags: u32,
    /// The expected revision of the target's list of programs.
    pub expected_revision: u64,
}

#[repr(C)]
#[derive(Default)]
struct Link {
    program: u32,
    target: u32,
    attach_type: u32,
    flags: u32,
    relative: u64,
    expected_revision: u64,
}

/// Information of the kernel on a loaded program.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProgramInfo {
    /// Its name, at most 15 bytes.
    pub name: String,
    /// Instructions after verification.
    pub instructions: u32,
    /// Instructions that the verifier processed over all paths; `None` before Linux 5.16.
    pub verified: Option<u32>,
}

/// A loaded program.
#[derive(Debug)]
pub struct Program(pub(super) OwnedFd);

#[repr(C)]
#[derive(Default)]
struct Load {
    kind: u32,
    instructions_len: u32,
    instructions: u64,
    license: u64,
    log_level: u32,
    log_len: u32,
    log: u64,
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

impl Program {
    /// Loads a program for packets that leave a cgroup.
    ///
    /// # Errors
    /// When the kernel rejects the program.
    pub fn load(instructions: &[u64]) -> Result<Self> {
        Self::load_for(AttachPoint::Egress, instructions)
    }

    /// Loads a program for `attach_point`.
    ///
    /// # Errors
    /// When the kernel rejects the program; the error contains the end of the verifier's log.
    pub fn load_for(attach_point: AttachPoint, instructions: &[u64]) -> Result<Self> {
        Self::load_as("", attach_point, instructions)
    }

    /// As [`Program::load_for`], with a name of at most 15 letters, digits and underscores.
    ///
    /// # Errors
    /// As [`Program::load_for`].
    pub fn load_as(name: &str, attach_point: AttachPoint, instructions: &[u64]) -> Result<Self> {
        let (kind, attach_type) = attach_point.numbers();
        let mut log = vec![0_u8; 1 << 16];
        let mut attributes = Load {
            kind,
            instructions_len: u32::try_from(instructions.len())?,
            instructions: pointer(instructions.as_ptr()),
            license: pointer(c"Dual MIT/GPL".as_ptr()),
            log_level: 1,
            log_len: u32::try_from(log.len())?,
            log: pointer(log.as_mut_ptr().cast_const()),
            attach_type,
            ..Load::default()
        };
        for (byte, letter) in attributes.name.iter_mut().zip(name.bytes().take(15)) {
            *byte = letter;
        }
        let loaded = made(PROG_LOAD, &mut attributes);
        let verifier_log = log.split(|byte| *byte == 0).next().unwrap_or_default();
        let verifier_log = String::from_utf8_lossy(verifier_log);
        Ok(Self(loaded.with_context(|| {
            format!("load a program: {}", verifier_log.trim())
        })?))
    }

    /// Attaches the program with a link to `target`: the descriptor of a cgroup, or the index of an interface in the thread's network
    /// namespace. Dropping the returned descriptor detaches it.
    ///
    /// # Errors
    /// When the kernel refuses.
    pub fn attach(
        &self,
        attach_point: AttachPoint,
        target: u32,
        attach: Attach,
    ) -> io::Result<OwnedFd> {
        let mut attributes = Link {
            program: raw(&self.0).map_err(io::Error::other)?,
            target,
            attach_type: attach_point.numbers().1,
            flags: attach.flags,
            relative: 0,
            expected_revision: attach.expected_revision,
        };
        made(LINK_CREATE, &mut attributes)
    }

    /// Returns the program's id.
    ///
    /// # Errors
    /// When the kernel refuses.
    pub fn id(&self) -> Result<u32> {
        Ok(self.raw_info()?[1])
    }

    /// Returns the kernel's information on the program.
    ///
    /// # Errors
    /// When the kernel refuses.
    pub fn info(&self) -> Result<ProgramInfo> {
        let info = self.raw_info()?;
        let name: Vec<u8> = info[16..20]
            .iter()
            .flat_map(|word| word.to_ne_bytes())
            .take_while(|byte| *byte != 0)
            .collect();
        Ok(ProgramInfo {
            name: String::from_utf8_lossy(&name).into_owned(),
            instructions: info[5] / 8,
            verified: Some(info[54]).filter(|count| *count > 0),
        })
    }

    /// Returns `struct bpf_prog_info` in the length of Linux 5.16.
    fn raw_info(&self) -> Result<[u32; 58]> {
        let mut info = [0_u32; 58];
        let mut attributes = (
            self.0.as_raw_fd(),
            232_u32,
            pointer(info.as_mut_ptr().cast_const()),
        );
        call(INFO_BY_FD, &mut attributes).context("get a program's information")?;
        Ok(info)
    }

    /// Returns the ids of all loaded programs.
    ///
    /// # Errors
    /// When the kernel refuses.
    pub fn ids() -> Result<Vec<u32>> {
        let mut ids = Vec::new();
        let mut attributes = [0_u32; 3];
        loop {
            match call(PROG_NEXT_ID, &mut attributes) {
                Ok(_) => ids.push(attributes[1]),
                Err(error) if error.raw_os_error() == Some(libc::ENOENT) => return Ok(ids),
                Err(error) => return Err(error).context("list the loaded programs"),
            }
            attributes[0] = attributes[1];
        }
    }

    /// Opens the program with this id.
    ///
    /// # Errors
    /// When it is no longer loaded.
    pub fn by_id(id: u32) -> Result<Self> {
        Ok(Self(by_id(PROG_BY_ID, id).context("open a program")?))
    }

    /// Opens the program of a pinned link.
    ///
    /// # Errors
    /// When nothing is pinned at the path.
    pub fn of_link(pin: &Path) -> Result<Self> {
        let link = pinned(pin)?;
        // The beginning of `struct bpf_link_info`: type, id, program's id.
        let mut info = [0_u32; 3];
        let mut attributes = (
            link.as_raw_fd(),
            12_u32,
            pointer(info.as_mut_ptr().cast_const()),
        );
        call(INFO_BY_FD, &mut attributes).context("get a link's information")?;
        Ok(Self(
            by_id(PROG_BY_ID, info[2]).context("open the program of a link")?,
        ))
    }

    /// Opens a pinned program.
    ///
    /// # Errors
    /// When nothing is pinned at the path.
    pub fn pinned(pin: &Path) -> Result<Self> {
        Ok(Self(pinned(pin)?))
    }

    /// Returns the number of runs and their total duration while statistics are enabled ([`count_runs`]).
    ///
    /// # Errors
    /// When the kernel refuses.
    pub fn ran(&self) -> Result<(u64, Duration)> {
        let info = self.raw_info()?;
        let long = |at: usize| u64::from(info[at + 1]) << 32 | u64::from(info[at]);
        Ok((long(50), Duration::from_nanos(long(48))))
    }

    /// Runs the program `repeat` times on `packet`, which begins with an Ethernet header; returns its return value and the mean duration of a run.
    ///
    /// # Errors
    /// When the kernel cannot run it.
    pub fn run(&self, packet: &[u8], repeat: u32) -> Result<(u32, Duration)> {
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
