//! A server at every address of the cloud that records all received data.

use std::{
    io::{ErrorKind, Read as _},
    net::{SocketAddr, TcpListener, TcpStream},
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::Duration,
};

use anyhow::{Result, bail};
use lab::topology::netns::Netns;
use socket2::{Domain, SockRef, Socket, Type};

use crate::fixture::await_true;

const BACKLOG: i32 = 256;
const PAUSE: Duration = Duration::from_millis(2);

/// A connection: the peer's address and the received data.
type Stream = (SocketAddr, Vec<u8>);

/// The running server; it ends when dropped.
pub(super) struct Sink {
    streams: Arc<Mutex<Vec<Stream>>>,
    ended: Arc<AtomicBool>,
    thread: Option<thread::JoinHandle<()>>,
}

impl Sink {
    pub(super) fn start(cloud: &Netns) -> Result<Self> {
        let server: TcpListener = cloud.run(|| {
            let server = Socket::new(Domain::IPV6, Type::STREAM, None)?;
            server.set_only_v6(false)?;
            server.set_reuse_address(true)?;
            server.bind(&"[::]:443".parse::<SocketAddr>()?.into())?;
            enable_fast_open(&server)?;
            server.listen(BACKLOG)?;
            server.set_nonblocking(true)?;
            Ok(server.into())
        })?;
        let streams = Arc::<Mutex<Vec<Stream>>>::default();
        let ended = Arc::<AtomicBool>::default();
        let thread = thread::spawn({
            let (streams, ended) = (Arc::clone(&streams), Arc::clone(&ended));
            move || serve(&server, &streams, &ended)
        });
        Ok(Self {
            streams,
            ended,
            thread: Some(thread),
        })
    }

    /// Returns the data received from `peer`, by connection.
    pub(super) fn streams(&self, peer: SocketAddr) -> Vec<Vec<u8>> {
        let streams = self.streams.lock().unwrap_or_else(PoisonError::into_inner);
        let of_peer = streams.iter().filter(|(from, _)| *from == peer);
        of_peer.map(|(_, bytes)| bytes.clone()).collect()
    }

    /// Waits until the data received from `peer` equals `expected`.
    pub(super) fn expect(&self, peer: SocketAddr, expected: &[&[u8]]) -> Result<()> {
        let arrived = await_true("the data arrives", || Ok(self.streams(peer) == expected));
        if arrived.is_err() {
            bail!(
                "received from {peer}: {:?}, expected {expected:?}",
                self.streams(peer)
            );
        }
        Ok(())
    }
}

impl Drop for Sink {
    fn drop(&mut self) {
        self.ended.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            let _already_reported = thread.join();
        }
    }
}

/// Enables TCP Fast Open on the server (tcp(7), TCP_FASTOPEN).
fn enable_fast_open(server: &Socket) -> Result<()> {
    let queue: libc::c_int = BACKLOG;
    // SAFETY: the option takes an int, which is valid during the call.
    let result = unsafe {
        libc::setsockopt(
            std::os::fd::AsRawFd::as_raw_fd(server),
            libc::IPPROTO_TCP,
            libc::TCP_FASTOPEN,
            (&raw const queue).cast(),
            size_of_val(&queue) as libc::socklen_t,
        )
    };
    anyhow::ensure!(result == 0, "{}", std::io::Error::last_os_error());
    Ok(())
}

fn serve(server: &TcpListener, streams: &Mutex<Vec<Stream>>, ended: &AtomicBool) {
    let mut open: Vec<Option<TcpStream>> = Vec::new();
    while !ended.load(Ordering::Relaxed) {
        while let Ok((stream, peer)) = server.accept() {
            let mut streams = streams.lock().unwrap_or_else(PoisonError::into_inner);
            streams.push((unmapped(peer), Vec::new()));
            open.push(prepared(&stream).is_ok().then_some(stream));
        }
        for (index, stream) in open.iter_mut().enumerate() {
            let Some(bytes) = stream.as_mut().map(read) else {
                continue;
            };
            match bytes {
                Ok(bytes) => {
                    let mut streams = streams.lock().unwrap_or_else(PoisonError::into_inner);
                    if let Some((_, all)) = streams.get_mut(index) {
                        all.extend(bytes);
                    }
                }
                Err(_closed) => *stream = None,
            }
        }
        thread::sleep(PAUSE);
    }
}

/// Makes the socket nonblocking and receives urgent data inline.
fn prepared(stream: &TcpStream) -> std::io::Result<()> {
    stream.set_nonblocking(true)?;
    SockRef::from(stream).set_out_of_band_inline(true)
}

fn read(stream: &mut TcpStream) -> std::io::Result<Vec<u8>> {
    let mut buffer = [0; 16_384];
    match stream.read(&mut buffer) {
        Ok(0) => Err(ErrorKind::UnexpectedEof.into()),
        Ok(length) => Ok(buffer[..length].to_vec()),
        Err(error) if error.kind() == ErrorKind::WouldBlock => Ok(Vec::new()),
        Err(error) => Err(error),
    }
}

fn unmapped(peer: SocketAddr) -> SocketAddr {
    SocketAddr::new(peer.ip().to_canonical(), peer.port())
}
