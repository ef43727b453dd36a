//! A socket memory limit that is too small for flow state is reported with its fix.

use std::fs;

use anyhow::{Context as _, Result};
use lab::{Lab, fixtures::enforcer::Enforcer};
use serde_json::Value;

use crate::REGIONS;

/// Per network namespace since Linux 6.9; before, visible in the initial one only.
const OPTMEM_MAX: &str = "/proc/sys/net/core/optmem_max";

#[test]
fn insufficient_socket_memory_is_reported_by_an_alarm_and_by_doctor_until_it_suffices() -> Result<()>
{
    let lab = Lab::start()?;
    let set = |limit: &str| {
        lab.network()
            .device()
            .run(|| Ok(fs::write(OPTMEM_MAX, limit)?))
    };
    if lab
        .network()
        .device()
        .run(|| Ok(!fs::exists(OPTMEM_MAX)?))?
    {
        println!("NOT RUN: this kernel has one limit of socket memory for all network namespaces");
        return Ok(());
    }
    set("4096")?;
    let enforcer = Enforcer::start(&lab, &REGIONS, "")?;
    enforcer.await_names()?;
    assert!(
        lab.pull().is_err(),
        "a handshake was verified without memory"
    );
    let alarmed = |status: &Value| {
        let alarms = status["alarms"].as_array();
        alarms.is_some_and(|alarms| alarms.iter().any(|alarm| alarm["kind"] == "socket-memory"))
    };
    let status = enforcer.await_status("the alarm", alarmed)?;
    assert!(
        status
            .to_string()
            .contains("sysctl -w net.core.optmem_max="),
        "{status:#}"
    );
    let finding = finding(&enforcer)?;
    assert_eq!(finding["outcome"], "failed", "{finding}");
    assert!(
        finding["fix"].to_string().contains("sysctl -w"),
        "{finding}"
    );
    set("20480")?;
    lab.pull().with_context(|| enforcer.log())?;
    enforcer.await_status("the end of the alarm", |status| !alarmed(status))?;
    Ok(())
}

fn finding(enforcer: &Enforcer) -> Result<Value> {
    let output = enforcer.cli(["doctor", "--json"])?;
    let report: Value = serde_json::from_str(&output.stdout)?;
    let findings = report["checks"].as_array().context("no findings")?;
    let of_memory = findings
        .iter()
        .find(|finding| finding["id"] == "socket memory");
    of_memory.cloned().context("no check of socket memory")
}
