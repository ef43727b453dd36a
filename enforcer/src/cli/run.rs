//! `run`: runs the daemon.

use anyhow::{Result, bail};

use super::args::RunArgs;
use super::config_file::ConfigFile;
use super::exit::Exit;
use super::log;
use crate::config::Config;
use crate::control;
use crate::daemon;
use crate::name::Name;
use crate::sources::{Options, Source};

/// Runs the daemon until a signal ends it.
pub(super) fn run(config: &ConfigFile, args: RunArgs) -> Result<Exit> {
    let source = source(config, &args)?;
    log::start(args.verbose)?;
    let options = Options {
        source,
        audit: args.audit,
        ephemeral: args.ephemeral,
        scope: args.scope,
    };
    daemon::run(options, control::serve, |listen, published| {
        control::serve_metrics(listen, published).map_err(|error| error.to_string())
    })?;
    Ok(Exit::Done)
}

fn source(config: &ConfigFile, args: &RunArgs) -> Result<Source> {
    if args.registry.is_empty() {
        return Ok(Source::File(config.path().to_owned()));
    }
    if config.is_named() {
        bail!("--registry and --config exclude each other: remove one of them");
    }
    if !args.ephemeral {
        bail!(
            "--registry: a policy from the command line ends with its process; add --ephemeral, or write a file and pass it with --config"
        );
    }
    let mut config = Config::for_registries(&args.registry, &args.region)?;
    for name in &args.data_endpoint {
        add_endpoint(&mut config, name)?;
    }
    Ok(Source::CommandLine(Box::new(config)))
}

/// Adds `name` to the registry that it is an endpoint of.
fn add_endpoint(config: &mut Config, name: &Name) -> Result<()> {
    let cloud = config.protect.cloud;
    let owner = config
        .registries
        .iter_mut()
        .find(|registry| cloud.endpoint_kind(&registry.login_server, name).is_some());
    let Some(owner) = owner else {
        bail!(
            "--data-endpoint: {name} belongs to none of the registries; name its registry with --registry, or remove it"
        );
    };
    owner.data_endpoints.push(name.clone());
    Ok(())
}

#[cfg(test)]
mod tests {
    use clap::Parser as _;

    use super::*;
    use crate::cli::args::{Arguments, Command};

    /// The source of `run LINE`, or its error.
    fn source_of(line: &str) -> (Option<Source>, String) {
        let words = ["egress-enforcer", "run"]
            .into_iter()
            .chain(line.split_ascii_whitespace());
        let arguments = Arguments::parse_from(words);
        let Command::Run(args) = arguments.command else {
            panic!("not run");
        };
        match source(&ConfigFile::new(arguments.config), &args) {
            Ok(source) => (Some(source), String::new()),
            Err(error) => (None, error.to_string()),
        }
    }

    #[test]
    fn without_registries_the_file_is_the_source() {
        let (Some(Source::File(file)), _) = source_of("") else {
            panic!("no file");
        };
        assert_eq!(file.to_str(), Some("/etc/egress-enforcer/config.toml"));
    }

    #[test]
    fn registries_make_a_configuration() {
        let line = "--ephemeral --registry contoso.azurecr.io --registry fabrikam.azurecr.io --region eastus \
            --data-endpoint fabrikam.westus.data.azurecr.io";
        let (Some(Source::CommandLine(config)), _) = source_of(line) else {
            panic!("a file");
        };
        let [contoso, fabrikam] = config.registries.as_slice() else {
            panic!("{config:?}");
        };
        assert_eq!(contoso.regions, ["eastus"]);
        assert!(contoso.data_endpoints.is_empty());
        assert_eq!(
            fabrikam.data_endpoints[0].as_str(),
            "fabrikam.westus.data.azurecr.io"
        );
    }

    #[test]
    fn registries_of_the_command_line_need_an_ephemeral_run() {
        let (_, error) = source_of("--registry contoso.azurecr.io");
        assert!(error.contains("add --ephemeral"), "{error}");
    }

    #[test]
    fn a_file_and_registries_of_the_command_line_exclude_each_other() {
        let line = "--ephemeral --registry contoso.azurecr.io --config a.toml";
        let (_, error) = source_of(line);
        assert!(error.contains("remove one of them"), "{error}");
    }

    #[test]
    fn an_endpoint_of_another_registry_is_refused() {
        let line =
            "--ephemeral --registry contoso.azurecr.io --data-endpoint evil.eastus.data.azurecr.io";
        let (_, error) = source_of(line);
        assert!(
            error.contains("belongs to none of the registries"),
            "{error}"
        );
    }
}
