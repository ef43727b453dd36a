//! Captures the TCP payload that clients send to port 443, at the cloud's end of the link.

use std::{
    collections::HashMap,
    io::Read,
    net::{IpAddr, SocketAddr},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use anyhow::{Context, Result, ensure};
use etherparse::{NetSlice, SlicedPacket, TransportSlice};
use socket2::Socket;

use crate::{
    fixtures::process::POLL,
    topology::{network::Network, packet_counter::packet_socket},
};

/// Bytes recorded of each connection.
const RECORDED: usize = 16 * 1024;
/// Size of the largest packet on a link with segmentation offload.
const LARGEST: usize = 64 * 1024;
const QUIET_WITHIN: Duration = Duration::from_secs(30);

/// A TCP connection, from its SYN on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Flow {
    /// The device's end.
    pub client: SocketAddr,
    /// The cloud's end.
    pub server: SocketAddr,
    /// The client's payload from the first byte on; missing bytes are zero.
    pub bytes: Vec<u8>,
    /// The sequence number of its first byte.
    start: u32,
}

/// A running capture; it ends when dropped.
#[derive(Debug)]
pub struct Capture {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

#[derive(Debug, Default)]
struct Shared {
    ended: AtomicBool,
    /// Number of intervals without a packet.
    quiet: AtomicU64,
    flows: Mutex<Flows>,
}

#[derive(Debug, Default)]
struct Flows {
    all: Vec<Flow>,
    /// Index of the latest connection of each pair of addresses.
    latest: HashMap<(SocketAddr, SocketAddr), usize>,
}

impl Capture {
    /// Starts to capture.
    ///
    /// # Errors
    /// When the packet socket cannot be opened.
    pub fn watch(network: &Network) -> Result<Self> {
        let shared = Arc::new(Shared::default());
        let capturing = Arc::clone(&shared);
        let thread = network.cloud().run(|| {
            let socket = packet_socket().context("open a packet socket on the link")?;
            Ok(thread::Builder::new().spawn(move || capturing.capture(socket))?)
        })?;
        Ok(Self {
            shared,
            thread: Some(thread),
        })
    }

    /// Waits until the link is quiet and returns the connections that began since the last call.
    ///
    /// # Errors
    /// When it does not become quiet.
    pub fn take(&self) -> Result<Vec<Flow>> {
        let before = self.shared.quiet.load(Ordering::Relaxed);
        let deadline = Instant::now() + QUIET_WITHIN;
        while self.shared.quiet.load(Ordering::Relaxed) == before {
            ensure!(Instant::now() < deadline, "the link does not become quiet");
            thread::sleep(POLL);
        }
        Ok(std::mem::take(&mut *self.shared.flows()).all)
    }
}

impl Drop for Capture {
    fn drop(&mut self) {
        self.shared.ended.store(true, Ordering::Relaxed);
        if self
            .thread
            .take()
            .is_some_and(|thread| thread.join().is_err())
        {
            crate::fixtures::process::complain("the thread that captures packets panicked");
        }
    }
}

impl Shared {
    fn capture(&self, mut socket: Socket) {
        let mut packet = vec![0; LARGEST];
        while !self.ended.load(Ordering::Relaxed) {
            match socket.read(&mut packet) {
                Ok(length) => {
                    if let Some(segment) = segment(&packet[..length]) {
                        self.flows().add(&segment);
                    }
                }
                Err(_nothing_came) => _ = self.quiet.fetch_add(1, Ordering::Relaxed),
            }
        }
    }

    fn flows(&self) -> MutexGuard<'_, Flows> {
        self.flows.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Flows {
    fn add(&mut self, segment: &Segment<'_>) {
        let ends = (segment.client, segment.server);
        if segment.is_syn {
            let start = segment.sequence.wrapping_add(1);
            let known = self.latest.get(&ends).map(|at| self.all[*at].start);
            if known != Some(start) {
                self.latest.insert(ends, self.all.len());
                self.all.push(Flow {
                    client: segment.client,
                    server: segment.server,
                    bytes: segment.payload.to_vec(),
                    start,
                });
            }
            return;
        }
        let Some(flow) = self.latest.get(&ends).map(|at| &mut self.all[*at]) else {
            return;
        };
        let from = segment.sequence.wrapping_sub(flow.start) as usize;
        let to = from.saturating_add(segment.payload.len()).min(RECORDED);
        if from < to {
            flow.bytes.resize(flow.bytes.len().max(to), 0);
            flow.bytes[from..to].copy_from_slice(&segment.payload[..to - from]);
        }
    }
}

/// A packet from a client to port 443.
struct Segment<'a> {
    client: SocketAddr,
    server: SocketAddr,
    is_syn: bool,
    sequence: u32,
    payload: &'a [u8],
}

/// Source and destination of an IP packet.
#[must_use]
pub fn addresses(packet: &NetSlice<'_>) -> Option<(IpAddr, IpAddr)> {
    match packet {
        NetSlice::Ipv4(ip) => {
            let header = ip.header();
            Some((
                header.source_addr().into(),
                header.destination_addr().into(),
            ))
        }
        NetSlice::Ipv6(ip) => {
            let header = ip.header();
            Some((
                header.source_addr().into(),
                header.destination_addr().into(),
            ))
        }
        NetSlice::Arp(_) => None,
    }
}

/// Parses a packet from its network header on.
fn segment(packet: &[u8]) -> Option<Segment<'_>> {
    let packet = SlicedPacket::from_ip(packet).ok()?;
    let (source, destination) = addresses(&packet.net?)?;
    let Some(TransportSlice::Tcp(tcp)) = packet.transport else {
        return None;
    };
    let server = SocketAddr::new(destination, tcp.destination_port());
    (server.port() == 443).then_some(())?;
    Some(Segment {
        client: SocketAddr::new(source, tcp.source_port()),
        server,
        is_syn: tcp.syn(),
        sequence: tcp.sequence_number(),
        payload: tcp.payload(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn add(flows: &mut Flows, sequence: u32, is_syn: bool, payload: &[u8]) {
        flows.add(&Segment {
            client: ([10, 53, 0, 2], 4000).into(),
            server: ([198, 51, 100, 10], 443).into(),
            is_syn,
            sequence,
            payload,
        });
    }

    #[test]
    fn segments_are_assembled_in_the_order_of_their_sequence_numbers() {
        let mut flows = Flows::default();
        add(&mut flows, u32::MAX, true, b"");
        add(&mut flows, 4, false, b"next");
        add(&mut flows, 0, false, b"read");
        add(&mut flows, 0, false, b"read");
        assert_eq!(flows.all[0].bytes, b"readnext");
        add(&mut flows, 700, true, b"");
        assert_eq!(flows.all.len(), 2);
        assert!(flows.all[1].bytes.is_empty());
    }
}
