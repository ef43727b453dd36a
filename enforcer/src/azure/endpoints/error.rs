//! Why a registry's names are refused: each names the thing and the mend.

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
        /// What the system said.
        source: io::Error,
    },
    /// The file is larger than any output of the command.
    #[error("{}: larger than 1 MiB, so it is no output of `az acr show-endpoints`; {}", file.display(), write_it(registry))]
    TooLarge {
        /// The file.
        file: PathBuf,
        /// The registry's name.
        registry: String,
    },
    /// The file is no JSON, cut short, or of another shape.
    #[error("{}: not what `az acr show-endpoints` prints: {problem}; {}", file.display(), write_it(registry))]
    Malformed {
        /// The file.
        file: PathBuf,
        /// What is wrong, with the line.
        problem: String,
        /// The registry's name.
        registry: String,
    },
    /// Something else than a host name stands where one has to.
    #[error("{}: {source}; {}", file.display(), write_it(registry))]
    NotAName {
        /// The file.
        file: PathBuf,
        /// What is wrong with it.
        source: NameError,
        /// The registry's name.
        registry: String,
    },
    /// The login server in the file is the registry's name alone.
    #[error("{}: loginServer is \"{found}\", and a login server is a whole name such as \"{login_server}\"; {}", file.display(), write_it(registry))]
    BareName {
        /// The file.
        file: PathBuf,
        /// What stands there.
        found: String,
        /// The login server in the configuration.
        login_server: Name,
        /// The registry's name.
        registry: String,
    },
    /// The file belongs to another registry.
    #[error("{}: is about {found}, not {expected}; {}", file.display(), write_it(registry))]
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
    /// Dedicated data endpoints are off, so layers come from storage accounts that nobody can name.
    #[error(
        "{}: \"{wildcard}\" means that dedicated data endpoints are off and layers come from storage accounts that nobody can name; \
         open the data endpoint names in other firewalls, then enable them (az acr update --name {registry} --data-endpoint-enabled) \
         and write the file again", file.display()
    )]
    DataEndpointsOff {
        /// The file.
        file: PathBuf,
        /// What stands there.
        wildcard: String,
        /// The registry's name.
        registry: String,
    },
    /// The file names no data endpoint at all.
    #[error("{}: names no data endpoint, so no layer could be pulled; {}", file.display(), write_it(registry))]
    NoDataEndpoint {
        /// The file.
        file: PathBuf,
        /// The registry's name.
        registry: String,
    },
    /// The resource belongs to another registry.
    #[error(
        "{resource}: is {found}, not {expected}; mend registry.resource-id (az acr show --name <registry> --query id)"
    )]
    OtherResource {
        /// The resource.
        resource: String,
        /// Its login server.
        found: Name,
        /// The login server in the configuration.
        expected: Name,
    },
    /// Azure Resource Manager says that dedicated data endpoints are off.
    #[error(
        "{resource}: dedicated data endpoints are off and layers come from storage accounts that nobody can name; \
         open the data endpoint names in other firewalls, then enable them (az acr update --name {registry} --data-endpoint-enabled)"
    )]
    DataEndpointsOffInResource {
        /// The resource.
        resource: String,
        /// The registry's name.
        registry: String,
    },
    /// Azure Resource Manager names no data endpoint although they are on.
    #[error(
        "{resource}: no data endpoint is named although they are enabled, so no layer could be pulled; check the registry (az acr show-endpoints)"
    )]
    NoDataEndpointInResource {
        /// The resource.
        resource: String,
    },
    /// Something else than a host name stands where one has to.
    #[error("{resource}: {source}; check what answers for Azure Resource Manager")]
    NoNameInResource {
        /// The resource.
        resource: String,
        /// What is wrong with it.
        source: NameError,
    },
    /// More names than any registry has replicas, which would fill what the kernel and the resolvers hold.
    #[error(
        "{place}: has {found} names, more than {limit}; check that they are the registry's (az acr show-endpoints)"
    )]
    TooManyNames {
        /// The file, or the resource.
        place: String,
        /// How many there are.
        found: usize,
        /// The most that are taken.
        limit: usize,
    },
    /// A name belongs to another registry, or to none.
    #[error(
        "{place}: {name} is no endpoint of {login_server} and would open another registry; remove it"
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
        "registry.regions: \"{region}\" makes no name for {login_server}; write a region such as \"eastus\""
    )]
    Region {
        /// The region.
        region: String,
        /// The registry's login server.
        login_server: Name,
    },
}

/// The command that gives a registry's endpoints file.
fn write_it(registry: &str) -> String {
    format!(
        "write into it what `az acr show-endpoints --name {registry} --output json` prints to standard output"
    )
}
