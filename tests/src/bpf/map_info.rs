//! The kernel's information on a map.

use std::os::fd::RawFd;

use anyhow::{Context as _, Result};

use super::{call, pointer, program::INFO_BY_FD};

/// Types of maps with a value for each processor: `BPF_MAP_TYPE_PERCPU_HASH`, `PERCPU_ARRAY`, `LRU_PERCPU_HASH`.
const PER_PROCESSOR: [u32; 3] = [5, 6, 10];
const ARRAY_OF_MAPS: u32 = 12;

/// Information on a map (`struct bpf_map_info`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MapInfo {
    kind: u32,
    /// Its id.
    pub id: u32,
    /// Its name, at most 15 bytes.
    pub name: String,
}

impl MapInfo {
    pub(super) fn of(map: RawFd) -> Result<Self> {
        let mut info = [0_u32; 10];
        let mut attributes = (map, 40_u32, pointer(info.as_mut_ptr().cast_const()));
        call(INFO_BY_FD, &mut attributes).context("get a map's information")?;
        let name: Vec<u8> = info[6..10]
            .iter()
            .flat_map(|word| word.to_ne_bytes())
            .take_while(|byte| *byte != 0)
            .collect();
        Ok(Self {
            kind: info[0],
            id: info[1],
            name: String::from_utf8_lossy(&name).into_owned(),
        })
    }

    /// Whether it has a value for each processor.
    #[must_use]
    pub fn is_per_processor(&self) -> bool {
        PER_PROCESSOR.contains(&self.kind)
    }

    /// Whether its values are maps.
    #[must_use]
    pub fn has_inner_maps(&self) -> bool {
        self.kind == ARRAY_OF_MAPS
    }
}
