//! Limits of the cgroup hooks: packets and sockets that they do not see, or see with the wrong cgroup.

use std::{
    net::{IpAddr, SocketAddr},
    time::Duration,
};

use anyhow::{Result, ensure};
use enforcer::policy::Inputs;
use lab::{
    bpf::features::{SYN_ACK_JUDGED, release},
    topology::{
        addresses::{DEVICE, REGISTRIES, STORAGE},
        packet_counter::PacketCounter,
    },
};
use socket2::{Domain, Socket, Type};

use crate::fixture::{EPERM, Fixture, Probe, await_true, protected};

const SERVER_PORT: u16 = 8443;

fn enforced() -> Result<Fixture> {
    let mut fixture = Fixture::new()?;
    let inputs = Inputs {
        default_allow: true,
        ..Inputs::default()
    };
    fixture.loaded.apply(&protected(), &inputs)?;
    fixture.attach()?;
    Ok(fixture)
}

/// Whether a connection from `source` in the cloud to the device's server succeeds.
fn connects(fixture: &Fixture, source: &str, device: IpAddr) -> Result<bool> {
    let source = SocketAddr::new(source.parse()?, 0);
    let server = SocketAddr::new(device, SERVER_PORT);
    fixture.network.cloud().run(|| {
        let socket = Socket::new(Domain::for_address(server), Type::STREAM, None)?;
        if source.is_ipv6() {
            // A local route alone does not make an IPv6 address bindable.
            socket.set_freebind_v6(true)?;
        }
        socket.bind(&source.into())?;
        Ok(socket
            .connect_timeout(&server.into(), Duration::from_secs(1))
            .is_ok())
    })
}

#[test]
fn a_connection_from_a_protected_address_gets_no_answer() -> Result<()> {
    let fixture = enforced()?;
    let server = Probe::plain("early-server", DEVICE[0]);
    let (_, series) = release()?;
    let pending = fixture.start(&fixture.device, &[server])?;
    pending.go(|| {
        for (unprotected, protected, device) in [
            ("192.0.2.80", "203.0.113.50", DEVICE[0]),
            ("2001:db8:80::80", "2001:db8:b10b::50", DEVICE[1]),
        ] {
            // Neighbour discovery in the cloud starts once its link-local address is configured.
            await_true("an unprotected address is served", || {
                connects(&fixture, unprotected, device)
            })?;
            let judged = device.is_ipv4() || SYN_ACK_JUDGED.belongs_to(series);
            let served = connects(&fixture, protected, device)?;
            if device.is_ipv6() {
                eprintln!("{}", SYN_ACK_JUDGED.line(!served));
            }
            ensure!(served != judged, "{protected} is served: {served}");
        }
        Ok(())
    })?;
    Ok(())
}

/// A socket belongs to the cgroup of its process at the time of socket(2): with a scope below the root, one that was
/// opened outside stays outside. The default scope, the root, contains every socket.
#[test]
fn a_socket_stays_in_the_cgroup_where_it_was_opened() -> Result<()> {
    let fixture = enforced()?;
    let counter = PacketCounter::watch(&fixture.network)?;
    let to = "203.0.113.60".parse()?;
    let moved = |to: IpAddr, cgroup: &lab::topology::cgroup::Cgroup| Probe {
        via: cgroup.path().join("cgroup.procs").display().to_string(),
        ..Probe::plain("early-and-moved-out", to)
    };
    let inside = fixture.run(&fixture.device, &[moved(to, &fixture.outside)])?;
    assert_eq!(inside[0].errno, EPERM, "opened inside");
    assert_eq!(counter.packets_to(&["203.0.113.60/32"])?, 0);

    let outside = fixture.run(&fixture.outside, &[moved(to, &fixture.device)])?;
    assert_eq!(outside[0].errno, None, "opened outside");
    await_true("the packet arrives", || {
        Ok(counter.packets_to(&["203.0.113.60/32"])? > 0)
    })
}

/// Resolvers connect a datagram socket to each address of an answer to sort the addresses by route (RFC 6724). This sends nothing, so it must not
/// count as a denial of an allowed name.
#[test]
fn a_datagram_socket_can_connect_to_an_allowed_address_but_not_send() -> Result<()> {
    let mut fixture = Fixture::new()?;
    let allowed = ["198.51.100.40", "2001:db8:acc::40"];
    let inputs = Inputs {
        default_allow: true,
        allowed: allowed
            .iter()
            .map(|text| text.parse())
            .collect::<Result<_, _>>()?,
        ..Inputs::default()
    };
    fixture.loaded.apply(&protected(), &inputs)?;
    fixture.attach()?;
    let counter = PacketCounter::watch(&fixture.network)?;
    for (method, address, errno) in [
        ("udp-connect-only", allowed[0], None),
        ("udp-connect-only", allowed[1], None),
        ("udp-connected", allowed[0], EPERM),
        ("udp-connected", allowed[1], EPERM),
        ("udp-connect-only", "198.51.100.41", EPERM),
        ("udp-connect-only", "203.0.113.41", EPERM),
        ("udp-connect-only", "2001:db8:b10b::41", EPERM),
    ] {
        let outcome = fixture.run(&fixture.device, &[Probe::plain(method, address.parse()?)])?;
        assert_eq!(outcome[0].errno, errno, "{method} to {address}");
    }
    assert_eq!(counter.packets_to(&[REGISTRIES, STORAGE].concat())?, 0);
    Ok(())
}

/// Packet sockets (`CAP_NET_RAW`) write frames below IP, where no cgroup hook runs: a limit of these hooks, which programs
/// on the interfaces would cover.
#[test]
fn cgroup_hooks_do_not_see_frames_of_packet_sockets() -> Result<()> {
    let fixture = enforced()?;
    let counter = PacketCounter::watch(&fixture.network)?;
    let frame = Probe::plain("packet-socket", "203.0.113.61".parse()?);
    let outcome = fixture.run(&fixture.device, &[frame])?;
    assert_eq!(outcome[0].errno, None);
    await_true("the frame arrives", || {
        Ok(counter.packets_to(&["203.0.113.61/32"])? > 0)
    })
}
