//! Filters of other programs at the same devices.

use std::{
    thread,
    time::{Duration, Instant},
};

use anyhow::{Result, ensure};
use enforcer::sys::{Filter, TcHook};
use lab::{
    fixtures::{fixture::Fixture, process::run},
    topology::netns::Netns,
};

use crate::listing::BYTECODE;
use crate::scene::{
    alarm, await_alarm, await_state, is_own, listed, netns, prepare, programs, tc, tc_with,
};

const LIMIT: Duration = Duration::from_secs(60);
const PAUSE: Duration = Duration::from_millis(10);

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

/// An address of which somebody else's filter drops the packets, and one beside it.
const DROPPED: [&str; 2] = ["192.0.2.99", "192.0.2.98"];
/// A program that drops (2) IPv4 packets to the first one, and lets all others pass (0).
const DROPS: &str = "4,32 0 0 30,21 0 1 3221226083,6 0 0 2,6 0 0 0,";
const SEND: &str = "import socket, sys\n\
    for to in sys.argv[1:]:\n    \
    socket.socket(socket.AF_INET, socket.SOCK_DGRAM).sendto(b'x', (to, 9))\n";

/// How many datagrams to each of the two addresses arrive.
fn arrived(fixture: &Fixture) -> Result<[u64; 2]> {
    let count = || -> Result<[u64; 2]> {
        let [first, second] = DROPPED.map(|to| format!("{to}/32"));
        let counter = &fixture.counter;
        Ok([
            counter.packets_to(&[&first])?,
            counter.packets_to(&[&second])?,
        ])
    };
    let before = count()?;
    let mut python = fixture.lab.device().command("python3");
    python.args(["-S", "-B", "-c", SEND]).args(DROPPED);
    run(python, LIMIT)?.success()?;
    // The second one is sent last.
    let deadline = Instant::now() + LIMIT;
    while count()?[1] == before[1] && Instant::now() < deadline {
        thread::sleep(PAUSE);
    }
    let after = count()?;
    Ok([after[0] - before[0], after[1] - before[1]])
}

/// The disciplines of `eth0`, but for the one of the filters.
fn disciplines(netns: &Netns) -> Result<String> {
    let mut tc = netns.env().command("tc");
    tc.args(["qdisc", "show", "dev", "eth0"]);
    let listed = run(tc, LIMIT)?.success()?;
    let lines = listed.lines().filter(|line| !line.contains("clsact"));
    Ok(lines.collect::<Vec<_>>().join("\n"))
}

#[test]
fn a_filter_behind_is_called_and_a_root_discipline_stays() -> Result<()> {
    let mut fixture = prepare("mode = \"on\"")?;
    let device = |fixture: &Fixture, arguments: &str| tc(netns(fixture), arguments);
    let shaped = "root handle 7: tbf rate 1gbit burst 100kb latency 50ms";
    device(&fixture, &format!("qdisc add dev eth0 {shaped}"))?;
    device(&fixture, "qdisc add dev eth0 clsact")?;
    let place = "filter add dev eth0 egress protocol all pref 2 handle 1 bpf da bytecode";
    tc_with(netns(&fixture), place.split(' ').chain([DROPS]))?;
    let filters = foreign(netns(&fixture))?;
    let before = disciplines(netns(&fixture))?;
    assert!(before.contains("tbf 7: root"), "{before}");
    let check = |fixture: &Fixture, when: &str| -> Result<()> {
        let (others, found) = (foreign(netns(fixture))?, disciplines(netns(fixture))?);
        let arrived = arrived(fixture)?;
        let is_kept = others == filters && found == before;
        ensure!(
            arrived == [0, 1] && is_kept,
            "{when}: {arrived:?} {found} {others:?}"
        );
        Ok(())
    };
    check(&fixture, "without the daemon")?;
    fixture.enforcer.run()?;
    await_state(&fixture, "eth0", Some("filtered"))?;
    assert!(is_first(&fixture)?);
    check(&fixture, "with the daemon")?;

    // What programs that manage networks do when they apply their configuration again.
    netns(&fixture).ip(
        "link set eth0 down\nlink set eth0 mtu 1400\nlink set eth0 up\n\
        address replace 10.53.0.2/24 dev eth0\nroute replace default via 10.53.0.1\n",
    )?;
    device(&fixture, &format!("qdisc replace dev eth0 {shaped}"))?;
    check(&fixture, "with the device set up again")?;
    assert!(is_first(&fixture)?);
    let status = fixture.enforcer.status()?;
    assert_eq!(alarm(&status, "device-filter-lost"), None, "{status}");

    fixture.enforcer.end(libc::SIGTERM)?;
    check(&fixture, "with the daemon stopped")?;
    fixture.enforcer.cli(["unload"])?.success()?;
    check(&fixture, "unloaded")
}
