//! The maps of a loaded program.

use std::os::fd::AsRawFd as _;

use anyhow::{Context as _, Result};

use super::{Program, by_id, call, pointer, program::INFO_BY_FD};

const MAP_BY_ID: libc::c_int = 14;
/// More maps than a program here has.
const MAX_MAPS: u32 = 64;

impl Program {
    /// Returns the names of its maps, each at most 15 bytes.
    ///
    /// # Errors
    /// When the kernel refuses.
    pub fn maps(&self) -> Result<Vec<String>> {
        self.map_ids()?.into_iter().map(map_name).collect()
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

fn map_name(id: u32) -> Result<String> {
    let map = by_id(MAP_BY_ID, id).context("open a map")?;
    // The beginning of `struct bpf_map_info`: `name` is its words 6 to 9.
    let mut info = [0_u32; 10];
    let mut attributes = (
        map.as_raw_fd(),
        40_u32,
        pointer(info.as_mut_ptr().cast_const()),
    );
    call(INFO_BY_FD, &mut attributes).context("get a map's information")?;
    let name: Vec<u8> = info[6..10]
        .iter()
        .flat_map(|word| word.to_ne_bytes())
        .take_while(|byte| *byte != 0)
        .collect();
    Ok(String::from_utf8_lossy(&name).into_owned())
}
