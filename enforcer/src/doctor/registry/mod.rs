//! Whether pulls from a registry keep working once you enforce: its names, its login server and the origin of its blobs.

mod addresses;
mod advice;
mod auth;
mod blob;
mod challenge;
mod credentials;
mod local_policy;
mod manifest;
mod pull_check;
mod report;
mod response;
mod target;
mod transport;

use anyhow::{Context as _, Result};

pub(crate) use self::credentials::Credentials;
use self::local_policy::LocalPolicy;
use self::pull_check::PullCheck;
pub(crate) use self::report::Report;
pub(crate) use self::target::Image;
use self::target::RegistryTarget;
use self::transport::RegistryClient;
use super::host::configuration::{self, read_sources};
use super::host::{Host, resolvers};
use crate::config::{Cloud, Config};
use crate::doctor::check::Check;
use crate::name::Name;
use crate::resolver::lookup::Lookup;
use crate::sources::{Source, Sources};

/// Prepared checks of one registry.
pub(crate) struct RegistryCheck {
    target: RegistryTarget,
    image: Option<Image>,
    credentials: Option<Credentials>,
    /// `None` if there is no valid configuration.
    sources: Option<Sources>,
    lookup: Lookup,
}

impl RegistryCheck {
    /// Prepares the checks of `registry`: a login server, or a registry's name in the cloud that the configuration of `host` names.
    ///
    /// # Errors
    /// If `registry` is neither, or there are no resolvers.
    pub(crate) fn prepare(
        host: &Host<'_>,
        registry: &str,
        image: Option<Image>,
        credentials: Option<Credentials>,
    ) -> Result<Self> {
        let sources = read_sources(Source::File(host.file.to_owned())).ok();
        let config = sources.as_ref().map(|sources| &sources.config);
        let cloud = config.map_or_else(Cloud::default, |config| config.protect.cloud);
        let target = RegistryTarget::parse(registry, cloud)?;
        Ok(Self {
            image: image.map(|image| image.within(&target.login)),
            lookup: Lookup::new(&resolvers::servers(config)?)?,
            target,
            credentials,
            sources,
        })
    }

    /// The login server of the registry.
    pub(crate) fn login_server(&self) -> &Name {
        &self.target.login
    }

    /// Runs the checks in the steps of a pull, up to the first byte of a blob.
    ///
    /// # Errors
    /// If a check cannot run or be reported.
    pub(crate) async fn run(self, host: &Host<'_>, report: &mut Report<'_>) -> Result<()> {
        report.add(configuration::check(host))?;
        if let Err(error) = &host.status {
            report.add(Check::unknown("daemon", error.to_string(), ""))?;
        }
        if let Some(variable) = proxy_variable() {
            let message = format!("{variable} names a proxy, and these checks connect directly");
            report.add(Check::unknown("proxy", message, ""))?;
        }
        let policy = LocalPolicy::new(&self.target, host.running(), self.sources.as_ref());
        let sources = match self.sources {
            Some(sources) => sources,
            None => default_sources(&self.target)?,
        };
        let pull = PullCheck {
            target: self.target,
            image: self.image,
            credentials: self.credentials,
            sources,
            policy,
            client: RegistryClient::new(self.lookup),
        };
        pull.run(report).await
    }
}

/// Returns the environment variable that makes clients use a proxy, if one is set.
fn proxy_variable() -> Option<&'static str> {
    let is_set = |name: &&str| std::env::var_os(name).is_some_and(|value| !value.is_empty());
    ["HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"]
        .into_iter()
        .find(is_set)
}

/// Returns the bundle of service tags and the default answer check, for use without a valid configuration.
fn default_sources(target: &RegistryTarget) -> Result<Sources> {
    let config = Config::for_registries(std::slice::from_ref(&target.login), &[])?;
    read_sources(Source::CommandLine(Box::new(config))).context("the service tags in this program")
}
