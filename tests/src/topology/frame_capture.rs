//! Captures the frames that reach interfaces, whatever is in them.

use std::{
    io::{self, Read as _},
    os::fd::AsRawFd as _,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result};
use socket2::{Socket, Type};

use crate::{
    fixtures::process::{POLL, complain},
    topology::{netns::Netns, packet_counter::packet_socket_at, syscall::check},
};

/// Recorded bytes of each frame.
const RECORDED: usize = 2048;

/// A running capture; it ends when dropped. It does not record what an interface itself sends.
#[derive(Debug)]
pub struct FrameCapture {
    shared: Arc<Shared>,
    threads: Mutex<Vec<JoinHandle<()>>>,
}

#[derive(Debug, Default)]
struct Shared {
    ended: AtomicBool,
    frames: Mutex<Vec<Vec<u8>>>,
}

impl FrameCapture {
    /// Starts to capture at `interface` of `netns`.
    ///
    /// # Errors
    /// When the packet socket cannot be opened.
    pub fn start(netns: &Netns, interface: &str) -> Result<Self> {
        let capture = Self {
            shared: Arc::default(),
            threads: Mutex::default(),
        };
        capture.add(netns, interface)?;
        Ok(capture)
    }

    /// Captures at another interface too.
    ///
    /// # Errors
    /// As [`FrameCapture::start`].
    pub fn add(&self, netns: &Netns, interface: &str) -> Result<()> {
        let capturing = Arc::clone(&self.shared);
        let thread = netns.run(|| {
            let socket = incoming_only(interface)
                .with_context(|| format!("open a packet socket at {interface}"))?;
            Ok(thread::Builder::new().spawn(move || capturing.capture(socket))?)
        })?;
        let mut threads = self.threads.lock().unwrap_or_else(PoisonError::into_inner);
        threads.push(thread);
        Ok(())
    }

    /// Returns how many frames there are so far.
    #[must_use]
    pub fn count(&self) -> usize {
        self.shared.frames().len()
    }

    /// Waits for a frame behind the first `known` ones that contains `marker`; returns whether one arrives within `limit`. A VLAN tag in front of everything
    /// else is missing: the kernel keeps it beside the packet.
    #[must_use]
    pub fn await_frame_with(&self, known: usize, marker: &[u8], limit: Duration) -> bool {
        let deadline = Instant::now() + limit;
        let mut known = known;
        loop {
            let frames = self.shared.frames();
            let mut new = frames.iter().skip(known);
            if new.any(|frame| contains(frame, marker)) {
                return true;
            }
            known = frames.len();
            drop(frames);
            if Instant::now() >= deadline {
                return false;
            }
            thread::sleep(POLL);
        }
    }
}

impl Drop for FrameCapture {
    fn drop(&mut self) {
        self.shared.ended.store(true, Ordering::Relaxed);
        let threads = self
            .threads
            .get_mut()
            .unwrap_or_else(PoisonError::into_inner);
        for thread in threads.drain(..) {
            if thread.join().is_err() {
                complain("a thread that captures frames panicked");
            }
        }
    }
}

impl Shared {
    fn capture(&self, mut socket: Socket) {
        let mut frame = vec![0; RECORDED];
        while !self.ended.load(Ordering::Relaxed) {
            if let Ok(length) = socket.read(&mut frame) {
                self.frames().push(frame[..length].to_vec());
            }
        }
    }

    fn frames(&self) -> MutexGuard<'_, Vec<Vec<u8>>> {
        self.frames.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn contains(frame: &[u8], marker: &[u8]) -> bool {
    let mut parts = frame.windows(marker.len());
    parts.any(|part| part[0] == marker[0] && part == marker)
}

/// Opens a socket that does not see outgoing frames.
fn incoming_only(interface: &str) -> io::Result<Socket> {
    let socket = packet_socket_at(interface, Type::RAW)?;
    ignore_outgoing(&socket)?;
    Ok(socket)
}

/// Keeps outgoing frames from a packet socket (`PACKET_IGNORE_OUTGOING`, Linux 4.20).
pub(crate) fn ignore_outgoing(socket: &Socket) -> io::Result<()> {
    let on: libc::c_int = 1;
    // SAFETY: the option takes an int, which is valid during the call.
    check(unsafe {
        libc::setsockopt(
            socket.as_raw_fd(),
            libc::SOL_PACKET,
            libc::PACKET_IGNORE_OUTGOING,
            (&raw const on).cast(),
            size_of_val(&on) as libc::socklen_t,
        )
    })
}
