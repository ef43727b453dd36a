//! One probe per feature: a small program that is loaded and, for some features, briefly attached.
//!
//! Instructions are encoded as in RFC 9669; helper numbers are those of linux/bpf.h.

use std::{
    fs,
    os::fd::{AsRawFd as _, OwnedFd},
};

use anyhow::{Context, Result, bail};

use crate::{
    bpf::{Attach, AttachPoint, Map, Program},
    topology::{cgroup::Cgroup, netns::Netns},
};

const RETURN_1: [u64; 2] = [0x0000_0001_0000_00b7, 0x95];
/// `BPF_F_PREORDER`.
const PREORDER: u32 = 1 << 6;
/// The loopback interface of every network namespace.
const LOOPBACK: u32 = 1;

/// Attach targets for probes: a cgroup without processes and a network namespace without a link.
#[derive(Debug)]
pub struct ProbeEnv {
    cgroup: OwnedFd,
    netns: Netns,
}

impl ProbeEnv {
    /// Opens `cgroup` and creates a network namespace.
    ///
    /// # Errors
    /// When one of them fails.
    pub fn new(cgroup: &Cgroup) -> Result<Self> {
        Ok(Self {
            cgroup: fs::File::open(cgroup.path())
                .context("open a cgroup")?
                .into(),
            netns: Netns::new()?,
        })
    }
}

pub(super) fn coarse_clock(_: &ProbeEnv) -> Result<bool> {
    has_helper(AttachPoint::Egress, 160)
}

pub(super) fn loop_by_call(_: &ProbeEnv) -> Result<bool> {
    has_helper(AttachPoint::Egress, 181)
}

pub(super) fn compare_strings(_: &ProbeEnv) -> Result<bool> {
    has_helper(AttachPoint::Egress, 182)
}

pub(super) fn set_return(_: &ProbeEnv) -> Result<bool> {
    has_helper(AttachPoint::Connect4, 187)
}

pub(super) fn process_of_packet(_: &ProbeEnv) -> Result<bool> {
    has_helper(AttachPoint::Egress, 14)
}

pub(super) fn network_of_packet(_: &ProbeEnv) -> Result<bool> {
    has_helper(AttachPoint::Egress, 122)
}

pub(super) fn verified_instructions(_: &ProbeEnv) -> Result<bool> {
    Ok(Program::load(&RETURN_1)?.info()?.verified.is_some())
}

pub(super) fn tcx(env: &ProbeEnv) -> Result<bool> {
    let program = match Program::load_for(AttachPoint::Tcx, &RETURN_1) {
        Ok(program) => program,
        // Older kernels do not know the attach type.
        Err(_) => return Ok(false),
    };
    env.netns.run(|| {
        Ok(program
            .attach(AttachPoint::Tcx, LOOPBACK, Attach::default())
            .is_ok())
    })
}

pub(super) fn preorder(env: &ProbeEnv) -> Result<bool> {
    let attach = Attach {
        flags: PREORDER,
        ..Attach::default()
    };
    attached(env, attach).map(|error| error.is_none())
}

/// Attaches with a revision that no cgroup has; a kernel with the feature returns `ESTALE`.
pub(super) fn revision(env: &ProbeEnv) -> Result<bool> {
    let attach = Attach {
        expected_revision: 1 << 40,
        ..Attach::default()
    };
    attached(env, attach).map(|error| error == Some(libc::ESTALE))
}

/// Writes 10.0.0.0/8 twice into a trie with room for one entry.
pub(super) fn full_trie(_: &ProbeEnv) -> Result<bool> {
    let map = Map::trie(1)?;
    let mut key = 8_u32.to_ne_bytes().to_vec();
    key.extend([10, 0, 0, 0]);
    map.set(&key, &[0; 4])?;
    Ok(map.set(&key, &[0; 4]).is_ok())
}

/// Attaches to the cgroup and returns the errno on failure.
fn attached(env: &ProbeEnv, attach: Attach) -> Result<Option<i32>> {
    let program = Program::load(&RETURN_1)?;
    let made = |attach| {
        program
            .attach(AttachPoint::Egress, number(&env.cgroup)?, attach)
            .map_err(Into::into)
    };
    let plain: Result<OwnedFd> = made(Attach::default());
    drop(plain.context("attach a program with default attributes")?);
    match program.attach(AttachPoint::Egress, number(&env.cgroup)?, attach) {
        Ok(_) => Ok(None),
        Err(error) => Ok(Some(error.raw_os_error().unwrap_or(0))),
    }
}

fn number(fd: &OwnedFd) -> Result<u32> {
    Ok(u32::try_from(fd.as_raw_fd())?)
}

/// Loads a call of the helper with invalid arguments: the verifier rejects the arguments of a known helper, and the call itself of an unknown one.
fn has_helper(attach_point: AttachPoint, helper: u64) -> Result<bool> {
    let call = (helper << 32) | 0x85;
    let Err(error) = Program::load_for(attach_point, &[call, RETURN_1[0], RETURN_1[1]]) else {
        return Ok(true);
    };
    let message = format!("{error:#}");
    let is_unknown = ["invalid func ", "unknown func ", "cannot use helper "]
        .iter()
        .any(|words| message.contains(words));
    if !is_unknown
        && !message.contains("R1")
        && !message.contains("R2")
        && !message.contains("arg#")
    {
        bail!("helper {helper}: unexpected verifier message: {message}");
    }
    Ok(!is_unknown)
}
