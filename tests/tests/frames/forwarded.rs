//! Frames that the host forwards: those of other hosts have a mode of their own.

use std::collections::BTreeSet;

use anyhow::{Context as _, Result, ensure};
use lab::fixtures::fixture::{EVIL, Fixture};
use lab::topology::netns::Netns;
use serde_json::Value;

use crate::lifecycle::reload;
use crate::scene::{await_state, netns, start};

/// Datagrams to send, and a script that sends them to an address.
const DATAGRAMS: u64 = 5;
const SEND: &str = "import socket, sys\n\
    for _ in range(5):\n    \
    udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)\n    \
    udp.bind((sys.argv[2], 0))\n    \
    udp.sendto(b'x', (sys.argv[1], 443))\n";
/// Addresses of the host behind `lan0`.
const OTHERS: [&str; 2] = ["10.77.0.2", "10.77.0.4"];
const STORAGE: &str = "203.0.113.66";
/// A storage account whose route leads back to the device that the frame came in by.
const BACK: &str = "203.0.113.99";

/// A host behind the device `lan0`, which the lab's device forwards for.
fn connect(fixture: &Fixture) -> Result<Netns> {
    let other = Netns::new()?;
    let device = netns(fixture);
    device.run(|| Ok(std::fs::write("/proc/sys/net/ipv4/ip_forward", "1")?))?;
    device.ip(&format!(
        "link add lan0 type veth peer name eth0 netns {}\naddress add 10.77.0.1/24 dev lan0\nlink set lan0 up\n\
         route add {BACK} via 10.77.0.3 dev lan0\nneighbour add 10.77.0.3 lladdr 02:00:00:00:00:03 dev lan0\n",
        other.path().display()
    ))?;
    other.ip(
        "link set lo up\naddress add 10.77.0.2/24 dev eth0\naddress add 10.77.0.4/24 dev eth0\n\
         link set eth0 up\nroute add default via 10.77.0.1\n",
    )?;
    Ok(other)
}

/// Sends datagrams to the storage account, and returns how many left the device.
fn forwarded(fixture: &Fixture, other: &Netns) -> Result<u64> {
    forwarded_from(fixture, other, OTHERS[0])
}

fn forwarded_from(fixture: &Fixture, other: &Netns, from: &str) -> Result<u64> {
    let before = fixture.counter.packets_to(&EVIL)?;
    send(other, STORAGE, from)?;
    Ok(fixture.counter.packets_to(&EVIL)? - before)
}

fn send(other: &Netns, to: &str, from: &str) -> Result<()> {
    let mut command = other.env().command("python3");
    let sent = command.args(["-S", "-B", "-c", SEND, to, from]).output()?;
    ensure!(sent.status.success(), "{sent:?}");
    Ok(())
}

/// Waits until a field of the events about a destination at devices has the expected values.
fn await_fields(fixture: &Fixture, to: &str, field: &str, expected: &[&str]) -> Result<()> {
    let are_expected = |_: &Value| {
        let fields = fields_of(fixture, to, field).unwrap_or_default();
        fields.iter().eq(expected)
    };
    let what = format!("{field} of {to}: {expected:?}");
    fixture.enforcer.await_status(&what, are_expected)?;
    Ok(())
}

/// The different values of a field of the events about a destination at devices.
fn fields_of(fixture: &Fixture, to: &str, field: &str) -> Result<BTreeSet<String>> {
    let events = events_to(fixture, to)?;
    let fields = events
        .iter()
        .filter_map(|event| Some(event[field].as_str()?.to_owned()));
    Ok(fields.collect())
}

/// How many denials at devices are reported for a destination.
fn denials(fixture: &Fixture, to: &str) -> Result<u64> {
    let events = events_to(fixture, to)?;
    let denials = events.iter().filter(|event| event["verdict"] == "deny");
    let counts = denials.map(|event| event["duplicates"].as_u64().unwrap_or_default() + 1);
    Ok(counts.sum())
}

fn events_to(fixture: &Fixture, to: &str) -> Result<Vec<Value>> {
    let events = fixture.enforcer.json(["events"])?;
    let mut events = events.as_array().context("no list")?.clone();
    events.retain(|event| event["hook"] == "device" && event["destination"] == to);
    Ok(events)
}

/// Waits until the status says what happens to denied frames that came in by `lan0`.
fn await_forwarded(fixture: &Fixture, expected: Option<&str>) -> Result<()> {
    let is_expected = |status: &Value| {
        let mut devices = status["devices"].as_array().into_iter().flatten();
        let device = devices.find(|device| device["name"] == "lan0");
        device.is_some_and(|device| device["forwarded"].as_str() == expected)
    };
    let what = format!("forwarded: {expected:?}");
    fixture.enforcer.await_status(&what, is_expected)?;
    Ok(())
}

#[test]
fn frames_of_other_hosts_are_reported_dropped_or_ignored() -> Result<()> {
    // No device of this test is a network card.
    let fixture = start("mode = \"on\"")?;
    await_state(&fixture, "eth0", Some("filtered"))?;
    let other = connect(&fixture)?;
    await_state(&fixture, "lan0", Some("filtered"))?;
    assert_eq!(forwarded(&fixture, &other)?, 0, "like a container");
    await_fields(&fixture, STORAGE, "verdict", &["deny"])?;

    let outside = "mode = \"on\"\nforwarded-from = [\"lan0\"]";
    reload(&fixture, &format!("{outside}\nforwarded = \"audit\""))?;
    await_forwarded(&fixture, Some("audit"))?;
    assert_eq!(forwarded(&fixture, &other)?, DATAGRAMS);
    await_fields(&fixture, STORAGE, "verdict", &["audit", "deny"])?;
    let would_be_denied = |status: &Value| {
        let listed = status["audited"].as_array().map_or(&[][..], Vec::as_slice);
        let to_storage = |one: &Value| one["destination"] == STORAGE && one["device"] == "eth0";
        listed.len() == 1 && listed.iter().all(to_storage)
    };
    let what = "what enforcement would cut";
    fixture.enforcer.await_status(what, would_be_denied)?;
    // A frame that leaves by the device it came in by may be a container's that shares the card.
    send(&other, BACK, OTHERS[0])?;
    await_fields(&fixture, BACK, "verdict", &["deny"])?;
    // What the host itself sends is judged as before.
    fixture.check_pull_and_exfiltration()?;

    reload(&fixture, &format!("{outside}\nforwarded = \"enforce\""))?;
    await_forwarded(&fixture, None)?;
    assert_eq!(forwarded(&fixture, &other)?, 0);
    reload(&fixture, &format!("{outside}\nforwarded = \"pass\""))?;
    await_forwarded(&fixture, Some("pass"))?;
    // Without an event.
    assert_eq!(forwarded_from(&fixture, &other, OTHERS[1])?, DATAGRAMS);
    reload(&fixture, "mode = \"on\"")?;
    await_forwarded(&fixture, None)?;
    assert_eq!(forwarded(&fixture, &other)?, 0);
    // Further denials are reported as a sum, some seconds later.
    let all = |_: &Value| denials(&fixture, STORAGE).is_ok_and(|count| count == 3 * DATAGRAMS);
    fixture.enforcer.await_status("all denials", all)?;
    await_fields(&fixture, STORAGE, "source", &OTHERS[..1])?;
    Ok(())
}

#[test]
fn frames_of_two_containers_are_two_events() -> Result<()> {
    let fixture = start("mode = \"on\"")?;
    await_state(&fixture, "eth0", Some("filtered"))?;
    let other = connect(&fixture)?;
    await_state(&fixture, "lan0", Some("filtered"))?;
    for from in OTHERS {
        send(&other, STORAGE, from)?;
    }
    await_fields(&fixture, STORAGE, "source", &OTHERS)
}
