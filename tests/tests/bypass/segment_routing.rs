//! A segment routing header (RFC 8754): a container sends to the host, which goes on to the next address in the header.

use std::{
    fs,
    net::{IpAddr, Ipv6Addr},
};

use anyhow::{Context as _, Result, bail};
use enforcer_common::Reason;
use serde_json::json;
use test_data::packet::{
    protocol::{ROUTING, UDP},
    udp_packet,
};

use crate::{
    bypasses,
    client::{Client, Socket, hex},
    comparison::{Attempt, Target, Technique, With},
    fixture::Fixture,
    lane::{Lane, lane},
    link_headers::{IPV6, ethernet},
    support,
    topology::{BRIDGE_MAC, CONTAINER, CONTAINER_MAC},
};

/// The host's address on the bridge.
const HOST: Ipv6Addr = Ipv6Addr::new(0xfd88, 0, 0, 0, 0, 0, 0, 1);
/// Bytes of an IPv6 header, and where the length and the next header are.
const HEADER: usize = 40;
const LENGTH: std::ops::Range<usize> = 4..6;
const NEXT_HEADER: usize = 6;
const DESTINATION: std::ops::Range<usize> = 24..40;
/// Next header, units of 8 bytes behind the first one, type, segments left, index of the last one, flags, tag.
const ROUTING_HEADER: [u8; 8] = [UDP, 4, 4, 1, 1, 0, 0, 0];

struct Container {
    client: Client,
    socket: Socket,
}

/// Returns the technique, if the kernel has segment routing.
pub(crate) fn techniques(fixture: &Fixture) -> Result<Option<Box<dyn Lane>>> {
    let enabled = fixture.network.device().run(|| {
        for device in ["all", "br0"] {
            let file = format!("/proc/sys/net/ipv6/conf/{device}/seg6_enabled");
            fs::write(&file, "1").with_context(|| format!("set {file}"))?;
        }
        Ok(())
    });
    if !support::report("segment routing", enabled.is_ok(), &[])? {
        return Ok(None);
    }
    let mut client = Client::start(&fixture.in_container())?;
    let socket = client.open(json!({"do": "packet", "kind": "SOCK_RAW"}))?;
    let act = |_: &Fixture, container: &mut Container, attempt: &Attempt| {
        let frame = ethernet(BRIDGE_MAC, CONTAINER_MAC, IPV6, &packet(attempt)?);
        let order = json!({
            "do": "send_frame", "device": "eth0", "protocol": IPV6, "data": hex(&frame),
        });
        container.client.try_on(container.socket, order)
    };
    let technique = Technique::new(
        "a container's packet socket: by way of the host in a segment routing header",
        (Target::Storage, false),
        With::Denied(Reason::Storage),
        act,
    );
    Ok(Some(lane(
        &bypasses::SEGMENT_ROUTING,
        Container { client, socket },
        vec![technique],
    )))
}

/// A datagram whose first destination is the host.
fn packet(attempt: &Attempt) -> Result<Vec<u8>> {
    let IpAddr::V6(to) = attempt.to else {
        bail!("no IPv6 address");
    };
    let from = (CONTAINER[1], 40_000).into();
    let plain = udp_packet(from, (attempt.to, 443).into(), &attempt.marker);
    let mut packet = plain.context("two families")?;
    let segments = [to.octets(), HOST.octets()];
    let routing = [&ROUTING_HEADER[..], segments.as_flattened()].concat();
    packet[NEXT_HEADER] = ROUTING;
    packet[DESTINATION].copy_from_slice(&HOST.octets());
    packet.splice(HEADER..HEADER, routing);
    let length = u16::try_from(packet.len() - HEADER)?;
    packet[LENGTH].copy_from_slice(&length.to_be_bytes());
    Ok(packet)
}
