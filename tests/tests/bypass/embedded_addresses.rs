//! Devices that take the outer address from the inner one: an unprivileged process sends to an IPv6 address that contains a storage account's.

use std::net::{IpAddr, Ipv6Addr};

use anyhow::{Result, bail};
use enforcer_common::Reason;
use serde_json::json;

use crate::{
    bypasses,
    client::{Client, Socket, hex},
    comparison::{Attempt, Target, Technique, With},
    fixture::Fixture,
    lane::{Lane, lane},
    support,
};

/// A kind of device: its name, the lines for ip(8) that create it, and the address that contains another.
type Kind = (
    &'static str,
    &'static str,
    &'static str,
    fn([u16; 2]) -> Ipv6Addr,
);

const KINDS: [Kind; 2] = [
    (
        "6rd (RFC 5969)",
        "t6rd",
        "tunnel add t6rd mode sit local 10.53.0.2 ttl 64\n\
         tunnel 6rd dev t6rd 6rd-prefix fd66::/16\n\
         address add fd66:a35:2::1/16 dev t6rd nodad\n",
        |[high, low]| Ipv6Addr::new(0xfd66, high, low, 0, 0, 0, 0, 1),
    ),
    (
        "ISATAP (RFC 5214)",
        "tisatap",
        "tunnel add tisatap mode isatap local 10.88.0.1 ttl 64\n\
         address add fd67::5efe:a58:1/64 dev tisatap nodad\n",
        |[high, low]| Ipv6Addr::new(0xfd67, 0, 0, 0, 0, 0x5efe, high, low),
    ),
];

struct Sender {
    client: Client,
    socket: Socket,
}

/// Returns the techniques that this kernel can run.
pub(crate) fn techniques(fixture: &Fixture) -> Result<Box<dyn Lane>> {
    let mut client = Client::start_unprivileged(&fixture.host())?;
    let socket = client.open(json!({"do": "datagrams", "address": "::"}))?;
    let mut techniques = Vec::new();
    for (name, device, lines, embed) in KINDS {
        if !support::is_there(fixture, name, lines, &[])? {
            continue;
        }
        fixture.add_device(device, &format!("link set {device} up\n"))?;
        let act = move |_: &Fixture, sender: &mut Sender, attempt: &Attempt| {
            let IpAddr::V4(to) = attempt.to else {
                bail!("no IPv4 address");
            };
            let [a, b, c, d] = to.octets();
            let to = embed([[a, b], [c, d]].map(u16::from_be_bytes));
            let data = hex(&attempt.marker);
            let order = json!({"do": "send_to", "to": to, "port": 443, "data": data});
            sender.client.try_on(sender.socket, order)
        };
        techniques.push(Technique::new(
            format!("an unprivileged process: to an address inside another by {name}"),
            (Target::Storage, true),
            With::Denied(Reason::Storage),
            act,
        ));
    }
    Ok(lane(
        &bypasses::EMBEDDED_ADDRESSES,
        Sender { client, socket },
        techniques,
    ))
}
