//! What can be written on the command line.

use std::path::PathBuf;

use clap::{ArgAction, Args, Parser, Subcommand, ValueEnum};
use clap_complete::Shell;
use serde::Serialize;

use crate::config::Cloud;
use crate::doctor::registry::Image;
use crate::name::Name;

/// Where the configuration is unless `--config` names another file.
pub(super) const DEFAULT_CONFIG: &str = "/etc/egress-enforcer/config.toml";

/// Keeps the Azure registries that are named reachable from this host, and every other registry and storage account not.
#[derive(Debug, Parser)]
#[command(
    name = "egress-enforcer",
    version = crate::VERSION,
    after_help = "Exit codes: 0 done, 1 the answer is no (denied, invalid, unfit, not enforcing), 2 it could not be done."
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
    /// Load the policy, enforce it, and follow names and files
    Run(RunArgs),
    /// Validate the configuration as `run` would, and print the plan
    Check(OutputArgs),
    /// Tell whether the policy is in force, and what it opens
    Status(OutputArgs),
    /// Say whether a destination is reachable, and why
    ///
    /// The loaded kernel program answers, on the live maps. In audit mode the verdict is that of the rule, and the
    /// answer says that audit lets it pass.
    Explain(ExplainArgs),
    /// Print denials
    Events(EventsArgs),
    /// Print every registry with its names and addresses
    Endpoints(OutputArgs),
    /// The service tags that are closed
    #[command(subcommand)]
    Tags(TagsCommand),
    /// Tell whether this machine has what is needed
    ///
    /// With --registry, tell instead where that registry stands with dedicated data endpoints: its names, its login server and, with --image,
    /// whether its blobs come from a dedicated data endpoint or from a shared storage account, and then what to run in which order.
    Doctor(DoctorArgs),
    /// End enforcement and remove all that is loaded
    Unload(OutputArgs),
    /// Print a completion script for a shell
    #[command(hide = true)]
    Completions {
        /// The shell
        shell: Shell,
    },
}

#[derive(Clone, Copy, Debug, Args)]
pub(super) struct OutputArgs {
    /// Print one JSON document
    #[arg(long)]
    pub(super) json: bool,
}

#[derive(Debug, Args)]
pub(super) struct RunArgs {
    /// Decide and report everything, drop nothing
    #[arg(long)]
    pub(super) audit: bool,
    /// Judge this cgroup and all below it [default: `scope` of the configuration, or the cgroup v2 root]
    #[arg(long, value_name = "CGROUP")]
    pub(super) scope: Option<PathBuf>,
    /// End enforcement when this process ends
    #[arg(long)]
    pub(super) ephemeral: bool,
    /// Keep this registry reachable, without a configuration file; needs --ephemeral
    #[arg(long, value_name = "NAME")]
    pub(super) registry: Vec<Name>,
    /// A region in which the registries have replicas
    #[arg(long, value_name = "REGION", requires = "registry")]
    pub(super) region: Vec<String>,
    /// A whole name of a data endpoint or regional endpoint of the registries
    #[arg(long, value_name = "NAME", requires = "registry")]
    pub(super) data_endpoint: Vec<Name>,
    /// Log more; twice for everything
    #[arg(short, long, action = ArgAction::Count)]
    pub(super) verbose: u8,
}

#[derive(Debug, Args)]
pub(super) struct ExplainArgs {
    /// An address, or a name: then a TLS connection for that name; with a port, or as an https URL
    #[arg(value_name = "DEST")]
    pub(super) destination: String,
    /// The destination port [default: the one in DEST, or 443]
    #[arg(long)]
    pub(super) port: Option<u16>,
    /// The protocol
    #[arg(long, value_enum, default_value_t = Protocol::Tcp)]
    pub(super) proto: Protocol,
    /// Judge as for this systemd unit, with its exceptions
    #[arg(long)]
    pub(super) unit: Option<String>,
    /// Judge as for this cgroup, by its path below the cgroup v2 root or its directory
    #[arg(long, value_name = "PATH", conflicts_with = "unit")]
    pub(super) cgroup: Option<PathBuf>,
    /// The server name of the TLS handshake, where it is not DEST; none, where it is empty
    #[arg(long, value_name = "NAME")]
    pub(super) sni: Option<String>,
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
    /// Look at this registry, by its login server or its name, instead of this machine
    #[arg(long, value_name = "NAME")]
    pub(super) registry: Option<String>,
    /// An image in the registry, to see where its blobs come from; nothing of it is kept
    #[arg(long, value_name = "REPO[:TAG]", requires = "registry")]
    pub(super) image: Option<Image>,
    /// The user to ask for a token as; without one, anybody
    #[arg(long, value_name = "USER", requires = "image", requires = "password")]
    pub(super) username: Option<String>,
    /// Read the user's password from standard input
    #[arg(long, group = "password", requires = "username")]
    pub(super) password_stdin: bool,
    /// Read the user's password from this file
    #[arg(long, value_name = "FILE", group = "password", requires = "username")]
    pub(super) password_file: Option<PathBuf>,
}

/// A protocol to ask about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Protocol {
    Tcp,
    Udp,
    Icmp,
}

#[derive(Debug, Args)]
pub(super) struct EventsArgs {
    /// Go on printing as denials happen
    #[arg(long)]
    pub(super) follow: bool,
    /// Print what came after the event with this number
    #[arg(long, value_name = "SEQ", default_value_t = 0)]
    pub(super) since: u64,
    /// Print JSON: one document, or with --follow one a line
    #[arg(long)]
    pub(super) json: bool,
}

#[derive(Debug, Subcommand)]
pub(super) enum TagsCommand {
    /// Print the protected set in force and where it came from
    Show(OutputArgs),
    /// Put a newer service-tags file in the place that the configuration names
    Import {
        /// The published file
        file: PathBuf,
        /// Take a file that is older or lacks prefixes, too
        #[arg(long)]
        force: bool,
        #[command(flatten)]
        output: OutputArgs,
    },
    /// Print the bundle that a build carries, from a published file
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
mod tests {
    use clap::CommandFactory as _;
    use clap::error::ErrorKind;

    use super::*;

    fn parse(line: &str) -> Result<Arguments, ErrorKind> {
        let words = std::iter::once("egress-enforcer").chain(line.split_ascii_whitespace());
        Arguments::try_parse_from(words).map_err(|error| error.kind())
    }

    #[test]
    fn the_command_line_is_consistent() {
        Arguments::command().debug_assert();
        let help = Arguments::command().render_help().to_string();
        assert!(help.contains(DEFAULT_CONFIG), "{help}");
    }

    #[test]
    fn config_stands_before_or_after_the_command() {
        for line in ["--config a.toml check", "check --config a.toml"] {
            let config = parse(line).unwrap().config;
            assert_eq!(config, Some(PathBuf::from("a.toml")), "{line}");
        }
    }

    #[test]
    fn a_region_without_a_registry_is_an_error() {
        for line in [
            "run --ephemeral --region eastus",
            "run --ephemeral --data-endpoint contoso.eastus.data.azurecr.io",
        ] {
            assert_eq!(
                parse(line).unwrap_err(),
                ErrorKind::MissingRequiredArgument,
                "{line}"
            );
        }
    }

    #[test]
    fn a_user_has_one_password_and_something_to_ask_for() {
        let image = "doctor --registry contoso --image app:1";
        for line in [
            "doctor --image app:1",
            "doctor --registry contoso --username u --password-stdin",
            &format!("{image} --username u"),
            &format!("{image} --password-stdin"),
        ] {
            assert_eq!(
                parse(line).unwrap_err(),
                ErrorKind::MissingRequiredArgument,
                "{line}"
            );
        }
        let twice = format!("{image} --username u --password-stdin --password-file f");
        assert_eq!(parse(&twice).unwrap_err(), ErrorKind::ArgumentConflict);
        assert!(parse(&format!("{image} --username u --password-file f")).is_ok());
        assert!(parse(image).is_ok());
    }

    #[test]
    fn a_wildcard_is_no_registry() {
        let refused = parse("run --ephemeral --registry *.azurecr.io").unwrap_err();
        assert_eq!(refused, ErrorKind::ValueValidation);
    }

    #[test]
    fn unknown_words_are_errors() {
        assert_eq!(parse("statsu").unwrap_err(), ErrorKind::InvalidSubcommand);
        assert_eq!(
            parse("explain 1.2.3.4 --name a.io").unwrap_err(),
            ErrorKind::UnknownArgument
        );
        assert_eq!(
            parse("explain 1.2.3.4 --proto sctp").unwrap_err(),
            ErrorKind::InvalidValue
        );
        assert_eq!(
            parse("explain 1.2.3.4 --port 65536").unwrap_err(),
            ErrorKind::ValueValidation
        );
        assert_eq!(
            parse("tags bundle f.json --cloud moon").unwrap_err(),
            ErrorKind::ValueValidation
        );
    }
}
