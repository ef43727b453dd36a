//! Families of netlink(7).

use std::io;
use std::os::fd::{FromRawFd as _, OwnedFd};

/// A netlink family.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::sys) enum Protocol {
    /// Devices, addresses and traffic control.
    Route,
    /// Sockets.
    SockDiag,
    /// IPsec.
    Xfrm,
}

impl Protocol {
    /// Opens a socket with these `SOCK_*` flags.
    ///
    /// # Errors
    /// `EPROTONOSUPPORT` if the kernel does not have the family.
    pub(in crate::sys) fn open(self, flags: libc::c_int) -> io::Result<OwnedFd> {
        let kind = libc::SOCK_RAW | libc::SOCK_CLOEXEC | flags;
        // SAFETY: socket(2) takes three integers.
        let socket = unsafe { libc::socket(libc::AF_NETLINK, kind, self.number()) };
        if socket < 0 {
            return Err(io::Error::last_os_error());
        }
        // SAFETY: the descriptor was opened above, and has no other owner.
        Ok(unsafe { OwnedFd::from_raw_fd(socket) })
    }

    const fn number(self) -> libc::c_int {
        match self {
            Self::Route => libc::NETLINK_ROUTE,
            Self::SockDiag => libc::NETLINK_SOCK_DIAG,
            Self::Xfrm => libc::NETLINK_XFRM,
        }
    }
}
