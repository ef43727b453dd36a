//! `unload`.
use anyhow::{Result, bail};

use super::args::OutputArgs;
use super::exit::Exit;
use super::places::Places;

pub(super) fn unload(_places: &Places, _output: OutputArgs) -> Result<Exit> {
    bail!("not built yet")
}
