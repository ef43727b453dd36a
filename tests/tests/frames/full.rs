//! Connections without a socket where there is no room for more.

use std::collections::BTreeSet;
use std::fs;
use std::mem::offset_of;
use std::path::Path;

use anyhow::{Context as _, Result};
use enforcer::sys::devices;
use enforcer_common::layout::{
    DEVICE_FLOW_RING, DEVICE_FLOWS, DEVICE_HELLOS, DeviceFlowKey, HELLO_SLOTS, MAX_DEVICE_HELLOS,
    Slots, VERSION, VerifiedFlow, pin_name, slot_of,
};
use enforcer_common::tls::PartialFlow;
use lab::bpf::Map;
use lab::clients::keepalive_client::KeepaliveClient;
use lab::fixtures::fixture::Fixture;
use lab::topology::bridged_container::connect;
use lab::topology::netns::Netns;
use serde_json::Value;

use crate::lifecycle::reload;
use crate::scene::{await_alarm, await_state, netns, start};

/// Contoso's login server.
const LOGIN: &str = "198.51.100.10";
const FRAMES: &str = "mode = \"on\"\nforwarded = \"enforce\"";

/// A second container, behind a device of its own.
fn beside(fixture: &Fixture) -> Result<Netns> {
    let other = Netns::new()?;
    netns(fixture).ip(&format!(
        "link add other0 type veth peer name eth0 netns {}\naddress add 10.89.0.1/24 dev other0\nlink set other0 up\n",
        other.path().display()
    ))?;
    other.ip("link set lo up\naddress add 10.89.0.2/24 dev eth0\nlink set eth0 up\nroute add default via 10.89.0.1\n")?;
    let far = fixture.lab.network().cloud();
    far.ip("route add 10.89.0.0/24 via 10.53.0.2\n")?;
    Ok(other)
}

/// Whether a process in `netns` gets an answer from the login server.
fn is_answered(fixture: &Fixture, netns: &Netns) -> Result<bool> {
    let mut client = KeepaliveClient::connect_in(&netns.env(), &fixture.lab, LOGIN)?;
    // A client whose handshake fails ends.
    Ok(client.request().is_ok_and(|answer| answer == "200"))
}

/// The slots that connections from the container can take, whose frames come in by its device and by the bridge.
fn share(fixture: &Fixture) -> Result<BTreeSet<u32>> {
    let found = netns(fixture).run(|| Ok(devices()?))?;
    let mut share = BTreeSet::new();
    for name in ["ctr0", "br0"] {
        let device = found.iter().find(|device| device.name == name);
        let index = device.context("no device")?.index;
        share.extend((0..HELLO_SLOTS).map(|number| slot_of(Slots::Partial, index, number)));
    }
    Ok(share)
}

/// Takes slots for connections that began just now.
fn take(pins: &Path, slots: &BTreeSet<u32>) -> Result<()> {
    let hellos = Map::pinned(&pins.join(pin_name(DEVICE_HELLOS)))?;
    let ring = Map::pinned(&pins.join(pin_name(DEVICE_FLOW_RING)))?;
    let uptime = fs::read_to_string("/proc/uptime")?;
    let seconds: f64 = uptime.split(' ').next().context("no time")?.parse()?;
    let now = u64::try_from(std::time::Duration::from_secs_f64(seconds).as_nanos())?;
    for slot in slots {
        let mut key = [0x20; size_of::<DeviceFlowKey>()];
        key[..4].copy_from_slice(&slot.to_ne_bytes());
        let mut entry = [0; size_of::<PartialFlow>()];
        let mut put = |at: usize, bytes: &[u8]| entry[at..at + bytes.len()].copy_from_slice(bytes);
        put(offset_of!(PartialFlow, slot), &slot.to_ne_bytes());
        put(offset_of!(PartialFlow, last_seen), &now.to_ne_bytes());
        hellos.set(&key, &entry)?;
        ring.set(&slot.to_ne_bytes(), &key)?;
    }
    Ok(())
}

/// The reasons of denials at the login server.
fn reasons(fixture: &Fixture) -> Result<BTreeSet<String>> {
    let events = fixture.enforcer.json(["events", "--dest", LOGIN])?;
    let events = events.as_array().into_iter().flatten();
    let reason = |event: &Value| event["reason"].as_str().map(str::to_owned);
    Ok(events.filter_map(reason).collect())
}

#[test]
fn who_fills_his_share_is_denied_and_nobody_else() -> Result<()> {
    let fixture = start(FRAMES)?;
    let container = Netns::new()?;
    connect(fixture.lab.network(), &container)?;
    let other = beside(&fixture)?;
    for device in ["ctr0", "br0", "other0"] {
        await_state(&fixture, device, Some("filtered"))?;
    }
    let mut verified = KeepaliveClient::connect_in(&container.env(), &fixture.lab, LOGIN)?;
    assert_eq!(verified.request()?, "200");
    assert_eq!(reasons(&fixture)?, BTreeSet::new());

    let share = share(&fixture)?;
    assert!(share.len() < MAX_DEVICE_HELLOS as usize, "{}", share.len());
    let pins = fixture.pins().join(format!("v{VERSION}"));
    take(&pins, &share)?;
    assert!(!is_answered(&fixture, &container)?);
    let alarmed = await_alarm(&fixture, "device-flows-full", true)?;
    let full = BTreeSet::from(["flows-full".to_owned()]);
    assert_eq!(reasons(&fixture)?, full, "{alarmed:#}");
    assert_eq!(verified.request()?, "200", "a verified connection goes on");
    assert!(is_answered(&fixture, &other)?, "another container");
    assert!(fixture.reaches(LOGIN)?, "the host");

    Map::pinned(&pins.join(pin_name(DEVICE_HELLOS)))?.clear()?;
    assert!(is_answered(&fixture, &container)?);
    reload(&fixture, FRAMES)?;
    await_alarm(&fixture, "device-flows-full", false)?;
    Ok(())
}

#[test]
fn a_closed_connection_makes_room() -> Result<()> {
    let fixture = start(FRAMES)?;
    let container = Netns::new()?;
    connect(fixture.lab.network(), &container)?;
    await_state(&fixture, "ctr0", Some("filtered"))?;
    let mut client = KeepaliveClient::connect_in(&container.env(), &fixture.lab, LOGIN)?;
    assert_eq!(client.request()?, "200");
    let pins = fixture.pins().join(format!("v{VERSION}"));
    let times = || -> Result<Vec<Vec<u8>>> {
        let mut times = Vec::new();
        for (map, at) in [
            (DEVICE_FLOWS, offset_of!(VerifiedFlow, last_seen)),
            (DEVICE_HELLOS, offset_of!(PartialFlow, last_seen)),
        ] {
            let values = Map::pinned(&pins.join(pin_name(map)))?.values()?;
            times.extend(values.iter().map(|value| value[at..at + 8].to_vec()));
        }
        Ok(times)
    };
    let is_open = |time: &Vec<u8>| time.iter().any(|byte| *byte != 0);
    // At the bridge's port, at the bridge and at the card.
    let open = times()?;
    assert!(!open.is_empty() && open.iter().all(is_open), "{open:?}");
    drop(client);
    // The last acknowledgement follows the server's FIN, and must not make the connection an open one again.
    let is_closed = |_: &Value| times().is_ok_and(|times| !times.iter().any(is_open));
    fixture.enforcer.await_status("closed", is_closed)?;
    std::thread::sleep(std::time::Duration::from_secs(1));
    assert!(!times()?.iter().any(is_open));
    Ok(())
}
