//! The pattern of data endpoints: a replica that did not exist when the configuration was written.

use anyhow::{Context, Result};
use lab::{Lab, enforcer::Enforcer, replicas::Replica, stub::Stub};

/// A line of contoso's registry.
const PATTERN: &str = "data-endpoints = [\"contoso.*.data.azurecr.io\"]\n";

#[test]
fn a_replica_that_is_new_is_pulled_from_at_the_first_try_by_the_pattern() -> Result<()> {
    let lab = Lab::start()?;
    let stub = Stub::start(&lab, &lab.device())?;
    let through_stub = stub.used_in(lab.device())?;
    let mut enforcer = Enforcer::prepare(&lab, &["eastus"], "")?;
    enforcer.edit(
        "\n[dns]",
        &format!("{PATTERN}\n[dns]\nservers = [\"10.53.0.53\", \"fd53::53\", \"127.0.0.53\"]"),
    )?;
    enforcer.run()?;
    enforcer.await_names()?;
    lab.pull()?;
    for number in 0..8 {
        let replica = Replica::number(number);
        replica.appear(&lab)?;
        lab.serve_from(Some(replica.region.name))?;
        let place = if number % 2 == 0 {
            lab.device()
        } else {
            through_stub.clone()
        };
        let pulled = lab.pull_from(lab::CONTOSO_LOGIN, &place);
        pulled.with_context(|| format!("{replica:?}\n{}", enforcer.log()))?;
        let requests = lab.requests()?;
        assert!(
            requests
                .iter()
                .any(|request| replica.addresses.contains(&request.address))
        );
    }
    Ok(())
}

#[test]
fn without_the_pattern_a_new_replica_is_refused() -> Result<()> {
    let lab = Lab::start()?;
    let enforcer = Enforcer::start(&lab, &["eastus"], "")?;
    enforcer.await_names()?;
    let replica = Replica::number(0);
    replica.appear(&lab)?;
    lab.serve_from(Some(replica.region.name))?;
    let pulled = lab.pull();
    assert!(pulled.is_err(), "{pulled:?}");
    Ok(())
}
