//! `explain --trace`: the steps of a judgement in order, from a program that only that command loads.

use std::fs;

use anyhow::{Context as _, Result, ensure};
use lab::{CONTOSO_LOGIN, Lab, MALLORY_LOGIN, bpf::Program, fixtures::enforcer::Enforcer};
use serde_json::Value;

use crate::{LOGIN, REGIONS};

/// A storage account.
const STORAGE: &str = "203.0.113.66";
/// The kernel's name of the trace program.
const PROGRAM: &str = "explain_trace";

#[test]
fn explain_trace_prints_the_steps_in_order() -> Result<()> {
    let lab = Lab::start()?;
    let enforcer = Enforcer::start(&lab, &REGIONS, "")?;
    enforcer.await_names()?;

    let allowed = ["explain", "--trace", LOGIN[0], "--sni", CONTOSO_LOGIN];
    assert_eq!(
        steps(&enforcer, &allowed, 0)?,
        [
            "header: ip-version=4 parsed=with-port protocol=tcp port=443 destination=198.51.100.10",
            "class: address=198.51.100.10 class=registry",
            "exception: address=198.51.100.10 covered-by=none",
            "allowed-name: address=198.51.100.10 resolves=true",
            "decision: destination=198.51.100.10 reason=allowed-name",
            "segment: payload-bytes=79",
            "grant: number=any pattern-number=none cgroup=none granted=false",
            "server-name: name=contoso.azurecr.io",
            "name-entry: number=N",
            "name-entry: number=none",
            "grant: number=N pattern-number=none cgroup=none granted=true",
            "client-hello: reason=none",
            "verdict: denied=false reason=allowed-name passes=true",
        ]
    );
    let storage = ["explain", "--trace", STORAGE];
    assert_eq!(
        steps(&enforcer, &storage, 1)?,
        [
            "header: ip-version=4 parsed=with-port protocol=tcp port=443 destination=203.0.113.66",
            "class: address=203.0.113.66 class=storage",
            "exception: address=203.0.113.66 covered-by=none",
            "allowed-name: address=203.0.113.66 resolves=false",
            "decision: destination=203.0.113.66 reason=storage",
            "verdict: denied=true reason=storage passes=false",
        ]
    );
    let wrong_name = ["explain", "--trace", LOGIN[1], "--sni", MALLORY_LOGIN];
    let steps = steps(&enforcer, &wrong_name, 1)?;
    let end = [
        "server-name: name=mallory.azurecr.io",
        "name-entry: number=none",
        "name-entry: number=none",
        "client-hello: reason=server-name-unknown",
        "verdict: denied=true reason=server-name-unknown passes=false",
    ];
    assert!(steps.ends_with(&end.map(str::to_owned)), "{steps:#?}");
    Ok(())
}

#[test]
fn a_trace_changes_no_answer_and_leaves_nothing() -> Result<()> {
    let lab = Lab::start()?;
    let enforcer = Enforcer::start(&lab, &REGIONS, "")?;
    enforcer.await_names()?;
    let before = counted(&enforcer)?;
    for asked in [
        [LOGIN[0], "--sni", CONTOSO_LOGIN],
        [LOGIN[1], "--sni", MALLORY_LOGIN],
        [STORAGE, "--proto", "udp"],
    ] {
        let plain = [&["explain"], asked.as_slice()].concat();
        let traced = [&["explain", "--trace"], asked.as_slice()].concat();
        let mut json = enforcer.json(&traced)?;
        let trace = json["answers"][0]
            .as_object_mut()
            .and_then(|answer| answer.remove("trace"));
        let trace = trace.context("no trace")?;
        let last = trace.as_array().and_then(|steps| steps.last());
        let last = last.context("no step")?;
        assert_eq!(last["step"], "verdict", "{trace:#}");
        assert_eq!(last["reason"], json["answers"][0]["reason"], "{trace:#}");
        assert_eq!(json, enforcer.json(&plain)?);
    }
    assert_eq!(counted(&enforcer)?, before);
    assert_eq!(enforcer.json(["events"])?, Value::from(Vec::<Value>::new()));

    let programs = programs_of(enforcer.pid()?)?;
    assert!(programs.iter().any(|name| name == "egress"), "{programs:?}");
    assert!(!programs.iter().any(|name| name == PROGRAM), "{programs:?}");
    Ok(())
}

/// Returns the steps that `explain` prints, with `N` for the number of an allowed name.
fn steps(enforcer: &Enforcer, arguments: &[&str], exit: i32) -> Result<Vec<String>> {
    let output = enforcer.cli(arguments)?;
    ensure!(output.code() == Some(exit), "{arguments:?}: {output:?}");
    let lines = output.stdout.lines();
    let lines = lines.filter_map(|line| line.strip_prefix("    "));
    // The configuration that would allow the destination may be indented as well.
    let is_step = |line: &&str| {
        let fields = line.split_once(": ");
        fields.is_some_and(|(_, fields)| fields.contains('='))
    };
    Ok(lines.filter(is_step).map(without_number).collect())
}

fn without_number(step: &str) -> String {
    let words = step.split(' ').map(|word| match word.split_once('=') {
        Some(("number", value)) if value.parse::<u32>().is_ok() => "number=N",
        _ => word,
    });
    words.collect::<Vec<_>>().join(" ")
}

/// Returns the packets and calls that the attached programs counted.
fn counted(enforcer: &Enforcer) -> Result<Value> {
    let counters = enforcer.status()?["counters"].clone();
    ensure!(counters.is_object(), "no counters");
    Ok(counters)
}

/// Returns the names of the programs that a process holds open.
fn programs_of(pid: u32) -> Result<Vec<String>> {
    let mut names = Vec::new();
    for entry in fs::read_dir(format!("/proc/{pid}/fdinfo"))? {
        // A descriptor may be closed meanwhile.
        let text = fs::read_to_string(entry?.path()).unwrap_or_default();
        let id = text.lines().find_map(|line| line.strip_prefix("prog_id:"));
        if let Some(id) = id {
            names.push(Program::by_id(id.trim().parse()?)?.info()?.name);
        }
    }
    Ok(names)
}
