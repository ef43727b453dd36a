//! Attaches the programs to a cgroup, make before break.

use std::fs;

use aya::programs::links::FdLink;
use aya::programs::{
    CgroupAttachMode, CgroupSkb, CgroupSkbAttachType, CgroupSock, CgroupSockAddr, Program,
    ProgramError,
};
use enforcer_common::Hook;
use enforcer_common::layout::{EXPLAIN, LEARN, ORIGIN};

use super::{Cgroup, Kernel, KernelError};

/// How long the attachments last.
#[derive(Debug)]
pub enum Lifetime {
    /// Until `unload`: pinned.
    Pinned,
    /// As long as this value: the run ends with its process.
    Held(Vec<FdLink>),
}

impl Kernel {
    /// Attaches every program to `scope`. With [`Lifetime::Pinned`], each new link takes its pin's place in one step while the old one still
    /// judges: for that moment both do, and a packet passes only if both let it.
    ///
    /// # Errors
    /// Where the kernel refuses; what was attached before stays attached.
    pub fn attach(&mut self, scope: &Cgroup, lifetime: &mut Lifetime) -> Result<(), KernelError> {
        self.pin_explain()?;
        let judges = Hook::ALL.into_iter().map(Hook::word);
        let mut held = Vec::new();
        for name in judges.chain([ORIGIN, LEARN]) {
            let link = self.link(name, scope)?;
            match lifetime {
                Lifetime::Held(_) => held.push(link),
                Lifetime::Pinned => self.replace_pin(name, link)?,
            }
        }
        if let Lifetime::Held(links) = lifetime {
            *links = held;
        }
        Ok(())
    }

    fn link(&mut self, name: &str, scope: &Cgroup) -> Result<FdLink, KernelError> {
        let failed = || KernelError::failed(format!("attach {name} to {}", scope.path.display()));
        let program = self
            .programs
            .program_mut(name)
            .ok_or(KernelError::NoProgram)?;
        attach_one(name, program, scope).map_err(failed())
    }

    /// Pins `link` beside its final place, then renames it there: the pin that was there goes in the same step.
    fn replace_pin(&self, name: &str, link: FdLink) -> Result<(), KernelError> {
        let failed = || format!("pin the link {name}");
        let place = self.pins.link(name);
        let beside = self.pins.waiting_link(name);
        if beside.exists() {
            fs::remove_file(&beside).map_err(KernelError::failed(failed()))?;
        }
        link.pin(&beside).map_err(KernelError::failed(failed()))?;
        fs::rename(&beside, &place).map_err(KernelError::failed(failed()))
    }

    fn pin_explain(&mut self) -> Result<(), KernelError> {
        let failed = || KernelError::failed(format!("pin the program {EXPLAIN}"));
        let place = self.pins.program(EXPLAIN);
        if place.exists() {
            fs::remove_file(&place).map_err(KernelError::failed("replace the pin of explain"))?;
        }
        let program = self
            .programs
            .program_mut(EXPLAIN)
            .ok_or(KernelError::NoProgram)?;
        program.pin(&place).map_err(failed())
    }
}

fn attach_one(name: &str, program: &mut Program, scope: &Cgroup) -> Result<FdLink, ProgramError> {
    // Links always allow others beside them; aya passes the flags of the other modes on, and the kernel refuses those.
    let mode = CgroupAttachMode::Single;
    if let Program::CgroupSkb(_) = program {
        let program: &mut CgroupSkb = program.try_into()?;
        let way = if name == LEARN {
            CgroupSkbAttachType::Ingress
        } else {
            CgroupSkbAttachType::Egress
        };
        let id = program.attach(scope, way, mode)?;
        return Ok(program.take_link(id)?.try_into()?);
    }
    if let Program::CgroupSockAddr(_) = program {
        let program: &mut CgroupSockAddr = program.try_into()?;
        let id = program.attach(scope, mode)?;
        return Ok(program.take_link(id)?.try_into()?);
    }
    let program: &mut CgroupSock = program.try_into()?;
    let id = program.attach(scope, mode)?;
    Ok(program.take_link(id)?.try_into()?)
}
