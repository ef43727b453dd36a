//! What a program costs the verifier: its own count where the kernel reports it, otherwise its log.

use std::{env, fs::File, io, os::fd::AsRawFd as _};

use anyhow::{Context as _, Result, bail};
use aya::{
    EbpfLoader, VerifierLogLevel,
    programs::{Program, ProgramError, SchedClassifier},
};
use enforcer_common::layout::MAPS;
use lab::bpf::loaded_policy::LoadedPolicy;

/// Verifier steps over all paths, and instructions afterwards.
#[derive(Debug)]
pub(crate) struct Effort {
    /// `None` where only a further load would tell, in a guest that omits such loads.
    pub(crate) steps: Option<u32>,
    pub(crate) instructions: u32,
}

impl Effort {
    /// Effort for the loaded program `name`, which is in `object`. Tests that call this where the kernel does not report the steps (before 5.16) must not run
    /// beside others.
    pub(crate) fn of(policy: &LoadedPolicy, object: &[u8], name: &str) -> Result<Self> {
        let info = policy.newest(name)?.info()?;
        Ok(Self {
            steps: match info.verified {
                Some(steps) => Some(steps),
                None if is_brief() => None,
                None => Some(logged_steps(policy, object, name)?),
            },
            instructions: info.instructions,
        })
    }
}

/// Whether this is a guest of a brief run, in which every load of a program counts.
fn is_brief() -> bool {
    env::var("EGRESS_LAB_GUEST").is_ok_and(|extent| extent == "brief")
}

/// Steps in the log of a load. aya discards the log of one that succeeds, so this one fails after verification, where the program gets no descriptor.
pub(crate) fn logged_steps(policy: &LoadedPolicy, object: &[u8], name: &str) -> Result<u32> {
    let mut loader = EbpfLoader::new();
    loader.verifier_log_level(VerifierLogLevel::STATS);
    for map in MAPS {
        loader.map_pin_path(map, policy.map(map));
    }
    let mut programs = loader.load(object)?;
    let program = programs.program_mut(name).context("no such program")?;
    match without_descriptors(|| load(program))? {
        Err(ProgramError::LoadError { verifier_log, .. }) => {
            let log = verifier_log.to_string();
            steps_in(&log).with_context(|| format!("{name}: no steps in the log {log:?}"))
        }
        other => bail!("{name}: loaded without a descriptor: {other:?}"),
    }
}

fn load(program: &mut Program) -> Result<(), ProgramError> {
    if let Program::CgroupSkb(program) = program {
        return program.load();
    }
    if let Program::CgroupSockAddr(program) = program {
        return program.load();
    }
    if let Program::CgroupSock(program) = program {
        return program.load();
    }
    if let Program::CgroupSockopt(program) = program {
        return program.load();
    }
    <&mut SchedClassifier>::try_from(program)?.load()
}

/// Runs `work` while this process can open no further descriptor.
fn without_descriptors<T>(work: impl FnOnce() -> T) -> Result<T> {
    let limit = |limit: &libc::rlimit| {
        // SAFETY: the call reads one limit.
        match unsafe { libc::setrlimit(libc::RLIMIT_NOFILE, limit) } {
            0 => Ok(()),
            _ => Err(io::Error::last_os_error()).context("limit the descriptors"),
        }
    };
    let mut before = libc::rlimit {
        rlim_cur: 0,
        rlim_max: 0,
    };
    // SAFETY: the call writes one limit.
    if unsafe { libc::getrlimit(libc::RLIMIT_NOFILE, &raw mut before) } != 0 {
        return Err(io::Error::last_os_error()).context("get the limit of descriptors");
    }
    // The lowest free one.
    let next = File::open("/dev/null")?.as_raw_fd();
    limit(&libc::rlimit {
        rlim_cur: u64::try_from(next)?,
        ..before
    })?;
    let done = work();
    limit(&before)?;
    Ok(done)
}

/// The number in "processed N insns (limit 1000000) ...".
fn steps_in(log: &str) -> Option<u32> {
    let (_, rest) = log.rsplit_once("processed ")?;
    rest.split(' ').next()?.parse().ok()
}
