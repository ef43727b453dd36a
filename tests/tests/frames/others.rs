//! Filters of other programs at the same devices.

use anyhow::Result;
use enforcer::sys::{Filter, TcHook};
use lab::{fixtures::fixture::Fixture, topology::netns::Netns};

use crate::listing::BYTECODE;
use crate::scene::{
    alarm, await_alarm, await_state, is_own, listed, netns, prepare, programs, tc, tc_with,
};

fn add_bpf(netns: &Netns, priority: u16) -> Result<()> {
    let place = format!("dev eth0 egress protocol all pref {priority} handle 1");
    let arguments = format!("filter add {place} bpf da bytecode");
    tc_with(netns, arguments.split(' ').chain([BYTECODE]))
}

fn foreign(netns: &Netns) -> Result<Vec<Filter>> {
    let mut filters = Vec::new();
    for hook in TcHook::ALL {
        filters.extend(listed(netns, "eth0", hook)?);
    }
    filters.retain(|filter| !is_own(filter));
    Ok(filters)
}

fn is_first(fixture: &Fixture) -> Result<bool> {
    let egress = listed(netns(fixture), "eth0", TcHook::Egress)?;
    Ok(egress.first().is_some_and(is_own))
}

#[test]
fn they_stay_and_run_later() -> Result<()> {
    let mut fixture = prepare("mode = \"on\"")?;
    tc(netns(&fixture), "qdisc add dev eth0 clsact")?;
    add_bpf(netns(&fixture), 1)?;
    tc(
        netns(&fixture),
        "filter add dev eth0 ingress protocol all pref 2 u32 match u32 0 0",
    )?;
    let before = foreign(netns(&fixture))?;
    fixture.enforcer.run()?;
    let status = await_state(&fixture, "eth0", Some("filtered"))?;
    assert_eq!(alarm(&status, "device-filter-shadowed"), None, "{status}");
    assert!(is_first(&fixture)?);
    assert_eq!(foreign(netns(&fixture))?, before);

    // One that is added later runs before, until the daemon attaches its filter again.
    tc(
        netns(&fixture),
        "filter del dev eth0 egress pref 1 handle 1 bpf",
    )?;
    let first = programs(netns(&fixture), "eth0")?;
    add_bpf(netns(&fixture), 1)?;
    let displaced = |_: &serde_json::Value| is_first(&fixture).unwrap_or(false);
    let status = fixture
        .enforcer
        .await_status("the filter is first", displaced)?;
    assert_eq!(alarm(&status, "device-filter-lost"), None, "{status}");
    assert_eq!(programs(netns(&fixture), "eth0")?, first);
    assert_eq!(foreign(netns(&fixture))?, before);

    fixture.enforcer.kill()?;
    fixture.enforcer.run()?;
    await_state(&fixture, "eth0", Some("filtered"))?;
    fixture.enforcer.end(libc::SIGTERM)?;
    fixture.enforcer.cli(["unload"])?.success()?;
    assert_eq!(foreign(netns(&fixture))?, before);
    Ok(())
}

#[test]
fn those_that_must_run_before_are_an_alarm() -> Result<()> {
    let mut fixture = prepare("mode = \"on\"")?;
    tc(netns(&fixture), "qdisc add dev eth0 clsact")?;
    let u32_filter = "dev eth0 egress protocol ip pref 1";
    tc(
        netns(&fixture),
        &format!("filter add {u32_filter} u32 match u32 0 0"),
    )?;
    fixture.enforcer.run()?;
    let status = await_alarm(&fixture, "device-filter-shadowed", true)?;
    let message = alarm(&status, "device-filter-shadowed").unwrap_or_default();
    assert!(
        message.contains("eth0") && message.contains("u32"),
        "{message}"
    );
    await_state(&fixture, "eth0", Some("filtered"))?;
    tc(netns(&fixture), &format!("filter del {u32_filter}"))?;
    await_alarm(&fixture, "device-filter-shadowed", false)?;
    assert!(is_first(&fixture)?);
    Ok(())
}

#[test]
fn a_discipline_in_the_place_of_clsact_is_an_alarm() -> Result<()> {
    let mut fixture = prepare("mode = \"on\"")?;
    netns(&fixture).ip("link add veth0 type veth peer name veth1\n")?;
    tc(netns(&fixture), "qdisc add dev veth0 ingress")?;
    fixture.enforcer.run()?;
    let status = await_alarm(&fixture, "device-unfiltered", true)?;
    let message = alarm(&status, "device-unfiltered").unwrap_or_default();
    assert!(
        message.contains("veth0") && message.contains("clsact"),
        "{message}"
    );
    await_state(&fixture, "veth1", Some("filtered"))?;
    assert_eq!(listed(netns(&fixture), "veth0", TcHook::Ingress)?, []);
    let report = fixture.enforcer.json(["doctor"])?.to_string();
    assert!(report.contains("without filters: veth0"), "{report}");
    tc(netns(&fixture), "qdisc del dev veth0 ingress")?;
    await_state(&fixture, "veth0", Some("filtered"))?;
    await_alarm(&fixture, "device-unfiltered", false)?;
    Ok(())
}
