//! A network device in the hands of an unprivileged process, as VPN programs and virtual machines have one: what it writes, the host forwards.

use std::net::Ipv4Addr;

use anyhow::{Context as _, Result};
use enforcer_common::Reason;
use serde_json::json;
use test_data::packet::udp_packet;

use crate::{
    bypasses,
    client::{Client, NOBODY, Socket, hex},
    comparison::{Attempt, SendResult, Target, Technique, With},
    fixture::Fixture,
    lane::{Lane, lane},
    link_headers::{Mac, ether_type, ethernet},
    mini_tcp::{Ends, Link, converse},
    support,
};

/// The owner's address behind each device.
const TUN: Ipv4Addr = Ipv4Addr::new(10, 97, 0, 2);
const TAP: Ipv4Addr = Ipv4Addr::new(10, 97, 1, 2);
const TAP_MAC: Mac = [2, 0, 0, 0, 0x97, 1];
const OWNER_MAC: Mac = [2, 0, 0, 0, 0x97, 2];
const DENIED: With = With::Denied(Reason::Storage);

/// The owner of both devices.
struct Owner {
    client: Client,
    tun: Socket,
    tap: Socket,
}

impl Owner {
    fn start(fixture: &Fixture) -> Result<Self> {
        let mut client = Client::start_owner(&fixture.host())?;
        let mut open = |device, mode| {
            client.open(json!({"do": "open_device", "device": device, "mode": mode}))
        };
        Ok(Self {
            tun: open("ttun", "tun")?,
            tap: open("ttap", "tap")?,
            client,
        })
    }

    fn write(&mut self, device: Socket, data: &[u8]) -> Result<SendResult> {
        let order = json!({"do": "send", "data": hex(data)});
        self.client.try_on(device, order)
    }
}

impl Link for Owner {
    fn send(&mut self, packet: &[u8]) -> Result<SendResult> {
        self.write(self.tun, packet)
    }

    fn receive(&mut self) -> Result<Option<Vec<u8>>> {
        self.client.receive(self.tun)
    }
}

/// Returns the techniques.
pub(crate) fn techniques(fixture: &Fixture) -> Result<Option<Box<dyn Lane>>> {
    let lines = format!(
        "tuntap add ttun mode tun user {NOBODY}\n\
         tuntap add ttap mode tap user {NOBODY}\n"
    );
    if !support::is_there(fixture, "TUN and TAP devices", &lines, &[])? {
        return Ok(None);
    }
    let mac = TAP_MAC.map(|byte| format!("{byte:02x}")).join(":");
    fixture.add_device(
        "ttun",
        "address add 10.97.0.1/24 dev ttun\nlink set ttun up\n",
    )?;
    fixture.add_device(
        "ttap",
        &format!(
            "link set ttap address {mac}\n\
             address add 10.97.1.1/24 dev ttap\n\
             link set ttap up\n"
        ),
    )?;
    fixture
        .network
        .cloud()
        .ip("route add 10.97.0.0/16 via 10.53.0.2\n")?;
    let to = (Target::Storage, true);
    let techniques = vec![
        Technique::new(
            "the unprivileged owner of a TUN device: TCP",
            to,
            DENIED,
            |_, owner: &mut Owner, attempt: &Attempt| {
                let ends = Ends {
                    here: (TUN, 40_000 + attempt.number).into(),
                    there: (attempt.to, 443).into(),
                };
                converse(owner, ends, &attempt.marker)
            },
        ),
        Technique::new(
            "the unprivileged owner of a TAP device: a datagram",
            to,
            DENIED,
            |_, owner: &mut Owner, attempt: &Attempt| {
                let from = (TAP, 40_000).into();
                let packet = udp_packet(from, (attempt.to, 443).into(), &attempt.marker);
                let packet = packet.context("two families")?;
                let frame = ethernet(TAP_MAC, OWNER_MAC, ether_type(&packet), &packet);
                owner.write(owner.tap, &frame)
            },
        ),
    ];
    Ok(Some(lane(
        &bypasses::TUN_OWNER,
        Owner::start(fixture)?,
        techniques,
    )))
}
