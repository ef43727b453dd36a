//! Loaded programs by their names, and their maps.

use std::os::fd::AsRawFd as _;

use anyhow::{Context as _, Result, bail};

use super::{Map, Program, call, pointer, program::INFO_BY_FD};

/// More maps than a program here has.
const MAX_MAPS: u32 = 64;

/// Bytes that the kernel keeps of a program's name.
const NAME_BYTES: usize = 15;

impl Program {
    /// Opens the most recently loaded program of this name that uses one of the maps with these ids: those of other instances on the machine use others.
    ///
    /// # Errors
    /// When there is none.
    pub(super) fn newest(name: &str, maps: &[u32]) -> Result<Self> {
        let kept = name.get(..NAME_BYTES).unwrap_or(name);
        for id in Self::ids()?.into_iter().rev() {
            // Another process may have unloaded it.
            let Ok(program) = Self::by_id(id) else {
                continue;
            };
            let is_own = |id: &u32| maps.contains(id);
            if program.info()?.name == kept && program.map_ids()?.iter().any(is_own) {
                return Ok(program);
            }
        }
        bail!("no program {name} is loaded over these maps")
    }

    /// Returns its maps.
    ///
    /// # Errors
    /// When the kernel refuses.
    pub fn maps(&self) -> Result<Vec<Map>> {
        self.map_ids()?.into_iter().map(Map::by_id).collect()
    }

    /// Returns the ids of its maps.
    ///
    /// # Errors
    /// When the kernel refuses.
    pub fn map_ids(&self) -> Result<Vec<u32>> {
        let mut ids = [0_u32; MAX_MAPS as usize];
        // The beginning of `struct bpf_prog_info`: `nr_map_ids` and `map_ids` are its words 13 to 15.
        let mut info = [0_u32; 20];
        info[13] = MAX_MAPS;
        let place = pointer(ids.as_mut_ptr().cast_const());
        info[14] = u32::try_from(place & u64::from(u32::MAX))?;
        info[15] = u32::try_from(place >> 32)?;
        let mut attributes = (
            self.0.as_raw_fd(),
            80_u32,
            pointer(info.as_mut_ptr().cast_const()),
        );
        call(INFO_BY_FD, &mut attributes).context("get a program's maps")?;
        let number = usize::try_from(info[13])?;
        Ok(ids.iter().take(number).copied().collect())
    }
}
