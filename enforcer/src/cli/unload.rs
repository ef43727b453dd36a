//! `unload`: the one way to end enforcement that outlives its daemon.

use anyhow::{Result, bail};
use serde::Serialize;

use super::args::OutputArgs;
use super::config_file::ConfigFile;
use super::exit::Exit;
use super::printer::Printer;
use crate::bpf::{PinLock, Pins};
use crate::sys::KernelError;

/// Removes the links, so that nothing is judged any more, and then all else that is pinned.
pub(super) fn unload(config: &ConfigFile, output: OutputArgs) -> Result<Exit> {
    let pins = Pins::new(&config.paths()?.pins);
    let outcome = if pins.exist()? {
        let _lock = lock(&pins)?;
        let enforced = pins.any_judge()?;
        pins.remove()?;
        if enforced {
            Outcome::ENDED
        } else {
            Outcome::CLEARED
        }
    } else {
        Outcome::NOTHING
    };
    Printer::stdout(output.json).report(&outcome)?;
    Ok(Exit::Done)
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
struct Outcome {
    ended: bool,
    sentence: &'static str,
}

impl Outcome {
    const ENDED: Self = Self {
        ended: true,
        sentence: "enforcement has ended: nothing is judged or dropped any more",
    };
    const CLEARED: Self = Self {
        ended: false,
        sentence: "nothing was enforced; what a former run left is removed",
    };
    const NOTHING: Self = Self {
        ended: false,
        sentence: "nothing was enforced; nothing is loaded",
    };
}

impl std::fmt::Display for Outcome {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        writeln!(formatter, "{}", self.sentence)
    }
}
