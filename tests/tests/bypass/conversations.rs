//! Conversations with a storage account without a socket of the network stack: by packet sockets of the host and of a container that the host
//! forwards for.

use std::net::Ipv4Addr;

use anyhow::Result;
use enforcer_common::Reason;

use crate::{
    comparison::{Attempt, Target, Technique, With, compare},
    fixture::Fixture,
    links::{PacketLink, Station},
    mini_tcp::{Ends, converse},
    topology::{BRIDGE, BRIDGE_MAC, FAR_MAC, NEIGHBOUR, NEIGHBOUR_MAC},
};

const DENIED: With = With::Denied(Reason::Storage);
/// Another address on the container's network, whose frames the container's own stack ignores.
const ALIAS: Station = Station {
    mac: [2, 0, 0, 0, 0x88, 0x77],
    address: Ipv4Addr::new(10, 88, 0, 77),
    gateway: BRIDGE_MAC,
};

/// A packet socket on the host, one in the container, and the container's own address on that.
struct Links {
    host: PacketLink,
    alias: PacketLink,
}

impl Links {
    fn open(fixture: &Fixture) -> Result<Self> {
        let host = Station {
            mac: NEIGHBOUR_MAC,
            address: NEIGHBOUR,
            gateway: FAR_MAC,
        };
        Ok(Self {
            host: PacketLink::open(&fixture.host(), host)?,
            alias: PacketLink::open(&fixture.in_container(), ALIAS)?,
        })
    }
}

fn ends(here: Ipv4Addr, attempt: &Attempt) -> Ends {
    Ends {
        here: (here, 40_000 + attempt.number).into(),
        there: (attempt.to, 443).into(),
    }
}

#[test]
fn conversations_by_packet_sockets_are_denied() -> Result<()> {
    let mut fixture = Fixture::new()?;
    let mut links = Links::open(&fixture)?;
    let to = (Target::Storage, true);
    let techniques = [
        Technique::new(
            "TCP by a packet socket of the host",
            to,
            DENIED,
            |_, links: &mut Links, attempt| {
                converse(&mut links.host, ends(NEIGHBOUR, attempt), &attempt.marker)
            },
        ),
        Technique::new(
            "TCP by a packet socket of a container",
            to,
            DENIED,
            |_, links: &mut Links, attempt| {
                links.alias.announce(BRIDGE)?;
                let ends = ends(ALIAS.address, attempt);
                converse(&mut links.alias, ends, &attempt.marker)
            },
        ),
    ];
    assert_eq!(compare(&mut fixture, &mut links, &techniques)?, [""; 0]);
    Ok(())
}
