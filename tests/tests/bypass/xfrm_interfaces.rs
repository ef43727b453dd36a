//! IPsec tunnels by an xfrm interface: the kernel encrypts what leaves by it, so a packet has to be denied there.

use std::net::IpAddr;

use anyhow::{Context as _, Result};
use enforcer_common::Reason;
use serde_json::json;
use test_data::{client_hello::ClientHello, packet::udp_packet};

use crate::{
    bypasses,
    client::{Client, Socket, hex},
    comparison::{Attempt, SendResult, Target, Technique, With},
    fixture::{Fixture, LOGIN},
    lane::{Lane, lane},
    link_headers::{ether_type, ethernet},
    redirected_connections::exchange,
    support,
    topology::{BRIDGE_MAC, CONTAINER, CONTAINER_MAC},
};

/// The ends outside.
const HOST: &str = "10.53.0.2";
const FAR: &str = "10.53.0.1";
/// Key and salt of AES-GCM (RFC 4106) for both directions.
const KEY: &str = "0x000102030405060708090a0b0c0d0e0f10111213";
/// The UDP port of ESP in UDP (RFC 3948).
const ENCAP_PORT: u16 = 4500;

/// A tunnel between the host and the far side.
#[derive(Clone, Copy)]
struct Tunnel {
    name: &'static str,
    /// The host's device.
    device: &'static str,
    /// The device of the far side.
    peer: &'static str,
    /// Its `if_id`, which is also in its addresses.
    number: u8,
    /// Words of `ip xfrm state`.
    encap: &'static str,
}

const TUNNELS: [Tunnel; 2] = [
    Tunnel {
        name: "ESP",
        device: "tesp",
        peer: "esp",
        number: 7,
        encap: "",
    },
    Tunnel {
        name: "ESP in UDP",
        device: "tespudp",
        peer: "espudp",
        number: 8,
        encap: "encap espinudp 4500 4500 0.0.0.0",
    },
];

/// The processes of all techniques.
struct Sender {
    host: Client,
    frames: Socket,
    container: Client,
    container_frames: Socket,
    nobody: Client,
    /// The far side, whose socket takes ESP out of datagrams.
    _far: Client,
}

impl Sender {
    fn start(fixture: &Fixture) -> Result<Self> {
        let mut host = Client::start(&fixture.host())?;
        let mut container = Client::start(&fixture.in_container())?;
        let mut far = Client::start(&fixture.network.cloud_env())?;
        for client in [&mut host, &mut far] {
            let socket = client
                .open(json!({"do": "datagrams", "address": "0.0.0.0", "port": ENCAP_PORT}))?;
            client.on(socket, json!({"do": "accept_esp"}))?;
        }
        let packets = json!({"do": "packet", "kind": "SOCK_RAW"});
        Ok(Self {
            frames: host.open(packets.clone())?,
            container_frames: container.open(packets)?,
            host,
            container,
            nobody: Client::start_unprivileged(&fixture.host())?,
            _far: far,
        })
    }
}

impl Tunnel {
    /// An address inside: the host's ends with 1, the far side's with 2.
    fn address(self, is_v4: bool, end: u8) -> String {
        let number = self.number;
        if is_v4 {
            format!("10.97.{number}.{end}")
        } else {
            format!("fd97:{number}::{end}")
        }
    }

    /// Lines that create a device with the states and policies of its tunnel.
    fn device_lines(self, device: &str, [here, there]: [&str; 2], [out, back]: [u8; 2]) -> String {
        let Self { number, encap, .. } = self;
        let mut lines = format!("link add {device} type xfrm if_id {number}\n");
        for (from, to, spi) in [(here, there, out), (there, here, back)] {
            lines.push_str(&format!(
                "xfrm state add src {from} dst {to} proto esp spi {number}0{spi} reqid {number} mode tunnel \
                 flag af-unspec aead rfc4106(gcm(aes)) {KEY} 128 {encap} if_id {number}\n"
            ));
        }
        for any in ["0.0.0.0/0", "::/0"] {
            for (direction, from, to) in [("out", here, there), ("in", there, here)] {
                lines.push_str(&format!(
                    "xfrm policy add src {any} dst {any} dir {direction} if_id {number} \
                     tmpl src {from} dst {to} proto esp reqid {number} mode tunnel\n"
                ));
            }
        }
        lines
    }

    /// Lines that give a device its address, and a route to the other end's.
    fn address_lines(self, device: &str, [own, other]: [u8; 2]) -> String {
        let mut lines = format!("link set {device} mtu 1400\nlink set {device} up\n");
        for (is_v4, length, nodad) in [(true, 32, ""), (false, 128, "nodad")] {
            let (own, other) = (self.address(is_v4, own), self.address(is_v4, other));
            lines.push_str(&format!(
                "address add {own}/{length} dev {device} {nodad}\n\
                 route add {other} dev {device} src {own}\n"
            ));
        }
        lines
    }

    /// Whether this kernel has such tunnels.
    fn is_supported(self, fixture: &Fixture) -> Result<bool> {
        let device = "t97";
        let lines = self.device_lines(device, [HOST, FAR], [1, 2]);
        let ends = ["xfrm policy flush\n", "xfrm state flush\n"].concat();
        let lines = format!("{lines}{ends}link delete {device}\n");
        support::is_there(fixture, self.name, &lines, &[])
    }

    /// Creates both ends.
    fn create(self, fixture: &Fixture) -> Result<()> {
        let Self { device, peer, .. } = self;
        let far = fixture.network.cloud();
        let lines = self.device_lines(peer, [FAR, HOST], [2, 1]);
        far.ip(&(lines + &self.address_lines(peer, [2, 1])))?;
        let lines = self.device_lines(device, [HOST, FAR], [1, 2]);
        fixture.add_device(device, &(lines + &self.address_lines(device, [1, 2])))?;
        fixture.far.add(far, peer)
    }

    /// Leads what goes to the attempt's address into the tunnel.
    fn route(self, fixture: &Fixture, attempt: &Attempt) -> Result<()> {
        let own = self.address(attempt.to.is_ipv4(), 1);
        let (to, device) = (attempt.to, self.device);
        let line = format!("route replace {to} dev {device} src {own}\n");
        fixture.network.device().ip(&line)
    }

    /// A frame of a packet socket at the device.
    fn host_frame(self, is_v4: bool) -> Technique<Sender> {
        let act = move |_: &Fixture, sender: &mut Sender, attempt: &Attempt| {
            let packet = packet(self.address(is_v4, 1).parse()?, attempt)?;
            let order = json!({
                "do": "send_frame", "device": self.device, "protocol": ether_type(&packet), "data": hex(&packet),
            });
            sender.host.try_on(sender.frames, order)
        };
        self.denied("a packet socket at the device", is_v4, act)
    }

    /// A packet of a container that the host forwards.
    fn container_frame(self, is_v4: bool) -> Technique<Sender> {
        let act = move |fixture: &Fixture, sender: &mut Sender, attempt: &Attempt| {
            self.route(fixture, attempt)?;
            let packet = packet(CONTAINER[usize::from(!is_v4)], attempt)?;
            let protocol = ether_type(&packet);
            let frame = ethernet(BRIDGE_MAC, CONTAINER_MAC, protocol, &packet);
            let order = json!({
                "do": "send_frame", "device": "eth0", "protocol": protocol, "data": hex(&frame),
            });
            sender.container.try_on(sender.container_frames, order)
        };
        self.denied("a container's packet socket", is_v4, act)
    }

    fn denied(
        self,
        who: &str,
        is_v4: bool,
        act: impl Fn(&Fixture, &mut Sender, &Attempt) -> Result<SendResult> + Send + 'static,
    ) -> Technique<Sender> {
        let family = if is_v4 { 4 } else { 6 };
        let name = format!("{who}: IPv{family} into {} by an xfrm interface", self.name);
        let with = With::DeniedAt(self.device, Reason::Storage);
        Technique::new(name, (Target::Storage, is_v4), with, act)
    }

    /// A connection inside to an unprotected address.
    fn unprotected(self, is_v4: bool) -> Result<Technique<Sender>> {
        let to = self.address(is_v4, 2);
        let name = format!("a connection to {to} in {}", self.name);
        let target = (Target::Fixed(to.parse()?), is_v4);
        let act = |_: &Fixture, sender: &mut Sender, attempt: &Attempt| {
            exchange(&mut sender.nobody, attempt.to, 443, &attempt.marker)
        };
        Ok(Technique::new(name, target, With::Passes, act))
    }

    /// A connection inside to the allowed name.
    fn login(self) -> Technique<Sender> {
        let act = move |fixture: &Fixture, sender: &mut Sender, attempt: &Attempt| {
            self.route(fixture, attempt)?;
            let mut hello = ClientHello::tls12(LOGIN);
            hello.session_id.clone_from(&attempt.marker);
            exchange(&mut sender.nobody, attempt.to, 443, &hello.bytes())
        };
        let name = format!("a connection to the allowed name in {}", self.name);
        Technique::new(name, (Target::Login, true), With::Passes, act)
    }
}

/// A datagram with the marker.
fn packet(from: IpAddr, attempt: &Attempt) -> Result<Vec<u8>> {
    let packet = udp_packet(
        (from, 40_000).into(),
        (attempt.to, 443).into(),
        &attempt.marker,
    );
    packet.context("two families")
}

/// Creates the tunnels that this kernel has, and returns the techniques.
pub(crate) fn techniques(fixture: &Fixture) -> Result<Option<Box<dyn Lane>>> {
    let mut techniques = Vec::new();
    for tunnel in TUNNELS {
        if !tunnel.is_supported(fixture)? {
            return Ok(None);
        }
    }
    for tunnel in TUNNELS {
        tunnel.create(fixture)?;
        for is_v4 in [true, false] {
            techniques.push(tunnel.host_frame(is_v4));
            techniques.push(tunnel.container_frame(is_v4));
            techniques.push(tunnel.unprotected(is_v4)?);
        }
        techniques.push(tunnel.login());
    }
    let sender = Sender::start(fixture)?;
    Ok(Some(lane(&bypasses::XFRM_INTERFACES, sender, techniques)))
}
