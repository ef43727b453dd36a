//! Links without a socket of the network stack: packet sockets at a device, and a tunnel of datagrams.

use std::net::Ipv4Addr;

use anyhow::Result;
use lab::fixtures::process_env::ProcessEnv;
use serde_json::json;

use crate::{
    client::{Client, Socket, hex},
    comparison::{Attempt, SendResult},
    link_headers::{ARP, IPV4, Mac, ether_type, ethernet},
    mini_tcp::{Ends, Link},
    topology::{BRIDGE_MAC, FAR_MAC, OVERLAY_NETWORK, VXLAN_PORT, container_neighbour, neighbour},
};

const BROADCAST: Mac = [0xff; 6];
/// Bytes of an Ethernet header, of a VXLAN header, and where a frame has its type.
const ETHERNET: usize = 14;
const VXLAN: usize = 8;
const TYPE_AT: usize = 12;

/// An end of a link: its addresses, and the next hop.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Station {
    pub(crate) mac: Mac,
    pub(crate) address: Ipv4Addr,
    pub(crate) gateway: Mac,
}

impl Station {
    /// An address beside the host's, whose frames the host's own stack ignores.
    pub(crate) fn of_host(number: u8) -> Self {
        let (address, mac) = neighbour(number);
        Self {
            mac,
            address,
            gateway: FAR_MAC,
        }
    }

    /// An address beside the container's, whose frames the container's own stack ignores.
    pub(crate) fn of_container(number: u8) -> Self {
        let (address, mac) = container_neighbour(number);
        Self {
            mac,
            address,
            gateway: BRIDGE_MAC,
        }
    }
}

/// Frames through packet sockets at `eth0`, from a station of the process's own.
pub(crate) struct PacketLink {
    client: Client,
    sender: Socket,
    receiver: Socket,
    station: Station,
}

impl PacketLink {
    /// Opens the link.
    pub(crate) fn open(env: &ProcessEnv, station: Station) -> Result<Self> {
        let mut client = Client::start(env)?;
        let listen = json!({"do": "listen", "device": "eth0", "mac": hex(&station.mac)});
        Ok(Self {
            sender: client.open(json!({"do": "packet", "kind": "SOCK_RAW"}))?,
            receiver: client.open(listen)?,
            client,
            station,
        })
    }

    /// The ends of an attempt's connection.
    pub(crate) fn ends(&self, attempt: &Attempt) -> Ends {
        Ends {
            here: (self.station.address, 40_000 + attempt.number).into(),
            there: (attempt.to, 443).into(),
        }
    }

    /// Sends a frame with an Ethernet header of its own.
    pub(crate) fn send_frame(&mut self, protocol: u16, frame: &[u8]) -> Result<SendResult> {
        let order = json!({
            "do": "send_frame", "device": "eth0", "protocol": protocol, "data": hex(frame),
        });
        self.client.try_on(self.sender, order)
    }
}

impl Link for PacketLink {
    fn send(&mut self, packet: &[u8]) -> Result<SendResult> {
        let protocol = ether_type(packet);
        let frame = ethernet(self.station.gateway, self.station.mac, protocol, packet);
        self.send_frame(protocol, &frame)
    }

    fn receive(&mut self) -> Result<Option<Vec<u8>>> {
        while let Some(frame) = self.client.receive(self.receiver)? {
            if let Some(packet) = received(&frame, self.station.mac) {
                return Ok(Some(packet));
            }
        }
        Ok(None)
    }
}

/// Frames in the datagrams of an unprivileged process to the host's VXLAN port (RFC 7348).
pub(crate) struct OverlayLink {
    client: Client,
    socket: Socket,
    host: Ipv4Addr,
    station: Station,
}

impl OverlayLink {
    /// Opens the link from `port`: the device answers to its own port number.
    pub(crate) fn open(
        env: &ProcessEnv,
        port: u16,
        host: Ipv4Addr,
        station: Station,
    ) -> Result<Self> {
        let mut client = Client::start_unprivileged(env)?;
        let socket = json!({"do": "datagrams", "address": "0.0.0.0", "port": port});
        Ok(Self {
            socket: client.open(socket)?,
            client,
            host,
            station,
        })
    }

    /// Asks for `address` on the overlay network; returns the Ethernet address in the answer.
    pub(crate) fn resolve(&mut self, address: Ipv4Addr) -> Result<Option<Mac>> {
        self.send_frame(&arp_request(self.station, address))?;
        while let Some(message) = self.client.receive(self.socket)? {
            let frame = message.get(VXLAN..).unwrap_or_default();
            if frame.get(TYPE_AT..ETHERNET) == Some(&ARP.to_be_bytes()[..]) {
                return Ok(frame.get(6..TYPE_AT).and_then(|mac| mac.try_into().ok()));
            }
        }
        Ok(None)
    }

    pub(crate) fn set_gateway(&mut self, gateway: Mac) {
        self.station.gateway = gateway;
    }

    fn send_frame(&mut self, frame: &[u8]) -> Result<SendResult> {
        let header = [0x0800_0000, OVERLAY_NETWORK << 8].map(u32::to_be_bytes);
        let message = [header.as_flattened(), frame].concat();
        let order = json!({
            "do": "send_to", "to": self.host, "port": VXLAN_PORT, "data": hex(&message),
        });
        self.client.try_on(self.socket, order)
    }
}

impl Link for OverlayLink {
    fn send(&mut self, packet: &[u8]) -> Result<SendResult> {
        let (to, from) = (self.station.gateway, self.station.mac);
        self.send_frame(&ethernet(to, from, ether_type(packet), packet))
    }

    fn receive(&mut self) -> Result<Option<Vec<u8>>> {
        while let Some(message) = self.client.receive(self.socket)? {
            let frame = message.get(VXLAN..).unwrap_or_default();
            if let Some(packet) = received(frame, self.station.mac) {
                return Ok(Some(packet));
            }
        }
        Ok(None)
    }
}

/// Returns the IPv4 packet in a frame to `mac`.
fn received(frame: &[u8], mac: Mac) -> Option<Vec<u8>> {
    let (header, packet) = frame.split_at_checked(ETHERNET)?;
    let is_wanted = header[..6] == mac && header[TYPE_AT..] == IPV4.to_be_bytes();
    is_wanted.then(|| packet.to_vec())
}

/// Returns a request for `address` (RFC 826) in a broadcast frame.
fn arp_request(station: Station, address: Ipv4Addr) -> Vec<u8> {
    let kind = [0, 1, 8, 0, 6, 4, 0, 1];
    let sender = [&station.mac[..], &station.address.octets()].concat();
    let wanted = [&[0; 6][..], &address.octets()].concat();
    let body = [&kind[..], &sender, &wanted].concat();
    ethernet(BROADCAST, station.mac, ARP, &body)
}
