//! Tunnel devices of the host: a process sends to an unprotected address inside, and the outer packet goes to a storage account.

use std::net::IpAddr;

use anyhow::Result;
use enforcer_common::Reason;
use serde_json::json;

use crate::{
    bypasses,
    client::{Client, Socket, hex},
    comparison::{Attempt, SendResult, Target, Technique, With},
    fixture::Fixture,
    lane::{Lane, lane},
    support,
};

/// A kind of device.
#[derive(Clone, Copy)]
struct Kind {
    name: &'static str,
    /// Lines for ip(8) that create it; `N` is its number, `LOCAL` and `REMOTE` are the outer addresses.
    lines: &'static str,
    /// Whether the packets outside and those inside are IPv4.
    outside_is_v4: bool,
    inside_is_v4: bool,
}

const fn kind(
    name: &'static str,
    lines: &'static str,
    outside_is_v4: bool,
    inside_is_v4: bool,
) -> Kind {
    Kind {
        name,
        lines,
        outside_is_v4,
        inside_is_v4,
    }
}

const VXLAN: &str = "link add tN type vxlan id N dstport 4790 local LOCAL remote REMOTE\n";
const GENEVE: &str = "link add tN type geneve id N remote REMOTE\n";
const L2TP: &str = "l2tp add tunnel tunnel_id N peer_tunnel_id N encap udp local LOCAL remote REMOTE udp_sport 60N udp_dport 1701\n\
    l2tp add session name tN tunnel_id N session_id N peer_session_id N\n";
const KINDS: [Kind; 17] = [
    kind("vxlan over IPv4", VXLAN, true, true),
    kind("vxlan over IPv6", VXLAN, false, true),
    kind("geneve over IPv4", GENEVE, true, true),
    kind("geneve over IPv6", GENEVE, false, true),
    kind(
        "ipip",
        "link add tN type ipip local LOCAL remote REMOTE\n",
        true,
        true,
    ),
    kind(
        "sit",
        "link add tN type sit local LOCAL remote REMOTE\n",
        true,
        false,
    ),
    kind(
        "gre",
        "link add tN type gre local LOCAL remote REMOTE\n",
        true,
        true,
    ),
    kind(
        "gretap",
        "link add tN type gretap local LOCAL remote REMOTE\n",
        true,
        true,
    ),
    kind(
        "erspan",
        "link add tN type erspan local LOCAL remote REMOTE seq key N erspan_ver 1 erspan 5\n",
        true,
        true,
    ),
    kind(
        "ip6gre",
        "link add tN type ip6gre local LOCAL remote REMOTE\n",
        false,
        true,
    ),
    kind(
        "ip6erspan",
        "link add tN type ip6erspan local LOCAL remote REMOTE seq key N erspan_ver 1 erspan 5\n",
        false,
        true,
    ),
    kind(
        "ip6tnl",
        "link add tN type ip6tnl mode any local LOCAL remote REMOTE\n",
        false,
        true,
    ),
    kind("L2TPv3 over IPv4", L2TP, true, true),
    kind("L2TPv3 over IPv6", L2TP, false, true),
    kind(
        "ipip in Foo-over-UDP",
        "link add tN type ipip local LOCAL remote REMOTE encap fou encap-sport 5557 encap-dport 5555\n",
        true,
        true,
    ),
    kind(
        "sit in Generic UDP Encapsulation",
        "link add tN type sit local LOCAL remote REMOTE encap gue encap-sport 5557 encap-dport 5555\n",
        true,
        false,
    ),
    kind(
        "gre in Generic UDP Encapsulation",
        "link add tN type gre local LOCAL remote REMOTE encap gue encap-sport 5557 encap-dport 5555\n",
        true,
        true,
    ),
];

/// A process with one socket of each family.
struct Sender {
    client: Client,
    sockets: [Socket; 2],
    /// How many devices there are.
    devices: u8,
}

impl Kind {
    /// Lines that create device `number` with this other end.
    fn lines(self, number: u8, remote: &str) -> String {
        let local = if self.outside_is_v4 {
            "10.53.0.2"
        } else {
            "fd53::2"
        };
        self.lines
            .replace("LOCAL", local)
            .replace("REMOTE", remote)
            .replace("tN", &format!("t{number}"))
            .replace('N', &number.to_string())
    }

    /// Whether this kernel has such devices.
    fn is_supported(self, fixture: &Fixture) -> Result<bool> {
        let remote = if self.outside_is_v4 {
            "203.0.113.254"
        } else {
            "2001:db8:b10b::fffe"
        };
        // The kernel deletes some devices later.
        let number = if self.outside_is_v4 { 98 } else { 99 };
        // Deleting the tunnel deletes the device of an L2TP session.
        let delete = if self.lines.starts_with("l2tp") {
            format!("l2tp del tunnel tunnel_id {number}\n")
        } else {
            format!("link delete t{number}\n")
        };
        let lines = self.lines(number, remote) + &delete;
        support::is_there(fixture, self.name, &lines, &[])
    }

    /// Creates a device whose other end is the attempt's address, with a network of its own; returns the addresses of that end there.
    fn add_device(self, fixture: &Fixture, number: u8, attempt: &Attempt) -> Result<[IpAddr; 2]> {
        let neighbours: [IpAddr; 2] = [
            format!("10.99.{number}.2").parse()?,
            format!("fd99:{number}::2").parse()?,
        ];
        let lines = self.lines(number, &attempt.to.to_string());
        let device = format!("t{number}");
        fixture.add_device(
            &device,
            &format!(
                "{lines}address add 10.99.{number}.1/24 dev {device}\n\
                 address add fd99:{number}::1/64 dev {device} nodad\n\
                 link set {device} up\n"
            ),
        )?;
        let neighbour = format!(
            "neighbour replace {} lladdr 02:00:00:99:00:02 dev {device}\n",
            neighbours[0]
        );
        // Devices without Ethernet headers need none.
        let _may_fail = fixture.network.device().ip(&neighbour);
        Ok(neighbours)
    }
}

fn technique(kind: Kind) -> Technique<Sender> {
    let inside = usize::from(!kind.inside_is_v4);
    let act = move |fixture: &Fixture, sender: &mut Sender, attempt: &Attempt| {
        sender.devices += 1;
        let to = kind.add_device(fixture, sender.devices, attempt)?[inside];
        let socket = sender.sockets[inside];
        let order = json!({"do": "send_to", "to": to, "port": 443, "data": hex(&attempt.marker)});
        let sent: SendResult = sender.client.try_on(socket, order)?;
        Ok(sent)
    };
    Technique::new(
        format!("a device of the host: {}", kind.name),
        (Target::Storage, kind.outside_is_v4),
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
    for kind in KINDS {
        if kind.is_supported(fixture)? {
            techniques.push(technique(kind));
        }
    }
    Ok(lane(&bypasses::TUNNEL_DEVICES, sender, techniques))
}
