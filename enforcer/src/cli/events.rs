//! `events`.
use anyhow::{Result, bail};

use super::args::EventsArgs;
use super::exit::Exit;
use super::places::Places;

pub(super) fn events(_places: &Places, _args: &EventsArgs) -> Result<Exit> {
    bail!("not built yet")
}
