//! A DNS server that sends scripted answers from scripted sources.

use std::{
    io::ErrorKind,
    net::{IpAddr, SocketAddr, UdpSocket},
    os::fd::AsFd as _,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    thread,
    time::Duration,
};

use anyhow::{Context, Result};
use lab::topology::netns::Netns;
use socket2::{Domain, Protocol, Socket, Type};
use test_data::packet::udp_packet;

/// Returns the answers to a query, each with the index of its source. Source 0 is the server itself.
pub(super) type Script = Box<dyn Fn(&[u8]) -> Vec<(usize, Vec<u8>)> + Send>;

/// The source of an answer.
pub(super) enum Source {
    /// A socket at this address.
    At(SocketAddr),
    /// A raw socket that sends from this address and port 53.
    Spoofed(IpAddr),
}

enum Sender {
    Datagrams(UdpSocket),
    Raw(Socket, IpAddr),
}

/// The running server; it ends when dropped.
pub(super) struct Server {
    ended: Arc<AtomicBool>,
    sent: Arc<AtomicU64>,
    thread: Option<thread::JoinHandle<()>>,
}

impl Server {
    /// Starts a server in `netns` at port 53 of `address`, with `others` as further sources.
    pub(super) fn start(
        netns: &Netns,
        address: IpAddr,
        others: &[Source],
        script: Script,
    ) -> Result<Self> {
        let own = Source::At(SocketAddr::new(address, 53));
        let sources: Vec<&Source> = [&own].into_iter().chain(others).collect();
        Self::start_with(netns, &sources, script)
    }

    /// Starts a server in `netns` with one source.
    pub(super) fn start_at(netns: &Netns, source: Source, script: Script) -> Result<Self> {
        Self::start_with(netns, &[&source], script)
    }

    fn start_with(netns: &Netns, sources: &[&Source], script: Script) -> Result<Self> {
        let senders = netns.run(|| {
            let senders = sources.iter().map(|source| Sender::of(source));
            senders.collect::<Result<Vec<_>>>()
        })?;
        let (ended, sent) = <(Arc<AtomicBool>, Arc<AtomicU64>)>::default();
        let thread = thread::spawn({
            let (ended, sent) = (Arc::clone(&ended), Arc::clone(&sent));
            move || serve(&senders, &script, &ended, &sent)
        });
        Ok(Self {
            ended,
            sent,
            thread: Some(thread),
        })
    }

    /// Returns the number of messages sent.
    pub(super) fn sent(&self) -> u64 {
        self.sent.load(Ordering::Relaxed)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.ended.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            let _already_reported = thread.join();
        }
    }
}

fn serve(senders: &[Sender], script: &Script, ended: &AtomicBool, sent: &AtomicU64) {
    let Some(Sender::Datagrams(receiver)) = senders.first() else {
        return;
    };
    let mut buffer = [0; 4096];
    while !ended.load(Ordering::Relaxed) {
        let (length, client) = match receiver.recv_from(&mut buffer) {
            Ok(received) => received,
            Err(error) if error.kind() == ErrorKind::WouldBlock => continue,
            Err(_) => return,
        };
        for (source, message) in script(&buffer[..length]) {
            let result = senders
                .get(source)
                .map(|sender| sender.send(&message, client));
            if matches!(result, Some(Ok(()))) {
                sent.fetch_add(1, Ordering::Relaxed);
            }
        }
    }
}

impl Sender {
    fn of(source: &Source) -> Result<Self> {
        match source {
            Source::At(address) => {
                let socket = UdpSocket::bind(address).with_context(|| format!("{address}"))?;
                socket.set_read_timeout(Some(Duration::from_millis(50)))?;
                Ok(Self::Datagrams(socket))
            }
            Source::Spoofed(source) => {
                let domain = Domain::for_address(SocketAddr::new(*source, 0));
                let raw = Socket::new(domain, Type::RAW, Some(Protocol::from(libc::IPPROTO_RAW)))?;
                Ok(Self::Raw(raw, *source))
            }
        }
    }

    fn send(&self, message: &[u8], client: SocketAddr) -> Result<()> {
        match self {
            Self::Datagrams(socket) => {
                socket.send_to(message, client)?;
            }
            Self::Raw(socket, source) => {
                let packet = udp_packet(SocketAddr::new(*source, 53), client, message);
                let packet =
                    packet.context("the source and the client are of different families")?;
                // raw(7): over IPv6 the port must be 0 or the protocol number.
                let to = SocketAddr::new(client.ip(), 0);
                nix::sys::socket::sendto(
                    std::os::fd::AsRawFd::as_raw_fd(&socket.as_fd()),
                    &packet,
                    &nix::sys::socket::SockaddrStorage::from(to),
                    nix::sys::socket::MsgFlags::empty(),
                )?;
            }
        }
        Ok(())
    }
}
