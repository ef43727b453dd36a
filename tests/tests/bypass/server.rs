//! A TCP server at port 443 of every address of the far side, which answers each part of what it receives.

use std::{
    io::{ErrorKind, Read as _, Write as _},
    net::{SocketAddr, TcpListener, TcpStream},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::Duration,
};

use anyhow::Result;
use lab::topology::netns::Netns;
use socket2::{Domain, Socket, Type};

/// What the server sends for each part that it receives.
pub(crate) const ANSWER: &[u8] = b"an answer of the far side";
const BACKLOG: i32 = 256;
/// How many connections stay open: whoever loses interest in one may leave it behind.
const KEPT: usize = 256;
const PAUSE: Duration = Duration::from_millis(2);

/// The running server; it ends when dropped.
pub(crate) struct Server {
    ended: Arc<AtomicBool>,
    thread: Option<thread::JoinHandle<()>>,
}

impl Server {
    pub(crate) fn start(far: &Netns) -> Result<Self> {
        let listener: TcpListener = far.run(|| {
            let socket = Socket::new(Domain::IPV6, Type::STREAM, None)?;
            socket.set_only_v6(false)?;
            socket.set_reuse_address(true)?;
            socket.bind(&"[::]:443".parse::<SocketAddr>()?.into())?;
            socket.listen(BACKLOG)?;
            socket.set_nonblocking(true)?;
            Ok(socket.into())
        })?;
        let ended = Arc::<AtomicBool>::default();
        let thread = thread::spawn({
            let ended = Arc::clone(&ended);
            move || serve(&listener, &ended)
        });
        Ok(Self {
            ended,
            thread: Some(thread),
        })
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

fn serve(listener: &TcpListener, ended: &AtomicBool) {
    let mut open: Vec<TcpStream> = Vec::new();
    while !ended.load(Ordering::Relaxed) {
        while let Ok((stream, _client)) = listener.accept() {
            if stream.set_nonblocking(true).is_ok() {
                open.push(stream);
            }
        }
        open.drain(..open.len().saturating_sub(KEPT));
        open.retain_mut(|stream| exchange(stream).is_ok());
        thread::sleep(PAUSE);
    }
}

/// Reads what has arrived, and answers it.
fn exchange(stream: &mut TcpStream) -> std::io::Result<()> {
    let mut buffer = [0; 16_384];
    match stream.read(&mut buffer) {
        Ok(0) => Err(ErrorKind::UnexpectedEof.into()),
        Ok(_length) => stream.write_all(ANSWER),
        Err(error) if error.kind() == ErrorKind::WouldBlock => Ok(()),
        Err(error) => Err(error),
    }
}
