//! Starts without a reachable resolver.

use anyhow::Result;
use lab::{
    clients::stream::Plan,
    fixtures::fixture::{Fixture, RATE},
    servers::dns::Fault,
};

use super::STREAM;

#[test]
fn a_start_without_dns_allows_the_last_known_addresses() -> Result<()> {
    let mut fixture = Fixture::start(STREAM, "")?;
    fixture.enforcer.end(libc::SIGTERM)?;
    fixture.enforcer.cli(["unload"])?.success()?;
    let nobody = "[dns]\nservers = [\"10.53.0.99\"]\n";
    let config = fixture
        .configuration(&["eastus"], "")
        .replace("[dns]\n", nobody);
    assert!(config.contains(nobody));
    fixture.enforcer.configure(&config)?;
    fixture.enforcer.run()?;
    fixture.check_pull_and_exfiltration()?;
    fixture.check_for_a_second()
}

#[test]
fn a_first_start_without_dns_denies_all_registries_until_dns_returns() -> Result<()> {
    let mut fixture = Fixture::prepare(STREAM, "")?;
    fixture.lab.dns().fail_mode(Fault::Silent)?;
    fixture.enforcer.run()?;
    let closed = fixture.one_second(&fixture.lab.device(), &Plan::lab_default(RATE))?;
    assert!(
        closed.answered == 0 && closed.passed.is_empty() && closed.refused > 100,
        "{closed:?}"
    );
    let refused = |how: &String| how.contains("not permitted");
    assert!(closed.failed.keys().all(refused), "{closed:?}");
    fixture.lab.dns().clear_faults();
    fixture.enforcer.await_names()?;
    fixture.check_pull_and_exfiltration()?;
    fixture.check_for_a_second()
}
