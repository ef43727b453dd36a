//! `explain`.
use anyhow::{Result, bail};

use super::args::ExplainArgs;
use super::exit::Exit;
use super::places::Places;

pub(super) fn explain(_places: &Places, _args: ExplainArgs) -> Result<Exit> {
    bail!("not built yet")
}
