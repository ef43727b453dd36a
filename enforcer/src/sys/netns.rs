//! The daemon's network namespace.

use std::io;
use std::net::UdpSocket;
use std::os::fd::AsRawFd as _;

/// `SO_NETNS_COOKIE` (asm-generic/socket.h), Linux 5.14.
const SO_NETNS_COOKIE: libc::c_int = 71;

/// Cookie of this process's network namespace; 0 if the kernel does not report it. The programs recognize the initial namespace without it.
pub fn network_cookie() -> u64 {
    cookie().unwrap_or_else(|error| {
        tracing::debug!("the kernel does not report the network namespace: {error}");
        0
    })
}

fn cookie() -> io::Result<u64> {
    let socket = UdpSocket::bind("127.0.0.1:0")?;
    let mut cookie = 0_u64;
    let mut length = size_of::<u64>() as libc::socklen_t;
    // SAFETY: both pointers are to locals of the sizes passed, and the descriptor is open.
    let status = unsafe {
        libc::getsockopt(
            socket.as_raw_fd(),
            libc::SOL_SOCKET,
            SO_NETNS_COOKIE,
            (&raw mut cookie).cast(),
            &raw mut length,
        )
    };
    if status != 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(cookie)
}
