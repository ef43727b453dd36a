//! Why a registry's names are refused: each error names the place and the fix.

use std::io;
use std::path::PathBuf;

use crate::name::{Name, NameError};

/// Why a registry's names are refused.
#[derive(Debug, thiserror::Error)]
pub enum EndpointError {
    /// The file cannot be read.
    #[error("{}: cannot be read ({source}); {}", file.display(), write_it(registry))]
    Unreadable {
        /// The file.
        file: PathBuf,
        /// The registry's name.
        registry: String,
        /// The error of the system.
        source: io::Error,
    },
    /// The file is larger than any output of the command.
    #[error("{}: larger than 1 MiB, so it is not the output of `az acr show-endpoints`; {}", file.display(), write_it(registry))]
    TooLarge {
        /// The file.
        file: PathBuf,
        /// The registry's name.
        registry: String,
    },
    /// The file is not JSON, truncated, or has another structure.
    #[error("{}: not the output of `az acr show-endpoints`: {problem}; {}", file.display(), write_it(registry))]
    Malformed {
        /// The file.
        file: PathBuf,
        /// What is wrong, with the line.
        problem: String,
        /// The registry's name.
        registry: String,
    },
    /// The file has a value that is not a host name.
    #[error("{}: {source}; {}", file.display(), write_it(registry))]
    NotAName {
        /// The file.
        file: PathBuf,
        /// What is wrong with it.
        source: NameError,
        /// The registry's name.
        registry: String,
    },
    /// The login server in the file is only the registry's name.
    #[error("{}: loginServer is \"{found}\", but a login server is a fully qualified name such as \"{login_server}\"; {}", file.display(), write_it(registry))]
    BareName {
        /// The file.
        file: PathBuf,
        /// The value in the file.
        found: String,
        /// The login server in the configuration.
        login_server: Name,
        /// The registry's name.
        registry: String,
    },
    /// The file belongs to another registry.
    #[error("{}: is for {found}, not {expected}; {}", file.display(), write_it(registry))]
    OtherRegistry {
        /// The file.
        file: PathBuf,
        /// The name of the registry in the configuration.
        registry: String,
        /// The login server in the file.
        found: Name,
        /// The login server in the configuration.
        expected: Name,
    },
    /// Dedicated data endpoints are disabled, so layers come from storage accounts with unknown names.
    #[error(
        "{}: \"{wildcard}\" means that dedicated data endpoints are disabled and layers come from storage accounts with unknown names; \
         allow the data endpoint names in other firewalls, then enable them (az acr update --name {registry} --data-endpoint-enabled) \
         and write the file again", file.display()
    )]
    DataEndpointsOff {
        /// The file.
        file: PathBuf,
        /// The value in the file.
        wildcard: String,
        /// The registry's name.
        registry: String,
    },
    /// The file has no data endpoint.
    #[error("{}: has no data endpoint, so no layer could be pulled; {}", file.display(), write_it(registry))]
    NoDataEndpoint {
        /// The file.
        file: PathBuf,
        /// The registry's name.
        registry: String,
    },
    /// The resource belongs to another registry.
    #[error(
        "{resource}: is {found}, not {expected}; fix registry.resource-id (az acr show --name <registry> --query id)"
    )]
    OtherResource {
        /// The resource.
        resource: String,
        /// Its login server.
        found: Name,
        /// The login server in the configuration.
        expected: Name,
    },
    /// Azure Resource Manager reports that dedicated data endpoints are disabled.
    #[error(
        "{resource}: dedicated data endpoints are disabled and layers come from storage accounts with unknown names; \
         allow the data endpoint names in other firewalls, then enable them (az acr update --name {registry} --data-endpoint-enabled)"
    )]
    DataEndpointsOffInResource {
        /// The resource.
        resource: String,
        /// The registry's name.
        registry: String,
    },
    /// Azure Resource Manager reports no data endpoint although they are enabled.
    #[error(
        "{resource}: has no data endpoint although they are enabled, so no layer could be pulled; check the registry (az acr show-endpoints)"
    )]
    NoDataEndpointInResource {
        /// The resource.
        resource: String,
    },
    /// The resource has a value that is not a host name.
    #[error("{resource}: {source}; check which server answers for Azure Resource Manager")]
    NoNameInResource {
        /// The resource.
        resource: String,
        /// What is wrong with it.
        source: NameError,
    },
    /// More names than any registry has: they would fill maps and load resolvers.
    #[error(
        "{place}: has {found} names, more than {limit}; check that they are the registry's (az acr show-endpoints)"
    )]
    TooManyNames {
        /// The file, or the resource.
        place: String,
        /// Their number.
        found: usize,
        /// The most that are accepted.
        limit: usize,
    },
    /// A name belongs to another registry, or to none.
    #[error(
        "{place}: {name} is not an endpoint of {login_server} and would allow another registry; remove it"
    )]
    Foreign {
        /// The file, or the key of the configuration.
        place: String,
        /// The name.
        name: Name,
        /// The registry's login server.
        login_server: Name,
    },
    /// Region and login server make no name.
    #[error(
        "registry.regions: \"{region}\" makes no name for {login_server}; use a region such as \"eastus\""
    )]
    Region {
        /// The region.
        region: String,
        /// The registry's login server.
        login_server: Name,
    },
}

/// The command that writes a registry's endpoints file.
fn write_it(registry: &str) -> String {
    format!("write the output of `az acr show-endpoints --name {registry} --output json` to it")
}
