//! IPsec policies that hide packets from both places.

use anyhow::{Context, Result};
use lab::fixtures::fixture::Fixture;
use serde_json::Value;

use crate::scene::{alarm, await_alarm, netns, start};

const KIND: &str = "ipsec-policy";
/// A policy from an address that sends nothing in the lab.
const ALL: &str = "src 198.51.100.7/32 dst 0.0.0.0/0";
const TUNNEL: &str = "tmpl src 198.51.100.7 dst 198.51.100.8 proto esp mode tunnel";

fn policy(fixture: &Fixture, action: &str, policy: &str) -> Result<()> {
    netns(fixture).ip(&format!("xfrm policy {action} {policy}\n"))
}

fn check(fixture: &Fixture) -> Result<Option<Value>> {
    let report = fixture.enforcer.json(["doctor"])?;
    let mut checks = report["checks"].as_array().context("no checks")?.iter();
    Ok(checks
        .find(|check| check["id"] == "IPsec policies")
        .cloned())
}

#[test]
fn a_tunnel_to_protected_addresses_is_an_alarm_until_it_goes() -> Result<()> {
    let mut fixture = start("mode = \"off\"")?;
    let status = fixture.enforcer.status()?;
    assert_eq!(alarm(&status, KIND), None, "{status}");
    assert_eq!(check(&fixture)?, None);

    // These hide nothing that is protected.
    for harmless in [
        format!("src 198.51.100.1/32 dst 0.0.0.0/0 dir out if_id 7 {TUNNEL}"),
        format!("src 198.51.100.2/32 dst 10.0.0.0/8 dir out {TUNNEL}"),
        format!("src 198.51.100.3/32 dst 0.0.0.0/0 dir in {TUNNEL}"),
        format!("src 198.51.100.4/32 dst 0.0.0.0/0 dir out action block {TUNNEL}"),
        "src 198.51.100.5/32 dst 0.0.0.0/0 dir out".to_owned(),
    ] {
        policy(&fixture, "add", &harmless)?;
    }
    policy(&fixture, "add", &format!("{ALL} dir out {TUNNEL}"))?;
    let status = await_alarm(&fixture, KIND, true)?;
    let message = alarm(&status, KIND).unwrap_or_default();
    assert!(message.contains(ALL) && message.contains("xfrm interface"));
    let alarms = status["alarms"].as_array().context("no alarms")?;
    let alarms = alarms.iter().filter(|alarm| alarm["kind"] == KIND);
    assert_eq!(alarms.count(), 1, "{status}");
    let found = check(&fixture)?.context("doctor says nothing")?;
    assert_eq!(found["outcome"], "failed", "{found}");

    policy(&fixture, "delete", &format!("{ALL} dir out"))?;
    await_alarm(&fixture, KIND, false)?;
    assert_eq!(check(&fixture)?, None);

    fixture.enforcer.end(libc::SIGTERM)?;
    let found = check(&fixture)?.context("doctor says nothing")?;
    assert_eq!(found["outcome"], "ok", "{found}");
    policy(&fixture, "add", &format!("{ALL} dir out {TUNNEL}"))?;
    let found = check(&fixture)?.context("doctor says nothing")?;
    assert!(found["message"].to_string().contains(ALL), "{found}");
    assert_eq!(found["outcome"], "failed", "{found}");
    fixture.enforcer.run()?;
    await_alarm(&fixture, KIND, true)?;
    Ok(())
}
