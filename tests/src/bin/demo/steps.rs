//! The acts, in order.

use std::{fs, net::IpAddr, path::Path, time::Instant};

use anyhow::{Context, Result};
use lab::{
    fixtures::process::Finished,
    servers::azurite::HOST,
    topology::{addresses::STORAGE, packet_counter::Wire},
};
use serde_json::Value;

use crate::{
    environment::Stage,
    output::Teller,
    scenario::{Outcome, Thing},
    table::Table,
};

/// The bad actor's account in the lab.
const ACCOUNT: [u8; 4] = [203, 0, 113, 66];
/// Lines of denials that are shown.
const DENIALS: usize = 4;

/// Plays everything, and prints the table.
///
/// # Errors
/// When the lab or the daemon cannot go on. What is not as told is no error, but the teller counts it.
pub(crate) fn play(teller: &mut Teller) -> Result<()> {
    let mut table = Table::default();
    let mut stage = build(teller)?;
    let traces = [stage.lab().dir(), stage.lab().cgroup().path()].map(Path::to_owned);

    teller.act("Before: nothing is enforced");
    try_all(&stage, teller, &mut table)?;
    enforce(&mut stage, teller)?;
    teller.act("Enforced: the same again");
    let wire = Wire::watch(stage.lab().world())?;
    try_all(&stage, teller, &mut table)?;
    tell(&stage, teller)?;
    kill(&mut stage, teller)?;
    try_all(&stage, teller, &mut table)?;
    let packets = wire.packets_to(&STORAGE)?;
    let sentence = format!("{packets} packets to storage left the device since enforcement began");
    teller.check(packets == 0, &sentence);
    drop(wire);
    unload(&stage, teller)?;
    drop(stage);
    let gone = traces.iter().all(|trace| !trace.exists());
    teller.check(
        gone,
        "the lab is gone: its servers, its cgroups, its directory",
    );

    teller.line("");
    table.lines().iter().for_each(|line| teller.line(line));
    Ok(())
}

fn build(teller: &mut Teller) -> Result<Stage> {
    teller.act("The lab: a cloud and a device on this machine");
    teller.say("The cloud has name servers, contoso's registry with data endpoints in two regions, a bad actor's registry and storage");
    teller.say("account, and a web site. The device is a network namespace with a cgroup. Nothing leaves this machine.");
    let started = Instant::now();
    let stage = Stage::build()?;
    teller.say(format_args!(
        "Built in {:.1} s.",
        started.elapsed().as_secs_f64()
    ));
    Ok(stage)
}

fn try_all(stage: &Stage, teller: &mut Teller, table: &mut Table) -> Result<()> {
    for thing in Thing::ALL {
        let outcome = thing.attempt(stage)?;
        let phase = stage.phase();
        let as_told = outcome.is_as_told(thing.has_to_work(phase));
        teller.tried(thing, &outcome, as_told);
        table.add(phase, thing, &outcome, as_told);
    }
    Ok(())
}

fn enforce(stage: &mut Stage, teller: &mut Teller) -> Result<()> {
    teller.act("The daemon starts on the device: egress-enforcer run");
    let config = fs::read_to_string(stage.enforcer().config())?;
    teller.quote(&shown(&config));
    let started = Instant::now();
    stage.enforce()?;
    let seconds = started.elapsed().as_secs_f64();
    teller.say(format_args!("It enforces, and knows the addresses of every name, after {seconds:.1} s: egress-enforcer endpoints"));
    let endpoints = stage.enforcer().ask(["endpoints"])?.success()?;
    teller.quote(&endpoints);
    for region in ["eastus", "westus"] {
        let name = format!("contoso.{region}.data.azurecr.io");
        teller.check(
            endpoints.contains(&name),
            &format!("{name} is among the endpoints"),
        );
    }
    Ok(())
}

/// The configuration without empty lines and without the paths, which are the lab's own.
fn shown(config: &str) -> String {
    let lines = config.lines().take_while(|line| *line != "[paths]");
    let lines: Vec<&str> = lines.filter(|line| !line.is_empty()).collect();
    lines.join("\n")
}

fn tell(stage: &Stage, teller: &mut Teller) -> Result<()> {
    teller.act("What it says about it");
    let account = IpAddr::from(ACCOUNT).to_string();
    let events = stage.enforcer().json(["events"])?;
    let denial = denial_of(&events, &account);
    let culprit = denial.and_then(|denial| denial["command"].as_str());
    teller.say(format_args!("egress-enforcer events (the last {DENIALS})"));
    let lines = stage.enforcer().ask(["events"])?.success()?;
    teller.quote(&last(&lines, DENIALS));
    let sentence = format!(
        "the denial of the upload names its process: {}",
        culprit.unwrap_or("none")
    );
    teller.check(
        culprit.is_some_and(|command| command.starts_with("python")),
        &sentence,
    );
    let is_https =
        denial.is_some_and(|denial| denial["protocol"] == "tcp" && denial["port"] == 443);
    teller.check(
        is_https,
        "it is told as tcp 443, whatever looked at the address before",
    );

    teller.say(format_args!("egress-enforcer explain {account}"));
    let explained: Finished = stage.enforcer().ask(["explain", &account])?;
    teller.quote(&explained.stdout);
    let denied = explained.status.code() == Some(1) && explained.stdout.contains("denied");
    teller.check(
        denied,
        &format!("explain says that {account} ({HOST}) is denied"),
    );
    Ok(())
}

/// The first event of a process whose way to `address` was denied.
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

fn kill(stage: &mut Stage, teller: &mut Teller) -> Result<()> {
    let pid = stage.enforcer().pid()?;
    teller.act(&format!("The daemon is killed: kill -9 {pid}"));
    stage.kill()?;
    let answers = stage.enforcer().status().is_ok();
    teller.check(!answers, "no daemon answers any more");
    teller.say("The kernel goes on with what it knows, and reads DNS answers itself: an allowed name may still move.");
    Ok(())
}

fn unload(stage: &Stage, teller: &mut Teller) -> Result<()> {
    teller.act("The end: egress-enforcer unload");
    stage
        .enforcer()
        .ask(["unload"])?
        .success()
        .context("unload")?;
    let outcome = Thing::Upload.attempt(stage)?;
    let works = matches!(outcome, Outcome::Works(_));
    teller.check(
        works,
        "nothing is enforced any more: the upload works again",
    );
    teller.say("Cleaning up.");
    Ok(())
}
