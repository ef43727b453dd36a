//! Registries with a custom domain, an alias (CNAME) of the registry's name.

use std::time::Duration;

use anyhow::{Context, Result};
use lab::{Lab, fixtures::enforcer::Enforcer};

use crate::{REGIONS, await_event};

/// Contoso's custom domain, and that of another tenant at the same address.
const CONTOSO_DOMAIN: &str = "registry.contoso.com";
const MALLORY_DOMAIN: &str = "registry.mallory.com";
/// Time limit of a client that is expected to fail.
const IMPATIENT: Duration = Duration::from_secs(5);

#[test]
fn pulls_from_a_custom_domain_succeed_and_those_from_another_tenants_are_denied() -> Result<()> {
    let lab = Lab::start()?;
    for domain in [CONTOSO_DOMAIN, MALLORY_DOMAIN] {
        let pulled = lab.pull_from(domain, &lab.device());
        pulled.with_context(|| format!("{domain}, without enforcement"))?;
    }
    let mut enforcer = Enforcer::prepare(&lab, &REGIONS, "")?;
    enforcer.edit(
        "login-server = \"contoso.azurecr.io\"",
        &format!("login-server = \"{CONTOSO_DOMAIN}\"\nregistry = \"contoso\""),
    )?;
    enforcer.run()?;
    enforcer.await_names()?;
    let earlier = lab.requests()?.len();
    let pulled = lab.pull_from(CONTOSO_DOMAIN, &lab.device());
    pulled.with_context(|| enforcer.log())?;
    let requests = lab.requests()?;
    let is_requested = |host: &str| {
        requests[earlier..]
            .iter()
            .any(|request| request.host == host)
    };
    assert!(is_requested(CONTOSO_DOMAIN) && is_requested("contoso.eastus.data.azurecr.io"));
    lab.pull()
        .context("by the registry's own name, to which clients are redirected")?;

    let earlier = lab.requests()?.len();
    let pushed = lab.push_within(IMPATIENT, MALLORY_DOMAIN, &lab.device());
    assert!(pushed.is_err(), "mallory's domain is reachable");
    assert_eq!(lab.requests()?.len(), earlier, "a request arrived");
    await_event(
        &enforcer,
        "deny",
        "server-name-unknown",
        Some(MALLORY_DOMAIN),
    )
}

#[test]
fn an_unconfigured_custom_domain_is_denied() -> Result<()> {
    let lab = Lab::start()?;
    let enforcer = Enforcer::start(&lab, &REGIONS, "")?;
    enforcer.await_names()?;
    lab.pull()?;
    let pushed = lab.push_within(IMPATIENT, CONTOSO_DOMAIN, &lab.device());
    assert!(pushed.is_err(), "an unconfigured domain is reachable");
    Ok(())
}
