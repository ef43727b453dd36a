//! Tunnels without ports that end at the host: a container with `CAP_NET_RAW` sends a packet inside one.

use anyhow::Result;
use test_data::packet::protocol::{GRE, IPIP, IPV6};

use crate::{
    bypasses,
    endpoint::{self, Endpoint, Outer, Sender},
    fixture::Fixture,
    lane::{Lane, lane},
};

/// A session between the container and the host of ERSPAN type II, in GRE with a sequence number.
const ERSPAN: [u8; 16] = [0x10, 0, 0x88, 0xbe, 0, 0, 0, 1, 0x10, 0, 0, 7, 0, 0, 0, 5];

const ENDPOINTS: [Endpoint; 4] = [
    Endpoint {
        name: "GRE (RFC 2784)",
        lines: "link add tgre type gre local 10.88.0.1 remote 10.88.0.2\n",
        device: "tgre",
        absent_on: &[],
        outer: Outer::Protocol(GRE),
        header: &[0, 0, 8, 0],
        sequence_at: None,
        has_frame: false,
        is_v4: true,
    },
    Endpoint {
        name: "ERSPAN",
        lines: "link add terspan type erspan local 10.88.0.1 remote 10.88.0.2 seq key 7 erspan_ver 1 erspan 5\n",
        device: "terspan",
        absent_on: &[],
        outer: Outer::Protocol(GRE),
        header: &ERSPAN,
        sequence_at: Some(4),
        has_frame: true,
        is_v4: true,
    },
    Endpoint {
        name: "IPv4 in IPv4",
        lines: "link set tfou up\n",
        device: "",
        absent_on: &[],
        outer: Outer::Protocol(IPIP),
        header: &[],
        sequence_at: None,
        has_frame: false,
        is_v4: true,
    },
    Endpoint {
        name: "IPv6 in IPv4",
        lines: "link add tsit type sit local 10.88.0.1 remote 10.88.0.2\n",
        device: "tsit",
        absent_on: &[],
        outer: Outer::Protocol(IPV6),
        header: &[],
        sequence_at: None,
        has_frame: false,
        is_v4: false,
    },
];

/// Returns the techniques that this kernel can run.
pub(crate) fn techniques(fixture: &Fixture) -> Result<Box<dyn Lane>> {
    let techniques = endpoint::techniques(fixture, &ENDPOINTS)?;
    Ok(lane(
        &bypasses::RAW_TUNNELS,
        Sender::start(fixture)?,
        techniques,
    ))
}
