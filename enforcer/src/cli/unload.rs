//! `unload`: ends enforcement, also where no daemon runs.

use anyhow::{Result, bail};
use serde::Serialize;

use super::args::OutputArgs;
use super::config_file::ConfigFile;
use super::exit::Exit;
use super::printer::Printer;
use crate::bpf::{OwnFilters, PinLock, Pins};
use crate::sys::KernelError;

/// Removes the links, which ends enforcement, and then everything else that is pinned.
pub(super) fn unload(config: &ConfigFile, output: OutputArgs) -> Result<Exit> {
    let pins = Pins::new(&config.paths()?.pins);
    let result = if pins.exist()? {
        let _lock = lock(&pins)?;
        let enforced = pins.any_judge()?;
        pins.remove()?;
        if enforced {
            UnloadResult::ENDED
        } else {
            UnloadResult::CLEARED
        }
    } else {
        unload_filters(&pins)?
    };
    Printer::stdout(output.json).report(&result)?;
    Ok(Exit::Done)
}

/// Deletes the filters of network devices where nothing is pinned: they outlive removed pins.
fn unload_filters(pins: &Pins) -> Result<UnloadResult> {
    let own = OwnFilters::of(pins.base());
    let mut found = own.list(None)?.into_iter();
    if !found.any(|device| device.filters.are_any()) {
        return Ok(UnloadResult::NOTHING);
    }
    own.remove_all()?;
    Ok(UnloadResult::ENDED)
}

fn lock(pins: &Pins) -> Result<PinLock> {
    match pins.prepare() {
        Err(KernelError::Locked { path }) => bail!(
            "the daemon runs with the pins in {}: stop it first (systemctl stop egress-enforcer, or Ctrl-C where it runs)",
            path.display()
        ),
        prepared => Ok(prepared?),
    }
}

#[derive(Serialize)]
#[serde(rename_all = "kebab-case")]
struct UnloadResult {
    ended: bool,
    sentence: &'static str,
}

impl UnloadResult {
    const ENDED: Self = Self {
        ended: true,
        sentence: "enforcement has ended: nothing is dropped any more",
    };
    const CLEARED: Self = Self {
        ended: false,
        sentence: "nothing was enforced; removed what an earlier run left behind",
    };
    const NOTHING: Self = Self {
        ended: false,
        sentence: "nothing was enforced; nothing is loaded",
    };
}

impl std::fmt::Display for UnloadResult {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        writeln!(formatter, "{}", self.sentence)
    }
}
