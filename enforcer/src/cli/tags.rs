//! `tags`.
use anyhow::{Result, bail};

use super::args::TagsCommand;
use super::exit::Exit;
use super::places::Places;

pub(super) fn tags(_places: &Places, _command: TagsCommand) -> Result<Exit> {
    bail!("not built yet")
}
