//! Arguments of the commands of the second program.

use std::num::NonZeroU64;
use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum, value_parser};

use super::evidence::OutputArgs;

/// Commands for people, which `egress-enforcer-console` performs.
#[derive(Debug, Subcommand)]
pub(in crate::cli) enum ConsoleCommand {
    /// Sum up the last day or week: what was refused, by whom, where to, what changed and what ages
    ///
    /// As far as the event log still has the events.
    Report(ReportArgs),
    /// Watch the state, the denials of the last minutes by unit and destination, and the names with their addresses
    ///
    /// Fills the terminal until q is pressed; Enter shows the exception for a denial. Where the output is no terminal, prints text once.
    Top(TopArgs),
}

#[derive(Debug, Args)]
pub(in crate::cli) struct ReportArgs {
    /// The period
    #[arg(long, value_enum, default_value_t = ReportPeriod::Day)]
    pub(in crate::cli) period: ReportPeriod,
    /// Also write the report as an HTML page that needs no script and loads nothing
    #[arg(long, value_name = "FILE")]
    pub(in crate::cli) html: Option<PathBuf>,
    #[command(flatten)]
    pub(in crate::cli) output: OutputArgs,
}

/// The period of a report.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(in crate::cli) enum ReportPeriod {
    Day,
    Week,
}

#[derive(Debug, Args)]
pub(in crate::cli) struct TopArgs {
    /// Seconds between two updates
    #[arg(long, short = 'd', value_name = "SECONDS", default_value_t = 2, value_parser = value_parser!(u64).range(1..=3600))]
    pub(in crate::cli) interval: u64,
    /// Show only denials and names that contain this text, in upper or lower case
    #[arg(
        long,
        value_name = "TEXT",
        default_value = "",
        hide_default_value = true
    )]
    pub(in crate::cli) filter: String,
    /// Print text this many times instead of filling the terminal
    #[arg(long, short = 'n', value_name = "NUMBER")]
    pub(in crate::cli) iterations: Option<NonZeroU64>,
    /// Print times in UTC instead of this host's time zone
    #[arg(long)]
    pub(in crate::cli) utc: bool,
    /// Print JSON, with --iterations one document per line
    #[arg(long)]
    pub(in crate::cli) json: bool,
}
