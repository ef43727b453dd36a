//! Whether this host has what the enforcer needs: kernel, file systems, privileges, clock, configuration, service tags, resolvers, service.

pub(crate) mod configuration;
mod exclusive;
mod inputs;
mod ipsec;
mod kernel;
mod network_devices;
pub(super) mod resolvers;
mod service;
mod service_tags;
mod socket_options;

use anyhow::Result;
use jiff::Timestamp;

pub(crate) use self::inputs::Host;
use crate::bpf::Pins;
use crate::doctor::check::Check;

/// Checks the host at `now`.
///
/// # Errors
/// If no resolver can be queried.
pub(crate) async fn check(host: &Host<'_>, now: Timestamp) -> Result<Vec<Check>> {
    let config = host.config();
    let mut checks = kernel::check(&Pins::new(&host.paths.pins));
    checks.extend(exclusive::check(config.as_ref()));
    checks.extend(network_devices::check(host, config.as_ref()));
    checks.extend(socket_options::check(host, config.as_ref()));
    checks.extend(ipsec::check(host));
    checks.push(configuration::check_clock(now)?);
    checks.push(configuration::check(host));
    checks.extend(service_tags::check(host, now));
    checks.extend(resolvers::check(config.as_ref()).await?);
    checks.extend(host.running().and_then(resolvers::check_dns_snooping));
    checks.extend(service::check());
    Ok(checks)
}
