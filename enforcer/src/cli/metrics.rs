//! `metrics`: prints the page of metrics, for the textfile collector of Prometheus' node exporter.

use anyhow::Result;

use super::config_file::ConfigFile;
use super::daemon_client::wait_for;
use super::exit::Exit;
use super::printer::Printer;
use crate::control::{client, prometheus_text};

/// Prints the daemon's metrics as Prometheus text.
pub(super) fn metrics(config: &ConfigFile) -> Result<Exit> {
    let runtime = config.paths()?.runtime;
    let page = wait_for(client::get_text(&runtime, "/metrics"))??;
    Printer::stdout(false).raw(&prometheus_text(&page))?;
    Ok(Exit::Done)
}
