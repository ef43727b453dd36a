//! Sends frames at an interface through a packet socket, which no hook of a cgroup sees.

use std::{
    io::{self, ErrorKind},
    os::fd::AsRawFd as _,
};

use anyhow::{Context as _, Result};
use socket2::{Domain, Protocol, Socket, Type};

use crate::topology::{netns::Netns, packet_counter::link};

/// A packet socket (packet(7)) that is bound to an interface.
#[derive(Debug)]
pub struct FrameSender(Socket);

impl FrameSender {
    /// Opens one at `interface` of `netns`. `protocol` is the type of frame that it declares; 0 for the one in the frame.
    ///
    /// # Errors
    /// When the packet socket cannot be opened.
    pub fn open(netns: &Netns, interface: &str, protocol: u16) -> Result<Self> {
        netns.run(|| {
            let protocol = protocol.to_be();
            let kind = Some(Protocol::from(i32::from(protocol)));
            let socket = Socket::new(Domain::PACKET, Type::RAW, kind);
            let socket = socket.context("open a packet socket")?;
            let place = link(protocol, interface).with_context(|| interface.to_owned())?;
            socket.bind(&place).context("bind a packet socket")?;
            Ok(Self(socket))
        })
    }

    /// Sends a frame, from its link header on. Returns whether the device took it.
    ///
    /// # Errors
    /// When the kernel refuses it for another reason than that the device did not.
    pub fn send(&self, frame: &[u8]) -> io::Result<bool> {
        loop {
            // SAFETY: the frame is valid for its length during the call.
            let sent =
                unsafe { libc::send(self.0.as_raw_fd(), frame.as_ptr().cast(), frame.len(), 0) };
            if sent >= 0 {
                return Ok(true);
            }
            let error = io::Error::last_os_error();
            match error.raw_os_error() {
                Some(libc::ENOBUFS) => return Ok(false),
                _ if error.kind() == ErrorKind::Interrupted => {}
                _ => return Err(error),
            }
        }
    }
}
