//! The steps of the demonstration, in order.

use std::{fs, net::IpAddr, path::Path, time::Instant};

use anyhow::{Context, Result};
use lab::{
    fixtures::process::Finished,
    servers::azurite::HOST,
    topology::{addresses::STORAGE, packet_counter::PacketCounter},
};
use serde_json::Value;

use crate::{
    environment::Environment,
    output::Output,
    scenario::{Outcome, Scenario},
    table::Table,
};

/// The bad actor's account in the lab.
const ACCOUNT: [u8; 4] = [203, 0, 113, 66];
/// Number of denials to print.
const DENIALS: usize = 4;

/// Runs all steps and prints the table of results.
///
/// # Errors
/// When the lab or the daemon fails. An unexpected result is not an error; [`Output`] counts it.
pub(crate) fn play(output: &mut Output) -> Result<()> {
    let mut table = Table::default();
    let mut environment = build(output)?;
    let traces = [environment.lab().dir(), environment.lab().cgroup().path()].map(Path::to_owned);

    output.step("Before: nothing is enforced");
    try_all(&environment, output, &mut table)?;
    enforce(&mut environment, output)?;
    output.step("Enforced: the same scenarios");
    let counter = PacketCounter::watch(environment.lab().network())?;
    try_all(&environment, output, &mut table)?;
    report(&environment, output)?;
    kill(&mut environment, output)?;
    try_all(&environment, output, &mut table)?;
    let packets = counter.packets_to(&STORAGE)?;
    let sentence =
        format!("{packets} packets to storage have left the device since enforcement started");
    output.check(packets == 0, &sentence);
    drop(counter);
    unload(&environment, output)?;
    drop(environment);
    let gone = traces.iter().all(|trace| !trace.exists());
    output.check(
        gone,
        "the lab is removed: its servers, cgroups and directory",
    );

    output.line("");
    table.lines().iter().for_each(|line| output.line(line));
    Ok(())
}

fn build(output: &mut Output) -> Result<Environment> {
    output.step("The lab: a cloud and a device on this machine");
    output.say("The cloud has name servers, contoso's registry with data endpoints in two regions, a bad actor's registry and storage");
    output.say("account, and a web site. The device is a network namespace with a cgroup, and Docker runs there. No traffic leaves this machine.");
    let started = Instant::now();
    let environment = Environment::build()?;
    output.say(format_args!(
        "Built in {:.1} s.",
        started.elapsed().as_secs_f64()
    ));
    Ok(environment)
}

fn try_all(environment: &Environment, output: &mut Output, table: &mut Table) -> Result<()> {
    for scenario in Scenario::ALL {
        let outcome = scenario.attempt(environment)?;
        let phase = environment.phase();
        let as_expected = outcome.is_as_expected(scenario.is_expected_to_work(phase));
        output.result(scenario, &outcome, as_expected);
        table.add(phase, scenario, &outcome, as_expected);
    }
    Ok(())
}

fn enforce(environment: &mut Environment, output: &mut Output) -> Result<()> {
    output.step("The daemon starts on the device: egress-enforcer run");
    let config = fs::read_to_string(environment.enforcer().config())?;
    output.quote(&shown(&config));
    let started = Instant::now();
    environment.enforce()?;
    let seconds = started.elapsed().as_secs_f64();
    output.say(format_args!(
        "It enforces and has resolved every name after {seconds:.1} s: egress-enforcer endpoints"
    ));
    let endpoints = environment.enforcer().cli(["endpoints"])?.success()?;
    output.quote(&endpoints);
    for region in ["eastus", "westus"] {
        let name = format!("contoso.{region}.data.azurecr.io");
        output.check(endpoints.contains(&name), &format!("{name} is listed"));
    }
    Ok(())
}

/// Returns the configuration without empty lines and without the lab's paths.
fn shown(config: &str) -> String {
    let lines = config.lines().take_while(|line| *line != "[paths]");
    let lines: Vec<&str> = lines.filter(|line| !line.is_empty()).collect();
    lines.join("\n")
}

fn report(environment: &Environment, output: &mut Output) -> Result<()> {
    output.step("What the enforcer reports");
    let account = IpAddr::from(ACCOUNT).to_string();
    let events = environment.enforcer().json(["events"])?;
    let denial = denial_of(&events, &account);
    let command = denial.and_then(|denial| denial["command"].as_str());
    output.say(format_args!("egress-enforcer events (the last {DENIALS})"));
    let lines = environment.enforcer().cli(["events"])?.success()?;
    output.quote(&last(&lines, DENIALS));
    let sentence = format!(
        "the event of the denied upload names the process: {}",
        command.unwrap_or("none")
    );
    output.check(
        command.is_some_and(|command| command.starts_with("python")),
        &sentence,
    );
    let is_https =
        denial.is_some_and(|denial| denial["protocol"] == "tcp" && denial["port"] == 443);
    output.check(
        is_https,
        "the event reports tcp 443, although a datagram socket was connected to the address before",
    );

    output.say(format_args!("egress-enforcer explain {account}"));
    let explained: Finished = environment.enforcer().cli(["explain", &account])?;
    output.quote(&explained.stdout);
    let denied = explained.status.code() == Some(1) && explained.stdout.contains("denied");
    output.check(
        denied,
        &format!("explain reports that {account} ({HOST}) is denied"),
    );
    Ok(())
}

/// Returns the first event of a denial of `address` for reason `storage`.
fn denial_of<'a>(events: &'a Value, address: &str) -> Option<&'a Value> {
    let mut events = events.as_array()?.iter();
    events.find(|event| {
        event["destination"] == address
            && event["verdict"] == "deny"
            && event["reason"] == "storage"
    })
}

fn last(text: &str, count: usize) -> String {
    let lines: Vec<&str> = text.lines().collect();
    lines[lines.len().saturating_sub(count)..].join("\n")
}

fn kill(environment: &mut Environment, output: &mut Output) -> Result<()> {
    let pid = environment.enforcer().pid()?;
    output.step(&format!("The daemon is killed: kill -9 {pid}"));
    environment.kill()?;
    let answers = environment.enforcer().status().is_ok();
    output.check(!answers, "the daemon no longer answers");
    output.say("The kernel programs keep enforcing and read DNS answers themselves, so that allowed names may still change addresses.");
    Ok(())
}

fn unload(environment: &Environment, output: &mut Output) -> Result<()> {
    output.step("End of enforcement: egress-enforcer unload");
    environment
        .enforcer()
        .cli(["unload"])?
        .success()
        .context("unload")?;
    let outcome = Scenario::Upload.attempt(environment)?;
    let works = matches!(outcome, Outcome::Works(_));
    output.check(
        works,
        "nothing is enforced any longer: the upload works again",
    );
    output.say("Removing the lab.");
    Ok(())
}
