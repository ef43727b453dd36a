//! Devices above the host's uplink that a container has in its network namespace: MACVLAN, and IPVLAN in the mode that routes.

use std::net::Ipv4Addr;

use anyhow::{Context as _, Result};
use enforcer_common::Reason;
use lab::topology::netns::Netns;
use serde_json::json;
use test_data::packet::udp_packet;

use crate::{
    bypasses,
    client::{Client, Socket, hex},
    comparison::{Attempt, Target, Technique, With},
    fixture::Fixture,
    lane::{Lane, lane},
    link_headers::{ether_type, ethernet},
    support,
    topology::FAR_MAC,
};

const MAC: [u8; 6] = [2, 0, 0, 0, 0x90, 2];

/// A process in the container with a packet socket.
struct Container {
    client: Client,
    socket: Socket,
    netns: Netns,
}

impl Drop for Container {
    /// Deletes the device at once, as the other kind excludes it.
    fn drop(&mut self) {
        let _may_be_gone = self.netns.ip("link delete eth0\n");
    }
}

/// Returns the technique, if the kernel has MACVLAN.
pub(crate) fn macvlan(fixture: &Fixture) -> Result<Option<Box<dyn Lane>>> {
    let name = "a packet socket of a container on MACVLAN";
    technique(fixture, name, "type macvlan mode bridge", 90)
}

/// Returns the technique, if the kernel has IPVLAN, which excludes MACVLAN at the same uplink.
pub(crate) fn ipvlan(fixture: &Fixture) -> Result<Option<Box<dyn Lane>>> {
    let name = "a packet socket of a container on IPVLAN in mode L3";
    technique(fixture, name, "type ipvlan mode l3", 91)
}

fn technique(fixture: &Fixture, name: &str, kind: &str, last: u8) -> Result<Option<Box<dyn Lane>>> {
    let lines = format!("link add try0 link eth0 {kind}\nlink delete try0\n");
    if !support::is_there(fixture, name, &lines, &[])? {
        return Ok(None);
    }
    let address = Ipv4Addr::new(10, 53, 0, last);
    let netns = Netns::new()?;
    let path = netns.path();
    fixture.network.device().ip(&format!(
        "link add up0 link eth0 {kind}\nlink set up0 netns {}\n",
        path.display()
    ))?;
    netns.ip(&format!(
        "link set up0 name eth0\n\
         address add {address}/24 dev eth0\n\
         link set eth0 up\n\
         route add default dev eth0\n"
    ))?;
    let mut client = Client::start(&fixture.inside_container(&netns))?;
    let socket = client.open(json!({"do": "packet", "kind": "SOCK_RAW"}))?;
    let act = move |_: &Fixture, container: &mut Container, attempt: &Attempt| {
        let from = (address, 40_000).into();
        let packet = udp_packet(from, (attempt.to, 443).into(), &attempt.marker);
        let packet = packet.context("two families")?;
        let protocol = ether_type(&packet);
        let frame = ethernet(FAR_MAC, MAC, protocol, &packet);
        let order = json!({
            "do": "send_frame", "device": "eth0", "protocol": protocol, "data": hex(&frame),
        });
        container.client.try_on(container.socket, order)
    };
    let container = Container {
        client,
        socket,
        netns,
    };
    let to = (Target::Storage, true);
    let technique = Technique::new(name, to, With::Denied(Reason::Storage), act);
    Ok(Some(lane(
        &bypasses::UPPER_DEVICES,
        container,
        vec![technique],
    )))
}
