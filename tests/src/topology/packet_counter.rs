//! Counts the packets that cross the link between device and cloud, at the cloud's end.

use std::{
    collections::BTreeMap,
    io::{self, Read},
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    thread::{self, JoinHandle},
    time::Duration,
};

use anyhow::{Context, Result};
use ipnet::IpNet;
use socket2::{Domain, Protocol, SockAddr, Socket, Type};

use crate::topology::{netns::Netns, network::Network};

/// Number of packets by destination.
type Counts = BTreeMap<IpAddr, u64>;

/// A running count of the packets that reach the cloud; it stops when dropped.
#[derive(Debug)]
pub struct PacketCounter {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

#[derive(Debug, Default)]
struct Shared {
    ended: AtomicBool,
    counts: Mutex<Counts>,
}

impl PacketCounter {
    /// Starts to count.
    ///
    /// # Errors
    /// When the packet socket cannot be opened.
    pub fn watch(network: &Network) -> Result<Self> {
        Self::of(network.cloud())
    }

    /// As [`PacketCounter::watch`], at the end of the link in `cloud`.
    ///
    /// # Errors
    /// As [`PacketCounter::watch`].
    pub fn of(cloud: &Netns) -> Result<Self> {
        let shared = Arc::new(Shared::default());
        let counting = Arc::clone(&shared);
        let thread = cloud.run(|| {
            let socket = packet_socket().context("open a packet socket on the link")?;
            Ok(thread::Builder::new().spawn(move || counting.count(socket))?)
        })?;
        Ok(Self {
            shared,
            thread: Some(thread),
        })
    }

    /// Returns the number of packets so far to addresses in `prefixes`, such as
    /// [`crate::topology::addresses::STORAGE`].
    ///
    /// # Errors
    /// When a prefix is malformed.
    pub fn packets_to(&self, prefixes: &[&str]) -> Result<u64> {
        let prefixes = prefixes
            .iter()
            .map(|prefix| {
                prefix
                    .parse()
                    .with_context(|| format!("the prefix {prefix}"))
            })
            .collect::<Result<Vec<IpNet>>>()?;
        let counts = self
            .shared
            .counts
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        let inside = |address: &IpAddr| prefixes.iter().any(|prefix| prefix.contains(address));
        Ok(counts
            .iter()
            .filter(|(address, _)| inside(address))
            .map(|(_, count)| count)
            .sum())
    }
}

impl Drop for PacketCounter {
    fn drop(&mut self) {
        self.shared.ended.store(true, Ordering::Relaxed);
        if self
            .thread
            .take()
            .is_some_and(|thread| thread.join().is_err())
        {
            crate::fixtures::process::complain("the thread that counts packets panicked");
        }
    }
}

impl Shared {
    fn count(&self, mut socket: Socket) {
        let mut packet = [0; 64];
        while !self.ended.load(Ordering::Relaxed) {
            let Ok(length) = socket.read(&mut packet) else {
                continue;
            };
            if let Some(destination) = destination(&packet[..length]) {
                let mut counts = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
                *counts.entry(destination).or_default() += 1;
            }
        }
    }
}

/// Opens a socket that receives each packet on the link, in both directions, from its network header on (packet(7)).
pub(crate) fn packet_socket() -> io::Result<Socket> {
    packet_socket_at("cloud0", Type::DGRAM)
}

/// Opens a socket that receives each packet at `interface`, in both directions: from its link header on with `Type::RAW`, else from its
/// network header on (packet(7)).
pub(crate) fn packet_socket_at(interface: &str, kind: Type) -> io::Result<Socket> {
    let protocol = (libc::ETH_P_ALL as u16).to_be();
    let socket = Socket::new(
        Domain::PACKET,
        kind,
        Some(Protocol::from(i32::from(protocol))),
    )?;
    socket.set_read_timeout(Some(Duration::from_millis(20)))?;
    socket.set_recv_buffer_size(8 << 20)?;
    socket.bind(&link(protocol, interface)?)?;
    Ok(socket)
}

/// Returns the packet socket address of an interface in the calling thread's network namespace.
pub(crate) fn link(protocol: u16, interface: &str) -> io::Result<SockAddr> {
    let name = std::ffi::CString::new(interface)?;
    // SAFETY: the name is NUL-terminated.
    let index = unsafe { libc::if_nametoindex(name.as_ptr()) };
    if index == 0 {
        return Err(io::Error::last_os_error());
    }
    let address = libc::sockaddr_ll {
        sll_family: libc::AF_PACKET as u16,
        sll_protocol: protocol,
        sll_ifindex: i32::try_from(index).map_err(io::Error::other)?,
        sll_hatype: 0,
        sll_pkttype: 0,
        sll_halen: 0,
        sll_addr: [0; 8],
    };
    // SAFETY: the storage is large enough for every socket address, and the length is that of the
    // address written into it.
    let ((), address) = unsafe {
        SockAddr::try_init(|storage, length| {
            storage.cast::<libc::sockaddr_ll>().write(address);
            *length = size_of::<libc::sockaddr_ll>() as libc::socklen_t;
            Ok(())
        })
    }?;
    Ok(address)
}

/// Parses the destination of an IPv4 (RFC 791) or IPv6 (RFC 8200) header.
fn destination(packet: &[u8]) -> Option<IpAddr> {
    match packet.first()? >> 4 {
        4 => {
            let octets: [u8; 4] = packet.get(16..20)?.try_into().ok()?;
            Some(Ipv4Addr::from(octets).into())
        }
        6 => {
            let octets: [u8; 16] = packet.get(24..40)?.try_into().ok()?;
            Some(Ipv6Addr::from(octets).into())
        }
        _other => None,
    }
}
