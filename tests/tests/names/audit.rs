//! Server names without effect on verdicts: in audit mode, and for a registry with `sni = "off"`.

use anyhow::{Context, Result};
use lab::{
    CONTOSO_LOGIN, Lab, MALLORY_LOGIN, fixtures::enforcer::Enforcer, topology::capture::Capture,
};

use crate::{
    BRIEFLY, LOGIN, REGIONS, attempt_all, await_event,
    client_hello::{at, first_messages},
};

#[test]
fn audit_mode_allows_another_tenant_and_reports_the_reason_of_a_denial() -> Result<()> {
    let lab = Lab::start()?;
    let mut enforcer = Enforcer::prepare(&lab, &REGIONS, "")?;
    enforcer.edit("scope =", "mode = \"audit\"\nscope =")?;
    enforcer.run()?;
    enforcer.await_names()?;
    lab.push_to(MALLORY_LOGIN, &lab.device())?;
    lab.pull()?;
    let reason = "server-name-unknown";
    await_event(&enforcer, "audit", reason, Some(MALLORY_LOGIN))?;
    let events = enforcer.json(["events"])?;
    let events = events.as_array().context("events are no list")?;
    let mut names = events.iter().map(|event| &event["server-name"]);
    assert!(!names.any(|name| name == CONTOSO_LOGIN), "{events:?}");
    Ok(())
}

#[test]
fn audit_mode_allows_every_first_message_and_reports_each_reason() -> Result<()> {
    let lab = Lab::start()?;
    let capture = Capture::watch(lab.network())?;
    let mut enforcer = Enforcer::prepare(&lab, &REGIONS, "")?;
    enforcer.edit("scope =", "mode = \"audit\"\nscope =")?;
    enforcer.run()?;
    enforcer.await_names()?;
    for message in first_messages() {
        capture.take()?;
        let both = [0, 1].map(|family| at(family, &message.bytes, BRIEFLY));
        attempt_all(&lab, both.to_vec())?;
        let received: Vec<_> = capture.take()?.into_iter().map(|flow| flow.bytes).collect();
        assert_eq!(
            received,
            [message.bytes.clone(), message.bytes],
            "{}",
            message.reason
        );
        await_event(&enforcer, "audit", message.reason, message.name)?;
    }
    let events = enforcer.json(["events"])?;
    let events = events.as_array().context("events are no list")?;
    assert!(
        events.iter().all(|event| event["verdict"] == "audit"),
        "{events:?}"
    );
    Ok(())
}

#[test]
fn a_registry_with_sni_off_allows_other_tenants_and_status_reports_the_weakness() -> Result<()> {
    let lab = Lab::start()?;
    let capture = Capture::watch(lab.network())?;
    let mut enforcer = Enforcer::prepare(&lab, &REGIONS, "")?;
    enforcer.edit("\n[dns]", "sni = \"off\"\n\n[dns]")?;
    enforcer.run()?;
    enforcer.await_names()?;
    lab.push_to(MALLORY_LOGIN, &lab.device())?;
    lab.pull()?;
    assert!(!capture.take()?.is_empty());
    let status = enforcer.status()?;
    assert_eq!(status["registries"][0]["sni"], "off", "{status:#?}");
    let weaknesses = status["weaknesses"].as_array().context("no weaknesses")?;
    assert_eq!(weaknesses.len(), 1, "{weaknesses:?}");
    let explained = enforcer.cli(["explain", LOGIN[0], "--sni", MALLORY_LOGIN])?;
    assert_eq!(explained.code(), Some(0), "{explained:?}");
    Ok(())
}
