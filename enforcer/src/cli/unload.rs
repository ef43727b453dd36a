//! `unload`: ends enforcement, also where no daemon runs.

use anyhow::{Result, bail};
use serde::Serialize;

use super::args::UnloadArgs;
use super::config_file::ConfigFile;
use super::exit::Exit;
use super::printer::Printer;
use crate::bpf::{OwnFilters, PinLock, Pins};
use crate::sys::KernelError;

/// Removes the links, which ends enforcement, and then everything else that is pinned; or the filters of network devices only.
pub(super) fn unload(config: &ConfigFile, args: UnloadArgs) -> Result<Exit> {
    let pins = Pins::new(&config.paths()?.pins);
    let is_pinned = pins.exist()?;
    // Pins that are gone have no daemon either.
    let _lock = is_pinned.then(|| lock(&pins)).transpose()?;
    let result = match (args.devices, is_pinned) {
        (false, true) => unload_all(&pins)?,
        (true, true) if remove_filters(&pins)? => UnloadResult::SOCKETS,
        (true, true) => UnloadResult::NO_FILTERS,
        (_, false) if remove_filters(&pins)? => UnloadResult::ENDED,
        (_, false) => UnloadResult::NOTHING,
    };
    Printer::stdout(args.output.json).report(&result)?;
    Ok(Exit::Done)
}

fn unload_all(pins: &Pins) -> Result<UnloadResult> {
    let enforced = pins.any_judge()?;
    pins.remove()?;
    Ok(match enforced {
        true => UnloadResult::ENDED,
        false => UnloadResult::CLEARED,
    })
}

/// Deletes the filters of network devices, which outlive removed pins; returns whether there were any.
fn remove_filters(pins: &Pins) -> Result<bool> {
    let own = OwnFilters::of(pins.base());
    let mut found = own.list(None)?.into_iter();
    let are_any = found.any(|device| device.filters.are_any());
    if are_any {
        own.remove_all()?;
    }
    Ok(are_any)
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

/// What `unload` did.
#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub(super) struct UnloadResult {
    /// Whether something was in force, and is no more.
    ended: bool,
    /// The same in one sentence.
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
    const SOCKETS: Self = Self {
        ended: false,
        sentence: "the filters of network devices are removed; sockets are judged as before",
    };
    const NO_FILTERS: Self = Self {
        ended: false,
        sentence: "no network device has a filter; sockets are judged as before",
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
