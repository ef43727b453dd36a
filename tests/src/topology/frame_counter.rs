//! Counts the frames that reach an interface and that a classic BPF program selects. The kernel counts, so that none is missed.

use std::{io, os::fd::AsRawFd as _};

use anyhow::{Context as _, Result};
use libc::sock_filter;
use socket2::{Socket, Type};

use crate::topology::{
    frame_capture::ignore_outgoing, netns::Netns, packet_counter::packet_socket_at, syscall::check,
};

/// A running count; it ends when dropped.
#[derive(Debug)]
pub struct FrameCounter {
    socket: Socket,
}

impl FrameCounter {
    /// Starts to count the frames at `interface` of `netns` for which `program` returns another value than 0.
    ///
    /// # Errors
    /// When the packet socket cannot be opened.
    pub fn start(netns: &Netns, interface: &str, program: &[sock_filter]) -> Result<Self> {
        let socket = netns.run(|| {
            let socket = packet_socket_at(interface, Type::RAW)?;
            ignore_outgoing(&socket)?;
            attach(&socket, program)?;
            Ok(socket)
        });
        let counter = Self {
            socket: socket.with_context(|| format!("count frames at {interface}"))?,
        };
        counter.take()?;
        Ok(counter)
    }

    /// Returns how many frames there were since the last call (packet(7), `PACKET_STATISTICS`).
    ///
    /// # Errors
    /// When the kernel refuses.
    pub fn take(&self) -> Result<u32> {
        let mut statistics = [0_u32; 2];
        let mut length = size_of_val(&statistics) as libc::socklen_t;
        // SAFETY: the option fills two integers, which are valid during the call, as their length is.
        check(unsafe {
            libc::getsockopt(
                self.socket.as_raw_fd(),
                libc::SOL_PACKET,
                libc::PACKET_STATISTICS,
                (&raw mut statistics).cast(),
                &raw mut length,
            )
        })?;
        // Frames for which the socket has no room are among them.
        Ok(statistics[0])
    }
}

/// Attaches a classic BPF program (socket(7), `SO_ATTACH_FILTER`).
fn attach(socket: &Socket, program: &[sock_filter]) -> io::Result<()> {
    let program = libc::sock_fprog {
        len: u16::try_from(program.len()).map_err(io::Error::other)?,
        filter: program.as_ptr().cast_mut(),
    };
    // SAFETY: the option takes such a program, which is valid during the call and only read.
    check(unsafe {
        libc::setsockopt(
            socket.as_raw_fd(),
            libc::SOL_SOCKET,
            libc::SO_ATTACH_FILTER,
            (&raw const program).cast(),
            size_of_val(&program) as libc::socklen_t,
        )
    })
}
