//! A host that forwards for others, and only reports what it would deny: a change of version loses no frame.

use std::{fs, time::Duration};

use anyhow::{Result, ensure};
use lab::{
    fixtures::{
        fixture::{EVIL, Fixture},
        process::Running,
    },
    topology::netns::Netns,
};
use serde_json::Value;

use crate::{STREAM, frames::knows_filters, report, version::both};

const FRAMES: &str =
    "[frames]\nmode = \"on\"\nforwarded = \"audit\"\nforwarded-from = [\"lan0\"]\n";
const LIMIT: Duration = Duration::from_secs(10);
/// Sends a numbered datagram to a storage account each millisecond until its standard input ends, and prints how many.
const SEND: &str = "import select, socket, sys\n\
    sent, sender = 0, socket.socket(socket.AF_INET, socket.SOCK_DGRAM)\n\
    while not select.select([sys.stdin], [], [], 0.001)[0]:\n    \
    sent += sender.sendto(b'x', ('203.0.113.66', 443))\n\
    print(sent)\n";

/// A host behind the device `lan0`, which the lab's device forwards for.
fn connect(fixture: &Fixture) -> Result<Netns> {
    let other = Netns::new()?;
    let device = fixture.lab.network().device();
    device.run(|| Ok(fs::write("/proc/sys/net/ipv4/ip_forward", "1")?))?;
    device.ip(&format!(
        "link add lan0 type veth peer name eth0 netns {}\naddress add 10.77.0.1/24 dev lan0\nlink set lan0 up\n",
        other.path().display()
    ))?;
    other.ip("link set lo up\naddress add 10.77.0.2/24 dev eth0\nlink set eth0 up\nroute add default via 10.77.0.1\n")?;
    Ok(other)
}

fn is_audited(status: &Value) -> bool {
    let mut devices = status["devices"].as_array().into_iter().flatten();
    devices.any(|device| device["name"] == "lan0" && device["forwarded"] == "audit")
}

#[test]
fn a_gateway_that_reports_only_loses_nothing() -> Result<()> {
    let [present, other] = both()?;
    if !knows_filters(&other)? {
        report("a gateway: NOT RUN: the other version does not know filters of network devices");
        return Ok(());
    }
    let mut fixture = Fixture::prepare(STREAM, FRAMES)?;
    let behind = connect(&fixture)?;
    present.take_over(&mut fixture)?;
    fixture
        .enforcer
        .await_status("frames of others are reported", is_audited)?;

    let (input, stop) = std::io::pipe()?;
    let (mut output, sent) = std::io::pipe()?;
    let mut python = behind.env().command("python3");
    python
        .args(["-S", "-B", "-c", SEND])
        .stdin(input)
        .stdout(sent);
    let mut sender = Running::start("datagrams", python)?;
    for version in [&other, &present] {
        ensure!(fixture.enforcer.end(libc::SIGTERM)?.success());
        version.take_over(&mut fixture)?;
        fixture
            .enforcer
            .await_status("frames of others are reported", is_audited)?;
    }
    drop(stop);
    ensure!(sender.wait(LIMIT)?.is_some(), "datagrams are sent on");
    let mut text = String::new();
    std::io::Read::read_to_string(&mut output, &mut text)?;
    let sent: u64 = text.trim().parse()?;
    let arrived = fixture.counter.packets_to(&EVIL)?;
    report(&format!(
        "a gateway: {arrived} of {sent} datagrams of another host arrive"
    ));
    ensure!(sent > 500 && arrived == sent, "{arrived} of {sent}");
    Ok(())
}
