//! The filters of one instance among those of others.

use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;

use super::delete::delete;
use super::order::{describe, priority};
use super::place::program_name;
use super::tcx;
use crate::core::{FoundDevice, FoundFilter, FoundFilters};
use crate::sys::{Filter, KernelError, TcHook, devices, filters};

/// The first byte of each handle.
const MAGIC: u32 = 0x5e << 24;

/// How an instance knows its filters, also those of an earlier start or another version: by the name of the program and by one of two handles, which follow
/// from the directory of the pins. A new filter has the handle that the old one has not, so that both judge until the old one is deleted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct OwnFilters {
    handles: [u32; 2],
}

impl OwnFilters {
    /// The filters of the instance with the pins below `base`.
    pub(crate) fn of(base: &Path) -> Self {
        // FNV-1a, which is the same in every version.
        let digest = base.as_os_str().as_bytes().iter();
        let digest = digest.fold(0x811c_9dc5_u32, |hash, byte| {
            (hash ^ u32::from(*byte)).wrapping_mul(0x0100_0193)
        });
        let first = MAGIC | (digest ^ digest >> 24) & 0x00ff_fffe;
        Self {
            handles: [first, first | 1],
        }
    }

    /// Lists the devices of this process's network namespace; `programs`: the ids of the programs of this start.
    ///
    /// # Errors
    /// If the kernel does not list them.
    pub(crate) fn list(self, programs: Option<&[u32; 2]>) -> Result<Vec<FoundDevice>, KernelError> {
        let devices = devices()?;
        let found = devices.iter().map(|device| {
            Ok(FoundDevice {
                filters: self.find(device.index, programs)?,
                index: device.index,
                name: device.name.clone(),
                link_type: device.link_type,
                is_loopback: device.is_loopback,
                is_bonded: device.is_bonded(&devices),
                is_card: device.is_card,
                kind: device.kind.clone(),
                master: device.master,
                lower: device.lower,
            })
        });
        found.collect()
    }

    /// Finds the filters of one device; none if it is gone.
    pub(super) fn find(
        self,
        index: u32,
        programs: Option<&[u32; 2]>,
    ) -> Result<FoundFilters, KernelError> {
        let [egress, ingress] = TcHook::ALL.map(|hook| {
            let program = programs.map(|programs| programs[hook as usize]);
            let found = self.assess(hook, &filters(index, hook)?, program);
            Ok(match found {
                FoundFilter::Current(mut before) => {
                    before.extend(tcx::programs(index, hook));
                    FoundFilter::Current(before)
                }
                other @ (FoundFilter::Missing | FoundFilter::Outdated | FoundFilter::Displaced) => {
                    other
                }
            })
        });
        Ok(FoundFilters {
            egress: egress?,
            ingress: ingress?,
        })
    }

    /// Returns the state of this instance's filter among all `filters` of one place, in the order in which they run.
    fn assess(self, hook: TcHook, filters: &[Filter], program: Option<u32>) -> FoundFilter {
        let own: Vec<_> = self.among(hook, filters).collect();
        let [filter] = own[..] else {
            return match own.is_empty() {
                true => FoundFilter::Missing,
                false => FoundFilter::Outdated,
            };
        };
        let its_program = filter.bpf.as_ref().and_then(|bpf| bpf.program);
        if program.is_none() || its_program != program {
            return FoundFilter::Outdated;
        }
        let before = filters.iter().take_while(|other| *other != filter);
        let before: Vec<_> = before.collect();
        let first = before.first().map(|first| first.priority);
        if first.is_some_and(|first| priority(filters) <= first) {
            return FoundFilter::Displaced;
        }
        FoundFilter::Current(before.into_iter().map(describe).collect())
    }

    /// Returns this instance's filters among `filters` of one place.
    pub(super) fn among(self, hook: TcHook, filters: &[Filter]) -> impl Iterator<Item = &Filter> {
        filters.iter().filter(move |filter| {
            let bpf = filter.bpf.as_ref();
            let is_named = bpf.is_some_and(|bpf| bpf.name == program_name(hook));
            is_named && self.handles.contains(&filter.handle)
        })
    }

    /// Returns the handle for a new filter at `priority`; `None` if both are in use.
    pub(super) fn free_handle(self, filters: &[Filter], priority: u16) -> Option<u32> {
        let is_used = |handle: &u32| {
            let mut filters = filters.iter();
            filters.any(|filter| filter.priority == priority && filter.handle == *handle)
        };
        self.handles.into_iter().find(|handle| !is_used(handle))
    }

    /// Deletes the filters at every device of this process's network namespace. Every one is tried; the first error is returned.
    ///
    /// # Errors
    /// If the kernel does not list them, or refuses.
    pub(crate) fn remove_all(self) -> Result<(), KernelError> {
        let found = devices()?.into_iter();
        let removed = found.map(|device| self.remove(device.index, &device.name));
        removed.fold(Ok(()), Result::and)
    }

    /// Deletes the filters at one device, which may be gone.
    ///
    /// # Errors
    /// As [`OwnFilters::remove_all`].
    pub(crate) fn remove(self, index: u32, name: &str) -> Result<(), KernelError> {
        let removed = TcHook::ALL.map(|hook| {
            let filters = filters(index, hook)?;
            let own = self.among(hook, &filters);
            let deleted = own.map(|filter| delete((index, name), hook, filter));
            deleted.fold(Ok(()), Result::and)
        });
        removed.into_iter().fold(Ok(()), Result::and)
    }
}

#[cfg(test)]
mod tests {
    use enforcer_common::layout::DEVICE_EGRESS;

    use super::super::order::{ALL_PROTOCOLS, KIND};
    use super::*;
    use crate::sys::BpfFilter;

    const OWN: OwnFilters = OwnFilters { handles: [8, 9] };
    const PROGRAM: u32 = 42;

    fn filter(priority: u16, handle: u32, name: &str, program: u32) -> Filter {
        Filter {
            priority,
            handle,
            protocol: ALL_PROTOCOLS,
            kind: KIND.to_owned(),
            bpf: Some(BpfFilter {
                name: name.to_owned(),
                program: Some(program),
                is_direct_action: true,
            }),
        }
    }

    fn own(priority: u16, handle: u32, program: u32) -> Filter {
        filter(priority, handle, DEVICE_EGRESS, program)
    }

    fn other(priority: u16) -> Filter {
        filter(priority, 1, "cil_to_netdev", 7)
    }

    fn classic(priority: u16) -> Filter {
        Filter {
            priority,
            handle: 1,
            protocol: 0x800,
            kind: "u32".to_owned(),
            bpf: None,
        }
    }

    fn found(filters: &[Filter]) -> FoundFilter {
        OWN.assess(TcHook::Egress, filters, Some(PROGRAM))
    }

    #[test]
    fn only_one_filter_with_the_program_of_this_start_is_current() {
        let current = FoundFilter::Current(Vec::new());
        assert_eq!(found(&[own(1, 8, PROGRAM), other(1)]), current);
        assert_eq!(found(&[other(1)]), FoundFilter::Missing);
        assert_eq!(found(&[own(1, 9, 41)]), FoundFilter::Outdated);
        let both = [own(1, 9, PROGRAM), own(1, 8, 41)];
        assert_eq!(found(&both), FoundFilter::Outdated);
        let unloaded = OWN.assess(TcHook::Egress, &[own(1, 8, PROGRAM)], None);
        assert_eq!(unloaded, FoundFilter::Outdated);
        let elsewhere = OWN.assess(TcHook::Ingress, &[own(1, 8, PROGRAM)], Some(PROGRAM));
        assert_eq!(elsewhere, FoundFilter::Missing);
        let foreign_handle = own(1, 7, PROGRAM);
        assert_eq!(found(&[foreign_handle]), FoundFilter::Missing);
    }

    #[test]
    fn a_filter_that_can_be_first_and_is_not_is_displaced() {
        for priority in [1, 2] {
            let behind = found(&[other(1), own(priority, 8, PROGRAM)]);
            assert_eq!(behind, FoundFilter::Displaced);
        }
        let behind = found(&[classic(1), own(2, 8, PROGRAM)]);
        let FoundFilter::Current(before) = behind else {
            panic!("{behind:?}");
        };
        assert_eq!(before, ["u32 filters (priority 1)"]);
        let displaced = found(&[classic(1), other(2), own(2, 8, PROGRAM)]);
        assert!(matches!(displaced, FoundFilter::Current(before) if before.len() == 2));
    }

    #[test]
    fn a_new_filter_has_the_first_priority_that_it_can_have_and_a_free_handle() {
        assert_eq!(priority(&[]), 1);
        assert_eq!(priority(&[other(1)]), 1);
        assert_eq!(priority(&[classic(1), classic(2), other(3)]), 3);
        assert_eq!(OWN.free_handle(&[own(1, 8, 1)], 1), Some(9));
        assert_eq!(OWN.free_handle(&[own(1, 8, 1), own(1, 9, 1)], 1), None);
        assert_eq!(OWN.free_handle(&[own(2, 8, 1)], 1), Some(8));
    }

    #[test]
    fn instances_have_different_handles() {
        let of = |base: &str| OwnFilters::of(Path::new(base)).handles;
        let handles = of("/sys/fs/bpf/egress-enforcer");
        assert_eq!(handles, of("/sys/fs/bpf/egress-enforcer"));
        assert_ne!(handles, of("/sys/fs/bpf/plant"));
        assert_eq!(handles[0] ^ handles[1], 1);
        assert!(handles.iter().all(|handle| handle >> 24 == 0x5e));
    }
}
