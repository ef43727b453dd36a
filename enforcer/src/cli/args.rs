//! Arguments of the command line.

mod console;
mod evidence;
mod selection;

use std::path::PathBuf;

use clap::{ArgAction, Args, Parser, Subcommand, ValueEnum};
use clap_complete::Shell;
use serde::Serialize;

pub(super) use self::console::{ConsoleCommand, ReportArgs, ReportPeriod, TopArgs};
pub(super) use self::evidence::{CheckArgs, OutputArgs, ProveArgs};
pub(super) use self::selection::{SelectionArgs, Since};
use crate::config::Cloud;
use crate::doctor::registry::Image;
use crate::name::Name;

/// The configuration file, unless `--config` names another.
pub(super) const DEFAULT_CONFIG: &str = "/etc/egress-enforcer/config.toml";

/// Allows this host to reach the configured Azure container registries, and denies every other registry and storage account.
#[derive(Debug, Parser)]
#[command(
    name = "egress-enforcer",
    version = crate::VERSION,
    after_help = "Exit codes: 0 success; 1 the answer is no (denied, invalid, a check failed, not enforcing); 2 the command failed."
)]
pub(super) struct Arguments {
    /// The configuration file [default: /etc/egress-enforcer/config.toml]
    #[arg(long, global = true, value_name = "FILE")]
    pub(super) config: Option<PathBuf>,
    #[command(subcommand)]
    pub(super) command: Command,
}

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Load the policy, enforce it, and keep it up to date
    Run(RunArgs),
    /// Validate the configuration as `run` would, and print the plan
    ///
    /// With --diff, prints instead what it would change of the policy in force: what becomes weaker, what stricter, and which past denials it would
    /// allow. Exit code 1: it is invalid, or something becomes weaker.
    Check(CheckArgs),
    /// Show whether the policy is in force, and what it allows
    Status(OutputArgs),
    /// Show whether a destination is reachable, and why
    ///
    /// The loaded kernel program evaluates the destination on the live maps. In audit mode the verdict is that of
    /// the rule, and the output says that audit mode allows it.
    Explain(ExplainArgs),
    /// Print denials and changes, or sums of denials
    Events(EventsArgs),
    /// Print the registries and exceptions that would allow what audit mode reported
    ///
    /// The output is a fragment of the configuration, with a comment on each part: attempts, processes, units and destinations. Reasons and ends of
    /// exceptions are left to you.
    Suggest(SuggestArgs),
    /// Print the metrics as Prometheus text, for a textfile collector
    Metrics,
    /// Print each registry with its names and addresses
    Endpoints(OutputArgs),
    /// Show or update the protected service tags
    #[command(subcommand)]
    Tags(TagsCommand),
    /// Check this host or, with --registry, a registry
    ///
    /// Without --registry, checks whether this host has what the enforcer needs.
    ///
    /// With --registry, checks the names and the login server of the registry and, with --image, whether its blobs come from a dedicated data
    /// endpoint or from a shared storage account. A failed check names the commands to run, in order. With --image, exit code 0: pulls keep
    /// working once you enforce.
    Doctor(DoctorArgs),
    /// Try what must be refused and what must pass, and compare what is loaded with the policy
    ///
    /// Makes real attempts at storage accounts, other registries and another server name, from a cgroup of its own and, where they need no peer, from a
    /// network namespace that nothing leaves. They carry no data of this host. Exit code 0: every attempt that was made had the required result;
    /// in audit mode nothing is refused, so the exit code is 1. Needs root.
    Prove(ProveArgs),
    #[command(flatten)]
    Console(ConsoleCommand),
    /// Print what a developer needs to know about a problem, as one JSON document without secrets
    ///
    /// Version, kernel, what the configuration protects and allows, checks of `doctor`, status, the last 200 events and metrics. It names registries,
    /// processes and addresses: read it before you pass it on.
    Bugreport,
    /// End enforcement and remove everything that is loaded
    Unload(UnloadArgs),
    /// Print a completion script for a shell
    #[command(hide = true)]
    Completions {
        /// The shell
        shell: Shell,
    },
}

#[derive(Clone, Copy, Debug, Args)]
pub(super) struct UnloadArgs {
    /// Remove the filters of network devices only, before a version from before them takes over from a daemon that does not run
    #[arg(long)]
    pub(super) devices: bool,
    #[command(flatten)]
    pub(super) output: OutputArgs,
}

#[derive(Debug, Args)]
pub(super) struct RunArgs {
    /// Decide and report everything, drop nothing
    #[arg(long)]
    pub(super) audit: bool,
    /// Enforce for this cgroup and its descendants [default: `scope` of the configuration, or the cgroup v2 root]
    #[arg(long, value_name = "CGROUP")]
    pub(super) scope: Option<PathBuf>,
    /// End enforcement when this process ends
    #[arg(long)]
    pub(super) ephemeral: bool,
    /// Allow this registry, without a configuration file; needs --ephemeral
    #[arg(long, value_name = "NAME")]
    pub(super) registry: Vec<Name>,
    /// A region in which the registries have replicas
    #[arg(long, value_name = "REGION", requires = "registry")]
    pub(super) region: Vec<String>,
    /// The full name of a data endpoint or regional endpoint of the registries
    #[arg(long, value_name = "NAME", requires = "registry")]
    pub(super) data_endpoint: Vec<Name>,
    /// Log more; twice for everything
    #[arg(short, long, action = ArgAction::Count)]
    pub(super) verbose: u8,
}

#[derive(Debug, Args)]
pub(super) struct ExplainArgs {
    /// An address or a name, with a port or as an https URL; a name means a TLS connection with that server name
    #[arg(value_name = "DEST", required_unless_present_any = ["event", "last"])]
    pub(super) destination: Option<String>,
    /// Explain the denial with this number in `events`, on the maps of now
    #[arg(long, value_name = "SEQ", conflicts_with_all = ["destination", "port", "proto", "unit", "cgroup", "sni", "trace"])]
    pub(super) event: Option<u64>,
    /// Explain the last denial, on the maps of now
    #[arg(long, conflicts_with_all = ["event", "destination", "port", "proto", "unit", "cgroup", "sni", "trace"])]
    pub(super) last: bool,
    /// The destination port [default: the one in DEST, or 443]
    #[arg(long)]
    pub(super) port: Option<u16>,
    /// The protocol
    #[arg(long, value_enum, default_value_t = Protocol::Tcp)]
    pub(super) proto: Protocol,
    /// Evaluate for this systemd unit, with its exceptions
    #[arg(long)]
    pub(super) unit: Option<String>,
    /// Evaluate for this cgroup: a path below the cgroup v2 root, or its directory
    #[arg(long, value_name = "PATH", conflicts_with = "unit")]
    pub(super) cgroup: Option<PathBuf>,
    /// The server name of the TLS handshake [default: DEST]; empty for none
    #[arg(long, value_name = "NAME")]
    pub(super) sni: Option<String>,
    /// Print each step of the decision, as logged by a program that is loaded for this command only
    #[arg(long, conflicts_with_all = ["unit", "cgroup"])]
    pub(super) trace: bool,
    #[command(flatten)]
    pub(super) output: OutputArgs,
}

#[derive(Debug, Args)]
pub(super) struct DoctorArgs {
    #[command(flatten)]
    pub(super) registry: RegistryArgs,
    #[command(flatten)]
    pub(super) output: OutputArgs,
}

#[derive(Debug, Args)]
pub(super) struct RegistryArgs {
    /// Check this registry (its login server or name) instead of this host
    #[arg(long, value_name = "NAME")]
    pub(super) registry: Option<String>,
    /// An image in the registry, to check where its blobs come from; nothing is stored
    #[arg(long, value_name = "REPO[:TAG]", requires = "registry")]
    pub(super) image: Option<Image>,
    /// The user name for the registry's token server; without one, no credentials are sent
    #[arg(long, value_name = "USER", requires = "image", requires = "password")]
    pub(super) username: Option<String>,
    /// Read the user's password from standard input
    #[arg(long, group = "password", requires = "username")]
    pub(super) password_stdin: bool,
    /// Read the user's password from this file
    #[arg(long, value_name = "FILE", group = "password", requires = "username")]
    pub(super) password_file: Option<PathBuf>,
}

/// The protocol of a connection to explain.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub(super) enum Protocol {
    /// TCP.
    Tcp,
    /// UDP.
    Udp,
    /// ICMP, without a port.
    Icmp,
}

#[derive(Debug, Args)]
pub(super) struct EventsArgs {
    #[command(subcommand)]
    pub(super) command: Option<EventsCommand>,
    /// Keep printing events as they happen, also after a restart of the daemon
    #[arg(long)]
    pub(super) follow: bool,
    #[command(flatten)]
    pub(super) selection: SelectionArgs,
    /// Print times in UTC instead of this host's time zone
    #[arg(long, global = true)]
    pub(super) utc: bool,
    /// Print JSON: one document, or with --follow one per line
    #[arg(long, global = true)]
    pub(super) json: bool,
}

#[derive(Debug, Args)]
pub(super) struct SuggestArgs {
    /// Include what was denied, not only what audit mode let pass
    #[arg(long)]
    pub(super) denied: bool,
    #[command(flatten)]
    pub(super) selection: SelectionArgs,
    /// Print one JSON document
    #[arg(long)]
    pub(super) json: bool,
}

#[derive(Clone, Debug, Subcommand)]
pub(super) enum EventsCommand {
    /// Sum up the denials by unit, process, destination, name and reason, the most frequent first
    Top {
        /// Number of sums
        #[arg(long, short = 'n', value_name = "NUMBER", default_value_t = 20)]
        limit: usize,
    },
    /// Check that nobody changed the event log: each line has the hash of the one before
    ///
    /// Reads the files, so it needs root. Exit code 1: lines were changed or removed. Lines removed at the end show only by a hash that was kept
    /// elsewhere: the daemon logs it to the journal at each start and stop, and `prove` has it on its page.
    Verify {
        /// The directory of the log [default: events below paths.state]
        #[arg(value_name = "DIR")]
        directory: Option<PathBuf>,
    },
}

#[derive(Debug, Subcommand)]
pub(super) enum TagsCommand {
    /// Print the protected set in force and its source
    Show(OutputArgs),
    /// Write a newer service-tags file to protect.service-tags
    Import {
        /// The published file
        file: PathBuf,
        /// Import a file even where it is older or lacks prefixes
        #[arg(long)]
        force: bool,
        #[command(flatten)]
        output: OutputArgs,
    },
    /// Generate the bundle for a build from a published file
    #[command(hide = true)]
    Bundle {
        /// The published file
        file: PathBuf,
        /// Its cloud: public, us-government or china
        #[arg(long, value_parser = cloud)]
        cloud: Cloud,
        /// The true change number may be higher than the file's
        #[arg(long)]
        change_number_is_lower_bound: bool,
    },
}

fn cloud(text: &str) -> Result<Cloud, String> {
    let named = Cloud::ALL.into_iter().find(|cloud| cloud.name() == text);
    named.ok_or_else(|| "write public, us-government or china".to_owned())
}

#[cfg(test)]
mod tests;
