//! `doctor --registry`: where a registry stands with dedicated data endpoints.

mod addresses;
mod advice;
mod blob;
mod challenge;
mod credentials;
mod door;
mod known;
mod manifest;
mod reply;
mod report;
mod target;
mod visit;
mod wire;

use anyhow::{Context as _, Result};
use jiff::Timestamp;

use self::credentials::Credentials;
use self::known::Known;
use self::report::Report;
pub(crate) use self::target::Image;
use self::target::Target;
use self::visit::Visit;
use self::wire::Wire;
use super::{configuration, resolvers};
use crate::cli::args::{OutputArgs, RegistryArgs};
use crate::cli::daemon_link::{status_if_running, wait_for};
use crate::cli::exit::Exit;
use crate::cli::places::Places;
use crate::config::{Cloud, Config};
use crate::daemon::{Options, Source, Sources};
use crate::kernel::Check;
use crate::resolver::lookup::Lookup;

/// Looks at the registry `name`, step by step as a client pulls.
pub(super) fn registry(
    places: &Places,
    name: &str,
    args: &RegistryArgs,
    output: OutputArgs,
) -> Result<Exit> {
    let sources = Sources::read(&options(Source::File(places.file().to_owned()))).ok();
    let config = sources.as_ref().map(|sources| &sources.config);
    let cloud = config.map_or_else(Cloud::default, |config| config.protect.cloud);
    let target = Target::read(name, cloud)?;
    let credentials = Credentials::read(args)?;
    let lookup = Lookup::new(&resolvers::servers(config)?)?;
    let mut report = Report::new(target.login.clone(), output);
    report.tell(configuration(places, Timestamp::now()))?;
    let status = match status_if_running(&places.paths().unwrap_or_default()) {
        Ok(status) => status,
        Err(error) => {
            report.tell(Check::unknown("daemon", error.to_string(), ""))?;
            None
        }
    };
    if let Some(variable) = proxy() {
        let message = format!("{variable} names a proxy, and these checks connect directly");
        report.tell(Check::unknown("proxy", message, ""))?;
    }
    let known = Known::new(&target, status.as_ref(), sources.as_ref());
    let sources = match sources {
        Some(sources) => sources,
        None => of_nothing(&target)?,
    };
    let visit = Visit {
        image: args.image.clone().map(|image| image.within(&target.login)),
        wire: Wire::new(lookup),
        target,
        sources,
        known,
        credentials,
    };
    wait_for(visit.make(&mut report))??;
    report.finish()
}

/// The variable that has clients take a proxy, where there is one.
fn proxy() -> Option<&'static str> {
    let set = |name: &&str| std::env::var_os(name).is_some_and(|value| !value.is_empty());
    ["HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"]
        .into_iter()
        .find(set)
}

/// The bundle of service tags and the usual answer check, where there is no configuration.
fn of_nothing(target: &Target) -> Result<Sources> {
    let config = Config::for_registries(std::slice::from_ref(&target.login), &[])?;
    Sources::read(&options(Source::Given(Box::new(config))))
        .context("the service tags in this program")
}

fn options(source: Source) -> Options {
    Options {
        source,
        audit: false,
        ephemeral: false,
        scope: None,
    }
}
