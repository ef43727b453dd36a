//! Tunnel devices of the host: a process sends to an unprotected address inside, and the outer packet goes to a storage account.

use std::{
    io::{self, Write as _},
    net::IpAddr,
};

use anyhow::Result;
use enforcer_common::Reason;
use serde_json::json;

use crate::{
    client::{Client, Socket, hex},
    comparison::{Attempt, SendResult, Target, Technique, With},
    fixture::Fixture,
    lane::{Lane, lane},
};

/// A kind of device (ip-link(8)), the version of the packets outside, and whether it carries IPv4.
const KINDS: [(&str, bool, bool); 8] = [
    ("vxlan dstport 4790 id 7", true, true),
    ("vxlan dstport 4790 id 7", false, true),
    ("ipip", true, true),
    ("sit", true, false),
    ("gre", true, true),
    ("gretap", true, true),
    ("ip6gre", false, true),
    ("ip6tnl", false, true),
];

/// A process with one socket of each family.
struct Sender {
    client: Client,
    sockets: [Socket; 2],
    devices: u8,
}

/// Whether this kernel has devices of this kind.
fn is_supported(fixture: &Fixture, kind: &str, is_v4: bool) -> bool {
    let (local, remote) = if is_v4 {
        ("10.53.0.2", "203.0.113.254")
    } else {
        ("fd53::2", "2001:db8:b10b::fffe")
    };
    let add = format!("link add try0 type {kind} local {local} remote {remote}\nlink delete try0");
    fixture.network.device().ip(&add).is_ok()
}

/// Creates a device whose other end is the attempt's address, with a network of its own.
fn add_device(fixture: &Fixture, kind: &str, number: u8, attempt: &Attempt) -> Result<[IpAddr; 2]> {
    let local = if attempt.to.is_ipv4() {
        "10.53.0.2"
    } else {
        "fd53::2"
    };
    let to = attempt.to;
    // Each VXLAN device has a network of its own.
    let suffix = if kind.starts_with("vxlan") {
        number.to_string()
    } else {
        String::new()
    };
    let neighbours: [IpAddr; 2] = [
        format!("10.99.{number}.2").parse()?,
        format!("fd99:{number}::2").parse()?,
    ];
    fixture.network.device().ip(&format!(
        "link add t{number} type {kind}{suffix} local {local} remote {to}\n\
         address add 10.99.{number}.1/24 dev t{number}\n\
         address add fd99:{number}::1/64 dev t{number} nodad\n\
         link set t{number} up\n"
    ))?;
    if kind.starts_with("vxlan") || kind.starts_with("gretap") {
        fixture.network.device().ip(&format!(
            "neighbour replace {} lladdr 02:00:00:99:00:02 dev t{number}\n",
            neighbours[0]
        ))?;
    }
    Ok(neighbours)
}

fn technique(kind: &'static str, outside_is_v4: bool, inside_is_v4: bool) -> Technique<Sender> {
    let version = if outside_is_v4 { 4 } else { 6 };
    let act = move |fixture: &Fixture, sender: &mut Sender, attempt: &Attempt| {
        sender.devices += 1;
        let number = sender.devices;
        let to = add_device(fixture, kind, number, attempt)?[usize::from(!inside_is_v4)];
        fixture.await_filters_if_on(&[&format!("t{number}")])?;
        let socket = sender.sockets[usize::from(!inside_is_v4)];
        let order = json!({"do": "send_to", "to": to, "port": 443, "data": hex(&attempt.marker)});
        let sent: SendResult = sender.client.try_on(socket, order)?;
        Ok(sent)
    };
    Technique::new(
        format!("{kind} over IPv{version}"),
        (Target::Storage, outside_is_v4),
        With::Denied(Reason::Storage),
        act,
    )
}

/// Returns the techniques of the kinds of devices that this kernel has.
pub(crate) fn techniques(fixture: &Fixture) -> Result<Box<dyn Lane>> {
    let mut client = Client::start(&fixture.host())?;
    let mut open = |address| client.open(json!({"do": "datagrams", "address": address}));
    let sockets = [open("0.0.0.0")?, open("::")?];
    let sender = Sender {
        client,
        sockets,
        devices: 0,
    };
    let mut techniques = Vec::new();
    for (kind, outside_is_v4, inside_is_v4) in KINDS {
        if is_supported(fixture, kind, outside_is_v4) {
            techniques.push(technique(kind, outside_is_v4, inside_is_v4));
        } else {
            writeln!(
                io::stderr(),
                "NOT RUN: {kind}: this kernel has no such devices"
            )?;
        }
    }
    Ok(lane(sender, techniques))
}
