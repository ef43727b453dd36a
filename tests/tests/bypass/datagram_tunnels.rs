//! Ports of the host at which the kernel unpacks tunnels: an unprivileged process of a container sends a packet in a datagram there.

use anyhow::Result;

use crate::{
    bypasses,
    endpoint::{self, Endpoint, Outer, Sender},
    fixture::Fixture,
    lane::{Lane, lane},
};

/// Generic UDP Encapsulation has its device from IPv4 in IP, which is created first.
const ENDPOINTS: [Endpoint; 4] = [
    Endpoint {
        name: "GENEVE (RFC 8926)",
        lines: "link add tgeneve type geneve id 7 remote 10.88.0.2\n",
        device: "tgeneve",
        absent_on: &[],
        outer: Outer::Datagram { from: 0, to: 6081 },
        header: &[0, 0, 0x65, 0x58, 0, 0, 7, 0],
        sequence_at: None,
        has_frame: true,
        is_v4: true,
    },
    Endpoint {
        name: "L2TPv3 (RFC 3931)",
        lines: "l2tp add tunnel tunnel_id 7 peer_tunnel_id 7 encap udp local 10.88.0.1 remote 10.88.0.2 udp_sport 1701 udp_dport 1701\n\
                l2tp add session name tl2tp tunnel_id 7 session_id 7 peer_session_id 7 l2spec_type none\n",
        device: "tl2tp",
        absent_on: &[],
        outer: Outer::Datagram {
            from: 1701,
            to: 1701,
        },
        header: &[0, 3, 0, 0, 0, 0, 0, 7],
        sequence_at: None,
        has_frame: true,
        is_v4: true,
    },
    Endpoint {
        name: "Foo-over-UDP",
        lines: "link add tfou type ipip local 10.88.0.1 remote 10.88.0.2\n\
                fou add port 5555 ipproto 4\n",
        device: "tfou",
        absent_on: &[],
        outer: Outer::Datagram { from: 0, to: 5555 },
        header: &[],
        sequence_at: None,
        has_frame: false,
        is_v4: true,
    },
    Endpoint {
        name: "Generic UDP Encapsulation",
        lines: "fou add port 5556 gue\n",
        device: "",
        absent_on: &[],
        outer: Outer::Datagram { from: 0, to: 5556 },
        header: &[0, 4, 0, 0],
        sequence_at: None,
        has_frame: false,
        is_v4: true,
    },
];

/// Returns the techniques that this kernel can run.
pub(crate) fn techniques(fixture: &Fixture) -> Result<Box<dyn Lane>> {
    let techniques = endpoint::techniques(fixture, &ENDPOINTS)?;
    Ok(lane(
        &bypasses::DATAGRAM_TUNNELS,
        Sender::start(fixture)?,
        techniques,
    ))
}
