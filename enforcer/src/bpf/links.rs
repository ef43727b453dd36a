//! The open links of the daemon, and their pins.

use std::os::fd::OwnedFd;
use std::path::Path;
use std::{fs, io};

use enforcer_common::Hook;

use super::Pins;
use super::link::{self, Attachment};
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

    /// Takes over a new link, which `pin` pins under a temporary name; renaming then replaces the old pin atomically. A link that is not to stay pinned is
    /// pinned only until it is open.
    ///
    /// # Errors
    /// If it cannot be pinned or opened.
    pub(super) fn place(
        &mut self,
        pins: &Pins,
        name: &'static str,
        pin: impl FnOnce(&Path) -> io::Result<()>,
    ) -> Result<(), KernelError> {
        let beside = pins.waiting_link(name);
        let placed = || {
            if beside.exists() {
                fs::remove_file(&beside)?;
            }
            pin(&beside)?;
            let descriptor = link::open(&beside)?;
            match self.lifetime {
                Lifetime::Pinned => fs::rename(&beside, pins.link(name))?,
                Lifetime::Held => fs::remove_file(&beside)?,
            }
            Ok(descriptor)
        };
        let failed = KernelError::failed::<io::Error>;
        let descriptor = placed().map_err(failed(format!("pin the link {name}")))?;
        self.open.retain(|link| link.name != name);
        self.open.push(OpenLink { name, descriptor });
        Ok(())
    }

    /// Detaches and unpins the link `name`, if there is one.
    ///
    /// # Errors
    /// If its pin cannot be removed.
    pub(super) fn remove(&mut self, pins: &Pins, name: &str) -> Result<(), KernelError> {
        self.open.retain(|link| link.name != name);
        let place = pins.link(name);
        if !place.exists() {
            return Ok(());
        }
        // Removing the last pin detaches as well, but later.
        if let Err(error) = link::detach(&place) {
            tracing::debug!("the link {name} is not detached before it is unpinned: {error}");
        }
        fs::remove_file(&place).map_err(KernelError::failed(format!("unpin the link {name}")))
    }

    /// Whether the link `name` is attached to `scope` with this program, and pinned if it is to be.
    pub(super) fn undone(
        &self,
        pins: &Pins,
        name: &'static str,
        program: Option<u32>,
        scope: &Cgroup,
    ) -> Option<Undone> {
        let own = self.attachment(name);
        // Root can replace a link's program (`BPF_LINK_UPDATE`).
        let judged = own.is_some_and(|own| own.cgroup == scope.id && program == Some(own.program));
        let is_pinned = || {
            let pinned = Attachment::pinned(&pins.link(name)).ok();
            pinned
                .zip(own)
                .is_some_and(|(pin, own)| pin.link == own.link)
        };
        let is_whole = judged && (self.lifetime == Lifetime::Held || is_pinned());
        (!is_whole).then_some(Undone { name, judged })
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
