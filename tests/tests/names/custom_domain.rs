//! A registry by a domain of its customer's, an alias (CNAME) of the registry's own name.

use std::time::Duration;

use anyhow::{Context, Result};
use lab::{Lab, fixtures::enforcer::Enforcer};

use crate::{REGIONS, await_event};

/// Contoso's own domain, and that of a neighbour at the same address.
const CONTOSO_DOMAIN: &str = "registry.contoso.com";
const MALLORY_DOMAIN: &str = "registry.mallory.com";
/// How long a client that is to be refused may try.
const IMPATIENT: Duration = Duration::from_secs(5);

#[test]
fn a_custom_domain_is_pulled_from_and_a_neighbours_is_refused() -> Result<()> {
    let lab = Lab::start()?;
    for domain in [CONTOSO_DOMAIN, MALLORY_DOMAIN] {
        let pulled = lab.pull_from(domain, &lab.device());
        pulled.with_context(|| format!("{domain}, with nothing enforced"))?;
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
    let asked = |host: &str| requests[earlier..].iter().any(|asked| asked.host == host);
    assert!(asked(CONTOSO_DOMAIN) && asked("contoso.eastus.data.azurecr.io"));
    lab.pull()
        .context("by the registry's own name, to which clients are sent")?;

    let earlier = lab.requests()?.len();
    let pushed = lab.push_within(IMPATIENT, MALLORY_DOMAIN, &lab.device());
    assert!(pushed.is_err(), "mallory's domain is open");
    assert_eq!(lab.requests()?.len(), earlier, "something arrived");
    await_event(
        &enforcer,
        "deny",
        "server-name-unknown",
        Some(MALLORY_DOMAIN),
    )
}

#[test]
fn a_custom_domain_that_no_registry_names_is_refused() -> Result<()> {
    let lab = Lab::start()?;
    let enforcer = Enforcer::start(&lab, &REGIONS, "")?;
    enforcer.await_names()?;
    lab.pull()?;
    let pushed = lab.push_within(IMPATIENT, CONTOSO_DOMAIN, &lab.device());
    assert!(pushed.is_err(), "a domain that nobody named is open");
    Ok(())
}
