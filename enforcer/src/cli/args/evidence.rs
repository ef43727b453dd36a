//! Arguments of `check` and `prove`.

use std::path::PathBuf;

use clap::Args;

use super::selection::Since;

#[derive(Clone, Copy, Debug, Args)]
pub(in crate::cli) struct OutputArgs {
    /// Print one JSON document
    #[arg(long)]
    pub(in crate::cli) json: bool,
}

#[derive(Debug, Args)]
pub(in crate::cli) struct CheckArgs {
    /// Compare this file, or without one the configuration file, with the policy that the daemon enforces
    #[arg(long, value_name = "FILE")]
    pub(in crate::cli) diff: Option<Option<PathBuf>>,
    /// With --diff, apply the file to events after the one with this number, or from this time on: 5m ago, or 2026-11-30T09:00
    #[arg(long, value_name = "SEQ|TIME", requires = "diff")]
    pub(in crate::cli) since: Option<Since>,
    #[command(flatten)]
    pub(in crate::cli) output: OutputArgs,
}

#[derive(Debug, Args)]
pub(in crate::cli) struct ProveArgs {
    /// Also write the result as an HTML page that needs no script and loads nothing
    #[arg(long, value_name = "FILE")]
    pub(in crate::cli) html: Option<PathBuf>,
    /// Sign the page with this Ed25519 key, made by `minisign -G -W` or `openssl genpkey -algorithm ed25519`; the signature is written beside it
    #[arg(long, value_name = "KEY", requires = "html")]
    pub(in crate::cli) sign: Option<PathBuf>,
    #[command(flatten)]
    pub(in crate::cli) output: OutputArgs,
}
