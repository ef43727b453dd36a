//! The programs that refuse socket options: loading them, and attaching them to the governed cgroup.

use aya::Ebpf;
use aya::programs::{CgroupSockopt, LsmCgroup, Program, ProgramError};
use enforcer_common::layout::{SOCKET_OPTIONS, SOCKET_OPTIONS_LSM, SOCKET_OPTIONS_PLAIN};

use super::lsm;
use crate::bpf::link::{self, AttachType};
use crate::bpf::object::program_error;
use crate::bpf::{Links, Pins, Undone};
use crate::sys::{Cgroup, KernelError};

/// Every program of this kind, loaded or not.
const ALL: [&str; 3] = [SOCKET_OPTIONS, SOCKET_OPTIONS_PLAIN, SOCKET_OPTIONS_LSM];

/// The programs that this kernel takes.
#[derive(Debug, Default)]
pub(super) struct OptionPrograms(Vec<OptionProgram>);

#[derive(Clone, Copy, Debug)]
struct OptionProgram {
    name: &'static str,
    id: u32,
    kind: AttachType,
}

impl OptionPrograms {
    /// Loads them. Where BPF programs can be LSM hooks, another one sees calls of 32-bit programs too.
    ///
    /// # Errors
    /// If the kernel takes none.
    pub(super) fn load(programs: &mut Ebpf) -> Result<Self, KernelError> {
        // The first one names the caller, with helpers that Linux 5.10 lacks.
        let (name, loaded) = match load_call(programs, SOCKET_OPTIONS) {
            Ok(id) => (SOCKET_OPTIONS, Ok(id)),
            Err(_refused) => (
                SOCKET_OPTIONS_PLAIN,
                load_call(programs, SOCKET_OPTIONS_PLAIN),
            ),
        };
        let id = loaded.map_err(|error| program_error(name, error))?;
        let call = OptionProgram {
            name,
            id,
            kind: AttachType::Setsockopt,
        };
        let lsm = load_lsm(programs).map(|id| OptionProgram {
            name: SOCKET_OPTIONS_LSM,
            id,
            kind: AttachType::Lsm,
        });
        if let Err(why) = &lsm {
            tracing::debug!("calls of 32-bit programs are not seen: {why}");
        }
        Ok(Self([Some(call), lsm.ok()].into_iter().flatten().collect()))
    }

    /// Attaches those to `scope` that are not attached, and removes the links of others.
    ///
    /// # Errors
    /// If the kernel refuses the program that sees native calls. The LSM program is left out where it is refused, as on kernels without trampolines.
    pub(super) fn attach(
        &mut self,
        programs: &Ebpf,
        pins: &Pins,
        scope: &Cgroup,
        links: &mut Links,
    ) -> Result<(), KernelError> {
        // Before one is left out: the link that an earlier start left at the LSM hook still judges.
        let is_used = |name: &&str| self.0.iter().any(|program| program.name == *name);
        let unused: Vec<_> = ALL.into_iter().filter(|name| !is_used(name)).collect();
        for undone in self.undone(pins, scope, links) {
            let attached = self.attach_one(programs, undone.name, pins, scope, links);
            match attached {
                Err(error) if undone.name == SOCKET_OPTIONS_LSM => {
                    tracing::warn!("calls of 32-bit programs are not seen: {error}");
                    self.0.retain(|program| program.name != SOCKET_OPTIONS_LSM);
                }
                other => other?,
            }
        }
        unused
            .into_iter()
            .try_for_each(|name| links.remove(pins, name))
    }

    /// Those whose link is not as [`OptionPrograms::attach`] left it.
    pub(super) fn undone(&self, pins: &Pins, scope: &Cgroup, links: &Links) -> Vec<Undone> {
        let undone =
            |program: &OptionProgram| links.undone(pins, program.name, Some(program.id), scope);
        self.0.iter().filter_map(undone).collect()
    }

    fn attach_one(
        &self,
        programs: &Ebpf,
        name: &'static str,
        pins: &Pins,
        scope: &Cgroup,
        links: &mut Links,
    ) -> Result<(), KernelError> {
        let what = || format!("attach the program {name} to {}", scope.path.display());
        let of_name = |program: &&OptionProgram| program.name == name;
        let kind = self.0.iter().find(of_name).map(|program| program.kind);
        let program = programs.program(name).zip(kind);
        let (program, kind) = program.ok_or(KernelError::NoProgram)?;
        let descriptor = program.fd().map_err(KernelError::failed(what()))?;
        let link = link::create(descriptor, scope, kind).map_err(KernelError::failed(what()))?;
        links.place(pins, name, |beside| link::pin(&link, beside))
    }
}

/// Whose calls are refused, by the pinned links.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum OptionsGuard {
    /// Nobody's.
    Missing,
    /// Those of programs of the kernel's own word size; why not others'.
    NativeCallers(String),
    /// All.
    EveryCaller,
}

impl OptionsGuard {
    /// Inspects the links of the instance with these pins.
    pub(crate) fn of(pins: &Pins) -> Self {
        let is_attached = |name| link::is_attached(&pins.link(name));
        if lsm::obstacle().is_none() && is_attached(SOCKET_OPTIONS_LSM) {
            return Self::EveryCaller;
        }
        if is_attached(SOCKET_OPTIONS) || is_attached(SOCKET_OPTIONS_PLAIN) {
            let why = "this kernel attaches no BPF program for a cgroup to LSM hooks";
            return Self::NativeCallers(lsm::obstacle().unwrap_or_else(|| why.to_owned()));
        }
        Self::Missing
    }
}

/// Removes the links of all of them.
///
/// # Errors
/// If a pin cannot be removed.
pub(crate) fn remove_option_links(pins: &Pins, links: &mut Links) -> Result<(), KernelError> {
    let mut all = ALL.into_iter();
    all.try_for_each(|name| links.remove(pins, name))
}

fn load_call(programs: &mut Ebpf, name: &str) -> Result<u32, ProgramError> {
    let program = programs.program_mut(name);
    let program = program.ok_or(ProgramError::UnexpectedProgramType)?;
    <&mut CgroupSockopt>::try_from(&mut *program)?.load()?;
    id(program)
}

fn load_lsm(programs: &mut Ebpf) -> Result<u32, String> {
    if let Some(obstacle) = lsm::obstacle() {
        return Err(obstacle);
    }
    let btf = lsm::reduced_btf()?;
    let program = programs.program_mut(SOCKET_OPTIONS_LSM);
    let program = program.ok_or("this build has no such program")?;
    let loaded = <&mut LsmCgroup>::try_from(&mut *program);
    let loaded = loaded.and_then(|program| program.load(lsm::HOOK, &btf));
    let id = loaded.and_then(|()| id(program));
    id.map_err(|error| program_error(SOCKET_OPTIONS_LSM, error).to_string())
}

fn id(program: &Program) -> Result<u32, ProgramError> {
    Ok(program.info()?.id())
}
