//! Whether the attached programs are those of this binary, by the kernel's digest of their instructions, and use the pinned maps.

use std::collections::BTreeMap;

use aya::maps::MapInfo;
use aya::programs::{ProgramInfo, loaded_programs};
use enforcer_common::layout::{MAPS, pin_name};

use super::Pins;
use super::attach::attached_programs;
use super::link::Attachment;
use super::object::rehearsed;
use crate::sys::KernelError;

/// Length of a map's name in the kernel: `BPF_OBJ_NAME_LEN` (linux/bpf.h) without the final NUL.
const NAME_LENGTH: usize = 15;

/// A program that an instance attaches, compared with the one in this binary.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ComparedProgram {
    /// Its name, that of the hook for those that judge.
    pub(crate) name: &'static str,
    /// The kernel's tag of the program in this binary: the begin of a digest of its instructions without addresses of maps.
    pub(crate) own: u64,
    /// The attached program; `None` if none is attached by a pinned link.
    pub(crate) attached: Option<AttachedProgram>,
}

/// A program that a pinned link attaches.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct AttachedProgram {
    /// Id of the cgroup.
    pub(crate) cgroup: u64,
    /// The kernel's tag.
    pub(crate) tag: u64,
    /// Maps that it has other ones of than the pinned ones, so that the policy in these is not what it judges by.
    pub(crate) foreign_maps: Vec<&'static str>,
}

/// A program of this binary.
struct OwnProgram {
    name: &'static str,
    tag: u64,
    /// The maps that it uses and that are pinned.
    maps: Vec<&'static str>,
}

impl Pins {
    /// Loads this binary's programs without attaching or keeping them, and compares them with the attached ones.
    ///
    /// # Errors
    /// As `Kernel::rehearse`, or if a map cannot be inspected.
    pub(crate) fn compare_programs(&self) -> Result<Vec<ComparedProgram>, KernelError> {
        let own = own_programs()?;
        let pinned = self.map_ids()?;
        // Programs of others end while they are listed.
        let loaded = loaded_programs().filter_map(Result::ok);
        let loaded: BTreeMap<u32, ProgramInfo> = loaded.map(|info| (info.id(), info)).collect();
        let compare = |own: OwnProgram| {
            let attachment = Attachment::pinned(&self.link(own.name)).ok();
            let attachment = attachment.filter(|found| found.cgroup != 0);
            let attached = attachment.and_then(|found| {
                let info = loaded.get(&found.program)?;
                Some((found.cgroup, info))
            });
            let attached = attached.map(|(cgroup, info)| {
                Ok(AttachedProgram {
                    cgroup,
                    tag: info.tag(),
                    foreign_maps: foreign_maps(&own, &pinned, &map_ids(own.name, info)?),
                })
            });
            Ok(ComparedProgram {
                name: own.name,
                own: own.tag,
                attached: attached.transpose()?,
            })
        };
        own.into_iter().map(compare).collect()
    }

    /// Returns the id of each pinned map that the kernel calls as its pin.
    fn map_ids(&self) -> Result<BTreeMap<&'static str, u32>, KernelError> {
        let mut ids = BTreeMap::new();
        for name in MAPS {
            let info = MapInfo::from_pin(self.map(name));
            let info = info.map_err(KernelError::failed(format!("inspect the map {name}")))?;
            // The maps of maps have no name (`map_of_maps::prepare`).
            if info.name().is_empty() || is_named(name, info.name()) {
                ids.insert(name, info.id());
            }
        }
        Ok(ids)
    }
}

/// Returns the programs of this binary that are attached.
fn own_programs() -> Result<Vec<OwnProgram>, KernelError> {
    let programs = rehearsed()?;
    let own = |name: &'static str| {
        let program = programs.program(name).ok_or(KernelError::NoProgram)?;
        let info = program.info();
        let info = info.map_err(KernelError::failed(format!("inspect the program {name}")))?;
        let mut maps = Vec::new();
        for id in map_ids(name, &info)? {
            let what = format!("inspect a map of the program {name}");
            let map = MapInfo::from_id(id).map_err(KernelError::failed(what))?;
            maps.extend(MAPS.into_iter().find(|known| is_named(known, map.name())));
        }
        Ok(OwnProgram {
            name,
            tag: info.tag(),
            maps,
        })
    };
    attached_programs().map(own).collect()
}

/// Whether the kernel calls a map so, or as an earlier version did that this one has it from.
fn is_named(map: &str, name: &[u8]) -> bool {
    [map, pin_name(map)].into_iter().any(|known| {
        let shown = known.as_bytes().get(..NAME_LENGTH);
        shown.unwrap_or(known.as_bytes()) == name
    })
}

fn map_ids(program: &str, info: &ProgramInfo) -> Result<Vec<u32>, KernelError> {
    let what = format!("list the maps of the program {program}");
    let ids = info.map_ids().map_err(KernelError::failed(what))?;
    Ok(ids.unwrap_or_default())
}

/// Returns the maps of `own` whose pinned ones are not among those of the attached program.
fn foreign_maps(
    own: &OwnProgram,
    pinned: &BTreeMap<&'static str, u32>,
    attached: &[u32],
) -> Vec<&'static str> {
    let is_pinned = |map: &&&str| {
        let id = pinned.get(**map);
        id.is_some_and(|id| attached.contains(id))
    };
    let maps = own.maps.iter();
    maps.filter(|map| !is_pinned(map)).copied().collect()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn a_map_that_is_not_the_pinned_one_is_foreign() {
        let own = OwnProgram {
            name: "egress",
            tag: 7,
            maps: vec!["SETTINGS", "ALLOWED"],
        };
        let pinned = [("SETTINGS", 1), ("ALLOWED", 2), ("EVENTS", 3)].into();
        assert_eq!(foreign_maps(&own, &pinned, &[9, 2, 1]), [""; 0]);
        assert_eq!(foreign_maps(&own, &pinned, &[9, 3, 1]), ["ALLOWED"]);
        assert_eq!(foreign_maps(&own, &BTreeMap::new(), &[1, 2]), own.maps);
    }

    #[test]
    fn the_kernels_names_of_maps_differ() {
        let names: BTreeSet<_> = MAPS
            .iter()
            .map(|map| &map[..map.len().min(NAME_LENGTH)])
            .collect();
        assert_eq!(names.len(), MAPS.len());
        assert!(is_named("EXCEPTION_CGROUPS", b"EXCEPTION_CGROU"));
        assert!(!is_named("EVENTS", b"EVENT"));
        assert!(is_named("FLOWS", b"FLOWS") && is_named("FLOWS", b"HANDSHAKES_2"));
    }
}
