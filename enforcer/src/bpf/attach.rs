//! Attaches the programs to a cgroup, make before break, and re-attaches them.

use std::{fs, io};

use aya::Ebpf;
use aya::programs::links::FdLink;
use aya::programs::{
    CgroupAttachMode, CgroupSkb, CgroupSkbAttachType, CgroupSock, CgroupSockAddr, Program,
    ProgramError,
};
use enforcer_common::Hook;
use enforcer_common::layout::{DNS_SNOOP, EXPLAIN, MAPS, SOCKET_OWNER};

use super::links::{Links, Undone};
use super::{Kernel, Pins, exclusive};
use crate::sys::{Cgroup, KernelError};

/// The programs that are attached, by name.
pub(super) fn attached_programs() -> impl Iterator<Item = &'static str> {
    Hook::CGROUP
        .into_iter()
        .map(Hook::word)
        .chain([SOCKET_OWNER, DNS_SNOOP])
}

impl Kernel {
    /// Attaches every program to `scope`. With [`Lifetime::Pinned`], each new link replaces the old one's pin atomically while the old one is still attached:
    /// meanwhile both judge, and a packet passes only if both allow it.
    ///
    /// # Errors
    /// If the kernel refuses; earlier links stay attached.
    pub fn attach(&mut self, scope: &Cgroup, links: &mut Links) -> Result<(), KernelError> {
        self.pin_explain()?;
        attached_programs().try_for_each(|name| self.attach_program(name, scope, links))
    }

    /// Whether the program `name` is one of those that [`Kernel::attach`] attaches.
    pub fn attaches(name: &str) -> bool {
        attached_programs().any(|program| program == name)
    }

    /// The programs whose link is no longer as [`Kernel::attach`] left it: detached, with another program, or without its pin.
    pub fn undone(&self, scope: &Cgroup, links: &Links) -> Vec<Undone> {
        let undone = |name| {
            let program = self.programs.program(name).and_then(program_id);
            links.undone(&self.pins, name, program, scope)
        };
        attached_programs().filter_map(undone).collect()
    }

    /// Attaches the program `name` to `scope`, replacing its link.
    ///
    /// # Errors
    /// If the kernel refuses.
    pub fn attach_program(
        &mut self,
        name: &'static str,
        scope: &Cgroup,
        links: &mut Links,
    ) -> Result<(), KernelError> {
        let link = self.link(name, scope)?;
        links.place(&self.pins, name, |beside| {
            link.pin(beside).map(drop).map_err(io::Error::other)
        })
    }

    /// Restores missing pins of maps and of the `explain` program; returns which.
    ///
    /// # Errors
    /// If the kernel refuses.
    pub fn pin_again(&mut self) -> Result<Vec<String>, KernelError> {
        let mut pinned = pin_missing(&self.pins, &self.programs, &MAPS)?;
        if !self.pins.program(EXPLAIN).exists() {
            self.pin_explain()?;
            pinned.push(EXPLAIN.to_owned());
        }
        Ok(pinned)
    }

    fn link(&mut self, name: &str, scope: &Cgroup) -> Result<FdLink, KernelError> {
        let program = self
            .programs
            .program_mut(name)
            .ok_or(KernelError::NoProgram)?;
        attach_one(name, program, scope).map_err(|error| exclusive::refusal(name, scope, error))
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

/// Restores missing pins of the named maps of an object; returns which.
///
/// # Errors
/// If the kernel refuses.
pub(super) fn pin_missing(
    pins: &Pins,
    object: &Ebpf,
    names: &[&str],
) -> Result<Vec<String>, KernelError> {
    let mut pinned = Vec::new();
    for (name, map) in object.maps() {
        let place = pins.map(name);
        if names.contains(&name) && !place.exists() {
            let what = format!("pin the map {name}");
            map.pin(place).map_err(KernelError::failed(what))?;
            pinned.push(name.to_owned());
        }
    }
    Ok(pinned)
}

fn program_id(program: &Program) -> Option<u32> {
    program.info().ok().map(|info| info.id())
}

fn attach_one(name: &str, program: &mut Program, scope: &Cgroup) -> Result<FdLink, ProgramError> {
    // Links always allow other programs; aya would pass on the flags of other modes, which the kernel refuses.
    let mode = CgroupAttachMode::Single;
    if let Program::CgroupSkb(_) = program {
        let program: &mut CgroupSkb = program.try_into()?;
        let way = if name == DNS_SNOOP {
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
