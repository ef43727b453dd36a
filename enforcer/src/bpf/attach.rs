//! Attaches the programs to a cgroup, make before break, and re-attaches them.

use std::fs;
use std::os::fd::OwnedFd;

use aya::programs::links::FdLink;
use aya::programs::{
    CgroupAttachMode, CgroupSkb, CgroupSkbAttachType, CgroupSock, CgroupSockAddr, Program,
    ProgramError,
};
use enforcer_common::Hook;
use enforcer_common::layout::{DNS_SNOOP, EXPLAIN, MAPS, SOCKET_OWNER};

use super::link::{self, Attachment};
use super::{Kernel, exclusive};
use crate::sys::{Cgroup, KernelError};

/// Lifetime of the attachments.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lifetime {
    /// Until `unload`: pinned.
    Pinned,
    /// That of [`Links`]: enforcement ends with the process.
    Held,
}

/// The open links of this process: they stay attached without their pins.
#[derive(Debug)]
pub struct Links {
    lifetime: Lifetime,
    open: Vec<OpenLink>,
}

/// Reads which hooks are attached.
#[derive(Debug)]
pub struct LinkReader {
    links: Links,
    scope: u64,
}

impl LinkReader {
    /// The hooks that are attached at this moment.
    pub fn attached(&self) -> Vec<Hook> {
        self.links.attached_to(self.scope)
    }
}

#[derive(Debug)]
struct OpenLink {
    name: &'static str,
    descriptor: OwnedFd,
}

impl Links {
    /// No links.
    pub const fn new(lifetime: Lifetime) -> Self {
        Self {
            lifetime,
            open: Vec::new(),
        }
    }

    /// Their lifetime.
    pub const fn lifetime(&self) -> Lifetime {
        self.lifetime
    }

    /// Closes all links, which detaches those without a pin.
    pub fn close(&mut self) {
        self.open.clear();
    }

    /// The hooks that are attached to `scope`.
    pub fn attached(&self, scope: &Cgroup) -> Vec<Hook> {
        self.attached_to(scope.id)
    }

    /// Duplicates the descriptors, to read from elsewhere which hooks are attached to `scope`.
    pub fn reader(&self, scope: &Cgroup) -> LinkReader {
        let duplicate = |link: &OpenLink| {
            Some(OpenLink {
                name: link.name,
                descriptor: link.descriptor.try_clone().ok()?,
            })
        };
        LinkReader {
            links: Self {
                lifetime: self.lifetime,
                open: self.open.iter().filter_map(duplicate).collect(),
            },
            scope: scope.id,
        }
    }

    fn attached_to(&self, scope: u64) -> Vec<Hook> {
        let attached = |hook: &Hook| {
            let found = self.attachment(hook.word());
            found.is_some_and(|attachment| attachment.cgroup == scope)
        };
        Hook::CGROUP.into_iter().filter(attached).collect()
    }

    fn attachment(&self, name: &str) -> Option<Attachment> {
        let link = self.open.iter().find(|link| link.name == name)?;
        Attachment::of(&link.descriptor).ok()
    }

    fn replace(&mut self, name: &'static str, descriptor: OwnedFd) {
        self.open.retain(|link| link.name != name);
        self.open.push(OpenLink { name, descriptor });
    }
}

/// A program whose link was changed by another process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Undone {
    /// The program.
    pub name: &'static str,
    /// Whether it is still attached: only its pin is missing or replaced.
    pub judged: bool,
}

/// The programs that are attached, by name.
fn programs() -> impl Iterator<Item = &'static str> {
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
        programs().try_for_each(|name| self.attach_program(name, scope, links))
    }

    /// The programs whose link is no longer as [`Kernel::attach`] left it: detached, with another program, or without its pin.
    pub fn undone(&self, scope: &Cgroup, links: &Links) -> Vec<Undone> {
        let undone = |name| {
            let own = links.attachment(name);
            let judged = own.is_some_and(|own| self.judges(name, own, scope));
            let is_pinned = || {
                let pinned = Attachment::pinned(&self.pins.link(name)).ok();
                pinned
                    .zip(own)
                    .is_some_and(|(pin, own)| pin.link == own.link)
            };
            let is_whole = judged && (links.lifetime == Lifetime::Held || is_pinned());
            (!is_whole).then_some(Undone { name, judged })
        };
        programs().filter_map(undone).collect()
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
        let descriptor = self.pin(name, link, links.lifetime)?;
        links.replace(name, descriptor);
        Ok(())
    }

    /// Restores missing pins of maps and of the `explain` program; returns which.
    ///
    /// # Errors
    /// If the kernel refuses.
    pub fn pin_again(&mut self) -> Result<Vec<String>, KernelError> {
        let mut pinned = Vec::new();
        for (name, map) in self.programs.maps() {
            let place = self.pins.map(name);
            if MAPS.contains(&name) && !place.exists() {
                let what = format!("pin the map {name}");
                map.pin(place).map_err(KernelError::failed(what))?;
                pinned.push(name.to_owned());
            }
        }
        if !self.pins.program(EXPLAIN).exists() {
            self.pin_explain()?;
            pinned.push(EXPLAIN.to_owned());
        }
        Ok(pinned)
    }

    /// Whether a link is attached to `scope` with the program `name` of this process: root can replace a link's program (`BPF_LINK_UPDATE`).
    fn judges(&self, name: &str, link: Attachment, scope: &Cgroup) -> bool {
        let program = self.programs.program(name).and_then(program_id);
        link.cgroup == scope.id && program == Some(link.program)
    }

    fn link(&mut self, name: &str, scope: &Cgroup) -> Result<FdLink, KernelError> {
        let program = self
            .programs
            .program_mut(name)
            .ok_or(KernelError::NoProgram)?;
        attach_one(name, program, scope).map_err(|error| exclusive::refusal(name, scope, error))
    }

    /// Pins `link` under a temporary name, then renames it, which replaces the old pin atomically. A link that is not to stay pinned is pinned only until
    /// it is open.
    fn pin(&self, name: &str, link: FdLink, lifetime: Lifetime) -> Result<OwnedFd, KernelError> {
        let failed = || format!("pin the link {name}");
        let beside = self.pins.waiting_link(name);
        if beside.exists() {
            fs::remove_file(&beside).map_err(KernelError::failed(failed()))?;
        }
        link.pin(&beside).map_err(KernelError::failed(failed()))?;
        let descriptor = link::open(&beside).map_err(KernelError::failed(failed()))?;
        let placed = match lifetime {
            Lifetime::Pinned => fs::rename(&beside, self.pins.link(name)),
            Lifetime::Held => fs::remove_file(&beside),
        };
        placed.map_err(KernelError::failed(failed()))?;
        Ok(descriptor)
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
