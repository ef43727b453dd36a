//! Fault injection for the resolver: a proxy in front of unbound.
//!
//! unbound listens on the wildcard address; the proxy binds the resolver's specific addresses, which
//! the kernel prefers, and relays queries without a fault. It exists only while there are faults or queries are recorded.

use std::{
    io::{self, Read, Write},
    net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener, TcpStream, UdpSocket},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use anyhow::{Context, Result};
use hickory_proto::{op::ResponseCode, rr::RecordType};
use socket2::{Domain, Protocol, Socket, Type};

use super::message::{Question, question};
use crate::topology::{
    addresses::{RESOLVER_V4, RESOLVER_V6},
    netns::Netns,
};

/// unbound's address for the proxy.
const RESOLVER: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 53);
/// Interval at which waiting threads check whether the proxy has ended.
const POLL: Duration = Duration::from_millis(20);
const RELAY_WITHIN: Duration = Duration::from_secs(5);
/// Idle timeout of a client's TCP connection.
const IDLE: Duration = Duration::from_millis(500);

/// A fault of the resolver.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Fault {
    /// Answers NXDOMAIN.
    Nxdomain,
    /// Answers SERVFAIL.
    Servfail,
    /// Never answers; connections over TCP stay open.
    Silent,
    /// Answers correctly after this delay.
    Slow(Duration),
    /// Answers with this address and a TTL of 60 s, or with no address to a query for the other family.
    Lie(IpAddr),
    /// Answers over UDP with an empty truncated message, and correctly over TCP.
    Truncate,
    /// As [`Fault::Truncate`], and never answers AAAA queries.
    TruncateWithoutAaaa,
}

/// The running proxy; it ends when dropped.
#[derive(Debug)]
pub(super) struct FaultProxy {
    shared: Arc<Shared>,
    threads: Vec<JoinHandle<()>>,
}

#[derive(Debug, Default)]
struct Shared {
    ended: AtomicBool,
    /// A fault for a name precedes one for all names; among equals the latest counts.
    faults: Mutex<Vec<(Option<String>, Fault)>>,
    /// Arrival time of each query over UDP.
    query_times: Mutex<Vec<Instant>>,
}

impl FaultProxy {
    pub(super) fn start(cloud: &Netns) -> Result<Self> {
        let mut proxy = Self {
            shared: Arc::default(),
            threads: Vec::new(),
        };
        cloud
            .run(|| {
                for address in [IpAddr::V4(RESOLVER_V4), IpAddr::V6(RESOLVER_V6)] {
                    proxy.serve(SocketAddr::from((address, 53)))?;
                }
                Ok(())
            })
            .context("start a proxy in front of the resolver")?;
        Ok(proxy)
    }

    pub(super) fn fail(&self, name: Option<&str>, fault: Fault) {
        locked(&self.shared.faults).push((name.map(str::to_ascii_lowercase), fault));
    }

    pub(super) fn query_times(&self) -> Vec<Instant> {
        locked(&self.shared.query_times).clone()
    }

    fn serve(&mut self, address: SocketAddr) -> Result<()> {
        let udp = UdpSocket::from(bound(address, Type::DGRAM, Protocol::UDP)?);
        let listening = bound(address, Type::STREAM, Protocol::TCP)?;
        listening.listen(64)?;
        let tcp = TcpListener::from(listening);
        tcp.set_nonblocking(true)?;
        let (for_udp, for_tcp) = (Arc::clone(&self.shared), Arc::clone(&self.shared));
        self.threads
            .push(thread::Builder::new().spawn(move || serve_udp(&udp, &for_udp))?);
        self.threads
            .push(thread::Builder::new().spawn(move || serve_tcp(&tcp, &for_tcp))?);
        Ok(())
    }
}

impl Drop for FaultProxy {
    fn drop(&mut self) {
        self.shared.ended.store(true, Ordering::Relaxed);
        for thread in self.threads.drain(..) {
            if thread.join().is_err() {
                crate::fixtures::process::complain("a thread of the resolver's proxy panicked");
            }
        }
    }
}

impl Shared {
    fn has_ended(&self) -> bool {
        self.ended.load(Ordering::Relaxed)
    }

    fn fault(&self, question: &Question) -> Option<Fault> {
        let faults = locked(&self.faults);
        let latest = |wanted: Option<&str>| {
            faults
                .iter()
                .rev()
                .find(|(name, _)| name.as_deref() == wanted)
                .map(|(_, fault)| *fault)
        };
        latest(Some(&question.name)).or_else(|| latest(None))
    }

    /// Returns the answer to a query after its delay, or `None` for no answer.
    fn answer(&self, query: &[u8], over_tcp: bool) -> Option<Vec<u8>> {
        let question = question(query)?;
        let faulty = |code, truncated, lie| question.reply(code, truncated, lie);
        match self.fault(&question) {
            Some(Fault::Nxdomain) => faulty(ResponseCode::NXDomain, false, None),
            Some(Fault::Servfail) => faulty(ResponseCode::ServFail, false, None),
            Some(Fault::Lie(address)) => faulty(ResponseCode::NoError, false, Some(address)),
            Some(Fault::Silent) => None,
            Some(Fault::TruncateWithoutAaaa) if question.kind == RecordType::AAAA => None,
            Some(Fault::Truncate | Fault::TruncateWithoutAaaa) if !over_tcp => {
                faulty(ResponseCode::NoError, true, None)
            }
            Some(Fault::Slow(time)) => {
                let until = Instant::now() + time;
                self.wait_while(|| Instant::now() < until);
                relay(query).ok()
            }
            Some(Fault::Truncate | Fault::TruncateWithoutAaaa) | None => relay(query).ok(),
        }
    }

    fn wait_while(&self, condition: impl Fn() -> bool) {
        while condition() && !self.has_ended() {
            thread::sleep(POLL.min(Duration::from_millis(5)));
        }
    }
}

fn serve_udp(socket: &UdpSocket, shared: &Shared) {
    thread::scope(|scope| {
        let mut buffer = [0; 4096];
        while !shared.has_ended() {
            let Ok((length, client)) = socket.recv_from(&mut buffer) else {
                continue;
            };
            locked(&shared.query_times).push(Instant::now());
            let query = buffer[..length].to_vec();
            scope.spawn(move || {
                if let Some(answer) = shared.answer(&query, false) {
                    // A client that has gone away is like one that lost the datagram.
                    drop(socket.send_to(&answer, client));
                }
            });
        }
    });
}

fn serve_tcp(listener: &TcpListener, shared: &Shared) {
    thread::scope(|scope| {
        while !shared.has_ended() {
            match listener.accept() {
                // An error ends one connection, as with a real resolver.
                Ok((stream, _client)) => drop(scope.spawn(|| serve_stream(stream, shared).ok())),
                Err(_no_connection) => thread::sleep(POLL),
            }
        }
    });
}

/// Serves one TCP connection; a two-byte length precedes each message (RFC 1035, section 4.2.2).
fn serve_stream(mut stream: TcpStream, shared: &Shared) -> io::Result<()> {
    stream.set_nonblocking(false)?;
    stream.set_read_timeout(Some(IDLE))?;
    while !shared.has_ended() {
        let query = read_message(&mut stream)?;
        match shared.answer(&query, true) {
            Some(answer) => write_message(&mut stream, &answer)?,
            None => shared.wait_while(|| true),
        }
    }
    Ok(())
}

/// Forwards a query to unbound over TCP, so that no answer is too large.
fn relay(query: &[u8]) -> io::Result<Vec<u8>> {
    let mut stream = TcpStream::connect_timeout(&RESOLVER, RELAY_WITHIN)?;
    stream.set_read_timeout(Some(RELAY_WITHIN))?;
    write_message(&mut stream, query)?;
    read_message(&mut stream)
}

fn read_message(stream: &mut TcpStream) -> io::Result<Vec<u8>> {
    let mut length = [0; 2];
    stream.read_exact(&mut length)?;
    let mut message = vec![0; usize::from(u16::from_be_bytes(length))];
    stream.read_exact(&mut message)?;
    Ok(message)
}

fn write_message(stream: &mut TcpStream, message: &[u8]) -> io::Result<()> {
    let length = u16::try_from(message.len()).map_err(io::Error::other)?;
    stream.write_all(&[&length.to_be_bytes(), message].concat())
}

/// Binds a socket with `SO_REUSEADDR` and `SO_REUSEPORT`, because unbound uses the port on the wildcard address.
fn bound(address: SocketAddr, kind: Type, protocol: Protocol) -> io::Result<Socket> {
    let socket = Socket::new(Domain::for_address(address), kind, Some(protocol))?;
    socket.set_reuse_address(true)?;
    socket.set_reuse_port(true)?;
    if address.is_ipv6() {
        socket.set_only_v6(true)?;
    }
    socket.set_read_timeout(Some(POLL))?;
    socket.bind(&address.into())?;
    Ok(socket)
}

/// Locks a mutex, ignoring poison: values are only replaced as a whole, so a panic leaves them consistent.
pub(super) fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
