//! A container inside a container: its frames cross the outer one's network namespace, and then the host's.

use std::{fs, net::Ipv4Addr};

use anyhow::Result;
use enforcer_common::Reason;
use lab::topology::netns::Netns;

use crate::{
    bypasses,
    comparison::{Attempt, Target, Technique, With},
    fixture::Fixture,
    lane::{Lane, lane},
    links::{PacketLink, Station},
    mini_tcp::converse,
};

/// The outer container's end of the link.
const ROUTER: Ipv4Addr = Ipv4Addr::new(10, 89, 0, 1);
/// An address beside the inner container's own.
const STATION: Station = Station {
    mac: [2, 0, 0, 0, 0x89, 0x77],
    address: Ipv4Addr::new(10, 89, 0, 77),
    gateway: [2, 0, 0, 0, 0x89, 1],
};

/// A packet socket in the inner container.
struct Inner {
    link: PacketLink,
    _netns: Netns,
}

/// Returns the technique.
pub(crate) fn techniques(fixture: &Fixture) -> Result<Box<dyn Lane>> {
    let netns = Netns::new()?;
    connect(fixture, &netns)?;
    let inner = Inner {
        link: PacketLink::open(&fixture.inside_container(&netns), STATION)?,
        _netns: netns,
    };
    let act = |_: &Fixture, inner: &mut Inner, attempt: &Attempt| {
        let ends = inner.link.ends(attempt);
        converse(&mut inner.link, ends, &attempt.marker)
    };
    let technique = Technique::new(
        "a packet socket of a container in a container: TCP",
        (Target::Storage, true),
        With::Denied(Reason::Storage),
        act,
    );
    Ok(lane(&bypasses::NESTED_CONTAINER, inner, vec![technique]))
}

/// Links the inner container to the outer one, which forwards.
fn connect(fixture: &Fixture, inner: &Netns) -> Result<()> {
    fixture
        .container
        .run(|| Ok(fs::write("/proc/sys/net/ipv4/ip_forward", "1")?))?;
    fixture.container.ip(&format!(
        "link add inner0 address 02:00:00:00:89:01 type veth peer name eth0 netns {}\n\
         address add {ROUTER}/24 dev inner0\n\
         link set inner0 up\n\
         neighbour replace {} lladdr 02:00:00:00:89:77 dev inner0\n",
        inner.path().display(),
        STATION.address
    ))?;
    inner.ip(&format!(
        "link set lo up\n\
         address add 10.89.0.2/24 dev eth0\n\
         link set eth0 up\n\
         route add default via {ROUTER}\n"
    ))?;
    let host = fixture.network.device();
    host.ip("route add 10.89.0.0/24 via 10.88.0.2\n")?;
    let far = fixture.network.cloud();
    far.ip("route add 10.89.0.0/24 via 10.53.0.2\n")
}
