//! Attaches the programs to a device, make before break.

use aya::programs::tc::{NlOptions, TcAttach, TcError, TcHandle, qdisc_add_clsact};
use enforcer_common::layout::Device;

use super::DevicePrograms;
use super::connections::forget_connections;
use super::delete::delete;
use super::order::priority;
use super::own::OwnFilters;
use super::place::attach_type;
use crate::core::{DevicePlan, FoundFilter, FoundFilters};
use crate::sys::{IngressQdisc, KernelError, TcHook, devices, filters, ingress_qdiscs};

impl DevicePrograms {
    /// Returns the ids of the programs.
    pub(crate) const fn ids(&self) -> &[u32; 2] {
        &self.ids
    }

    /// Puts the filters of `plan` in force, and returns those found afterwards; `None` if the device is gone. Nothing changes where they are in force.
    ///
    /// # Errors
    /// If the kernel refuses; old filters then stay.
    pub(crate) fn filter(
        &mut self,
        own: OwnFilters,
        plan: &DevicePlan,
    ) -> Result<Option<FoundFilters>, KernelError> {
        match self.attach(own, plan) {
            Ok(filters) => Ok(Some(filters)),
            Err(error) => {
                let is_there = devices()?.iter().any(|device| device.index == plan.index);
                if is_there { Err(error) } else { Ok(None) }
            }
        }
    }

    fn attach(&mut self, own: OwnFilters, plan: &DevicePlan) -> Result<FoundFilters, KernelError> {
        let DevicePlan {
            index,
            name,
            header,
            mode,
            arrivals,
        } = plan;
        // Before a program reads it.
        let device = Device {
            header: *header as u32,
            mode: *mode as u32,
            arrivals: *arrivals as u32,
        };
        self.set(*index, name, device)?;
        add_clsact(*index, name)?;
        let found = own.find(*index, Some(&self.ids))?;
        if found.both().contains(&&FoundFilter::Missing) {
            self.unforgotten.insert(*index);
        }
        let forgotten = self.forget_connections(*index);
        // Ingress first: what servers acknowledge must not be missed once egress judges.
        let places = TcHook::ALL.into_iter().zip(found.both());
        for (hook, found) in places.rev() {
            if !matches!(found, FoundFilter::Current(_)) {
                self.replace(own, hook, (*index, name))?;
            }
        }
        // Only now: without filters, the device would be open.
        forgotten?;
        own.find(*index, Some(&self.ids))
    }

    /// Forgets the connections of a device that lacked a filter, here or at an earlier attempt.
    fn forget_connections(&mut self, index: u32) -> Result<(), KernelError> {
        if self.unforgotten.contains(&index) {
            forget_connections(&self.pins, index)?;
            self.unforgotten.remove(&index);
        }
        Ok(())
    }

    /// Adds a filter, then deletes this instance's others.
    fn replace(
        &mut self,
        own: OwnFilters,
        hook: TcHook,
        (index, name): (u32, &str),
    ) -> Result<(), KernelError> {
        let mut there = filters(index, hook)?;
        let priority = priority(&there);
        let handle = match own.free_handle(&there, priority) {
            Some(handle) => handle,
            // Left by a daemon that was killed between adding and deleting. The one that runs first stays until the new one is there.
            None => {
                let at_priority = own.among(hook, &there);
                let at_priority = at_priority.filter(|filter| filter.priority == priority);
                let Some(last) = at_priority.last().cloned() else {
                    return Err(taken(name, priority));
                };
                delete((index, name), hook, &last)?;
                there.retain(|filter| *filter != last);
                last.handle
            }
        };
        self.add((index, name), hook, priority, handle)?;
        let old = own.among(hook, &there);
        old.map(|filter| delete((index, name), hook, filter))
            .fold(Ok(()), Result::and)
    }

    fn add(
        &mut self,
        (index, name): (u32, &str),
        hook: TcHook,
        priority: u16,
        handle: u32,
    ) -> Result<(), KernelError> {
        let what = format!(
            "add an {} filter to the network device {name} (kernel modules sch_ingress and cls_bpf)",
            hook.word()
        );
        let options = NlOptions {
            priority,
            handle: TcHandle::from(handle),
            classid: None,
        };
        let parent = attach_type(hook).into();
        let program = self.program(hook)?;
        let link = program.attach(index, TcAttach::Netlink { parent, options });
        let link = link.and_then(|id| program.take_link(id));
        // The filter stays without this process.
        link.map(std::mem::forget)
            .map_err(KernelError::failed(what))
    }
}

fn taken(name: &str, priority: u16) -> KernelError {
    KernelError::TakenHandles {
        device: name.to_owned(),
        priority,
    }
}

/// Adds the queueing discipline that runs filters, if it is missing.
fn add_clsact(index: u32, name: &str) -> Result<(), KernelError> {
    match ingress_qdiscs()?.remove(&index) {
        Some(IngressQdisc::Clsact) => return Ok(()),
        Some(IngressQdisc::Other(kind)) => {
            return Err(KernelError::NoClsact {
                device: name.to_owned(),
                kind,
            });
        }
        None => {}
    }
    let what = format!(
        "add the queueing discipline clsact to the network device {name} (kernel module sch_ingress)"
    );
    match qdisc_add_clsact(index) {
        // Another program was faster.
        Err(TcError::NetlinkError(error)) if error.raw_os_error() == Some(libc::EEXIST) => Ok(()),
        added => added.map_err(KernelError::failed(what)),
    }
}
