//! Wildcard data endpoints: replicas that did not exist when the configuration was written.

use anyhow::{Context, Result};
use lab::{
    CONTOSO_LOGIN, Lab,
    fixtures::{enforcer::Enforcer, process::run, process_env::ProcessEnv, replicas::Replica},
    servers::{dns::Fault, stub_resolver::StubResolver},
};

use crate::MINUTE;

/// A line for contoso's registry.
const PATTERN: &str = "data-endpoints = [\"contoso.*.data.azurecr.io\"]\n";

#[test]
fn the_first_pull_from_a_new_replica_succeeds_with_a_pattern() -> Result<()> {
    let lab = Lab::start()?;
    let stub = StubResolver::start(&lab, &lab.device())?;
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
        let env = if number % 2 == 0 {
            lab.device()
        } else {
            through_stub.clone()
        };
        let pulled = lab.pull_from(CONTOSO_LOGIN, &env);
        pulled.with_context(|| format!("{replica:?}\n{}", enforcer.log()))?;
        let requests = lab.requests()?;
        assert!(
            requests
                .iter()
                .any(|request| replica.addresses.contains(&request.address))
        );
    }
    let output = enforcer.cli(["endpoints"])?.success()?;
    let snooped = output.lines().find(|line| line.contains("(snooped): "));
    let snooped = snooped.with_context(|| output.clone())?;
    assert!(snooped.contains("contoso.*.data.azurecr.io"), "{output}");
    assert!(
        snooped.contains(&Replica::number(0).addresses[0].to_string()),
        "{output}"
    );
    Ok(())
}

#[test]
fn a_replica_with_an_unusable_answer_is_allowed_once_the_daemon_has_resolved_it() -> Result<()> {
    let lab = Lab::start()?;
    let mut enforcer = Enforcer::prepare(&lab, &["eastus"], "")?;
    enforcer.edit("\n[dns]", &format!("{PATTERN}\n[dns]"))?;
    enforcer.run()?;
    enforcer.await_names()?;
    let replica = Replica::number(0);
    replica.appear(&lab)?;
    lab.serve_from(Some(replica.region.name))?;
    lab.dns().fail_mode_for(&replica.host, Fault::Truncate)?;
    look_up(&lab.device(), &replica.host)?;
    enforcer.await_api_status("the replica's addresses are allowed", MINUTE, |status| {
        let patterns = &status.registries[0].patterns;
        let allowed = patterns.iter().flat_map(|pattern| &pattern.addresses);
        replica
            .addresses
            .iter()
            .all(|address| allowed.clone().any(|it| it == address))
    })?;
    lab.pull().with_context(|| enforcer.log())?;
    Ok(())
}

#[test]
fn a_restarted_daemon_knows_the_names_of_snooped_addresses() -> Result<()> {
    let lab = Lab::start()?;
    let mut enforcer = Enforcer::prepare(&lab, &["eastus"], "")?;
    enforcer.edit("\n[dns]", &format!("{PATTERN}\n[dns]"))?;
    enforcer.run()?;
    enforcer.await_names()?;
    let replica = Replica::number(0);
    replica.appear(&lab)?;
    look_up(&lab.device(), &replica.host)?;
    enforcer.await_api_status("the replica is snooped", MINUTE, |status| {
        let patterns = &status.registries[0].patterns;
        patterns.iter().any(|pattern| pattern.addresses.len() == 2)
    })?;
    enforcer.kill()?;
    enforcer.run()?;
    for address in replica.addresses.map(|address| address.to_string()) {
        for (name, reason) in [
            (&*replica.host, "allowed-name"),
            (CONTOSO_LOGIN, "server-name-elsewhere"),
        ] {
            let output = enforcer.json(["explain", &address, "--sni", name])?;
            assert_eq!(output["answers"][0]["reason"], reason, "{name}: {output:#}");
        }
    }
    Ok(())
}

/// Looks up a name with glibc.
fn look_up(env: &ProcessEnv, name: &str) -> Result<()> {
    let mut getent = env.command("getent");
    getent.args(["ahosts", name]);
    run(getent, MINUTE)?.success()?;
    Ok(())
}

#[test]
fn without_a_pattern_a_new_replica_is_denied() -> Result<()> {
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
