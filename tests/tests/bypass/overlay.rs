//! The host's VXLAN port (RFC 7348), as overlay networks open it: the kernel unpacks and forwards what an unprivileged process sends there in
//! a datagram to the host itself.

use std::net::Ipv4Addr;

use anyhow::{Context as _, Result};
use enforcer_common::Reason;
use test_data::packet::udp_packet;

use crate::{
    bypasses,
    comparison::{Attempt, Target, Technique, With},
    fixture::Fixture,
    lane::{Lane, lane},
    links::{OverlayLink, Station},
    mini_tcp::{Ends, Link as _, converse},
    topology::{BRIDGE, OVERLAY, VXLAN_PORT},
};

const HOST: Ipv4Addr = Ipv4Addr::new(10, 53, 0, 2);
const DENIED: With = With::Denied(Reason::Storage);

/// A station on the overlay network.
const fn station(last: u8) -> Station {
    Station {
        mac: [2, 0, 0, 2, 0x44, last],
        address: Ipv4Addr::new(10, 244, 0, last),
        gateway: [0; 6],
    }
}

struct Links {
    host: OverlayLink,
    container: OverlayLink,
}

impl Links {
    /// Opens both links. Datagrams to a process of the container, which has the port of its own namespace, lead back to it; the host's
    /// process uses the Ethernet address that the container's got.
    fn open(fixture: &Fixture) -> Result<Self> {
        let mut host = OverlayLink::open(&fixture.host(), 0, HOST, station(8))?;
        let container = fixture.in_container();
        let mut container = OverlayLink::open(&container, VXLAN_PORT, BRIDGE, station(9))?;
        let gateway = container.resolve(OVERLAY)?;
        let gateway = gateway.context("the overlay network does not answer")?;
        container.set_gateway(gateway);
        host.set_gateway(gateway);
        Ok(Self { host, container })
    }
}

fn datagram(attempt: &Attempt) -> Result<Vec<u8>> {
    let from = (station(8).address, 40_000).into();
    let packet = udp_packet(from, (attempt.to, 443).into(), &attempt.marker);
    packet.context("addresses of two families")
}

/// Returns the techniques.
pub(crate) fn techniques(fixture: &Fixture) -> Result<Box<dyn Lane>> {
    let links = Links::open(fixture)?;
    let to = (Target::Storage, true);
    let techniques = vec![
        Technique::new(
            "an unprivileged process of the host",
            to,
            DENIED,
            |_, links: &mut Links, attempt| links.host.send(&datagram(attempt)?),
        ),
        Technique::new(
            "TCP of an unprivileged process of a container",
            to,
            DENIED,
            |_, links: &mut Links, attempt| {
                let ends = Ends {
                    here: (station(9).address, 40_000 + attempt.number).into(),
                    there: (attempt.to, 443).into(),
                };
                converse(&mut links.container, ends, &attempt.marker)
            },
        ),
    ];
    Ok(lane(&bypasses::OVERLAY, links, techniques))
}
