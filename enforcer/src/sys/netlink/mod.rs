//! netlink(7): lists of kernel objects, and notifications of their changes.

mod attributes;
mod change;
mod protocol;
mod watch;

use std::io;
use std::os::fd::AsRawFd as _;

use nix::sys::socket::{MsgFlags, NetlinkAddr, recvfrom, send, setsockopt, sockopt};
use nix::sys::time::{TimeVal, TimeValLike as _};

pub(super) use self::attributes::{Attributes, field};
pub(super) use self::change::{attribute, create};
pub(super) use self::protocol::Protocol;
pub(super) use self::watch::GroupWatch;

/// `NLM_F_REQUEST | NLM_F_DUMP` (linux/netlink.h).
const DUMP: u16 = 0x301;
/// `NLM_F_DUMP_INTR`: the listed objects changed meanwhile.
const INTERRUPTED: u16 = 0x10;
/// `NLMSG_ERROR` and `NLMSG_DONE`.
const ERROR: u16 = 2;
const DONE: u16 = 3;
/// `struct nlmsghdr`.
const HEADER: usize = 16;
/// Maximum wait for a part of a list, in seconds; the kernel produces each on request.
const RECEIVE_TIMEOUT: i64 = 5;
/// Maximum attempts at a list whose objects change meanwhile.
const ATTEMPTS: usize = 16;

/// A request for a list.
#[derive(Clone, Copy, Debug)]
pub(super) struct Request<'a> {
    /// The netlink family.
    pub(super) protocol: Protocol,
    /// The type of the request.
    pub(super) kind: u16,
    /// The type of the listed messages.
    pub(super) listed: u16,
    /// The content of the request, after `struct nlmsghdr`.
    pub(super) content: &'a [u8],
}

/// Passes the content of each listed message to `take`.
///
/// # Errors
/// The kernel's error; [`io::ErrorKind::Interrupted`] if the objects changed meanwhile, so that the list is not consistent.
pub(super) fn list(request: &Request<'_>, take: &mut impl FnMut(&[u8])) -> io::Result<()> {
    let socket = request.protocol.open(0)?;
    setsockopt(
        &socket,
        sockopt::ReceiveTimeout,
        &TimeVal::seconds(RECEIVE_TIMEOUT),
    )?;
    let question = message(request.kind, DUMP, request.content);
    send(socket.as_raw_fd(), &question, MsgFlags::empty())?;
    let mut parts = Parts {
        listed: request.listed,
        is_interrupted: false,
    };
    let mut buffer = vec![0; 32 * 1024];
    loop {
        let (length, from) = recvfrom::<NetlinkAddr>(socket.as_raw_fd(), &mut buffer)?;
        // Only messages from the kernel, not from a process.
        let is_kernel = from.is_some_and(|from| from.pid() == 0);
        if is_kernel && parts.take(&buffer[..length], take)? {
            break;
        }
    }
    if parts.is_interrupted {
        return Err(io::ErrorKind::Interrupted.into());
    }
    Ok(())
}

/// Returns what `read` finds in the listed messages, from a consistent list.
///
/// # Errors
/// The kernel's error, and if the objects change at every attempt.
pub(super) fn collect<T>(
    request: &Request<'_>,
    read: impl Fn(&[u8]) -> Option<T>,
) -> io::Result<Vec<T>> {
    let attempt = || {
        let mut found = Vec::new();
        list(request, &mut |content| found.extend(read(content)))?;
        Ok(found)
    };
    let mut attempts = std::iter::repeat_with(attempt).take(ATTEMPTS);
    let is_final = |result: &io::Result<Vec<T>>| !matches!(result, Err(error) if error.kind() == io::ErrorKind::Interrupted);
    attempts
        .find(is_final)
        .unwrap_or_else(|| Err(io::ErrorKind::Interrupted.into()))
}

/// `struct nlmsghdr` and the content.
fn message(kind: u16, flags: u16, content: &[u8]) -> Vec<u8> {
    let length = HEADER + content.len();
    let mut message = Vec::with_capacity(length);
    message.extend(u32::try_from(length).unwrap_or(u32::MAX).to_ne_bytes());
    message.extend(kind.to_ne_bytes());
    message.extend(flags.to_ne_bytes());
    message.extend([0; 8]);
    message.extend(content);
    message
}

/// The state of a list that is being received.
#[derive(Debug)]
struct Parts {
    listed: u16,
    is_interrupted: bool,
}

impl Parts {
    /// Passes the messages of one part of the list to `take`; returns whether it was the last part.
    fn take(&mut self, mut part: &[u8], take: &mut impl FnMut(&[u8])) -> io::Result<bool> {
        let short = || io::Error::from(io::ErrorKind::UnexpectedEof);
        while !part.is_empty() {
            let length = field(part, 0).map(u32::from_ne_bytes).ok_or_else(short)?;
            let length = usize::try_from(length).unwrap_or(usize::MAX);
            let kind = field(part, 4).map(u16::from_ne_bytes).ok_or_else(short)?;
            let flags = field(part, 6).map(u16::from_ne_bytes).ok_or_else(short)?;
            let content = part.get(HEADER..length).ok_or_else(short)?;
            self.is_interrupted |= flags & INTERRUPTED != 0;
            match kind {
                DONE => return status(content).map(|()| true),
                ERROR => return status(content).map(|()| false),
                _ if kind == self.listed => take(content),
                _ => {}
            }
            part = part.get(length.next_multiple_of(4)..).unwrap_or_default();
        }
        Ok(false)
    }
}

/// The error number at the begin of `NLMSG_ERROR` and `NLMSG_DONE`.
fn status(content: &[u8]) -> io::Result<()> {
    match field(content, 0).map_or(0, i32::from_ne_bytes) {
        0.. => Ok(()),
        error => Err(io::Error::from_raw_os_error(-error)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LISTED: u16 = 20;

    fn message(kind: u16, flags: u16, content: [u8; 4]) -> Vec<u8> {
        let mut message = 20_u32.to_ne_bytes().to_vec();
        message.extend(kind.to_ne_bytes());
        message.extend(flags.to_ne_bytes());
        message.extend([0; 8]);
        message.extend(content);
        message
    }

    fn parts() -> Parts {
        Parts {
            listed: LISTED,
            is_interrupted: false,
        }
    }

    #[test]
    fn truncated_parts_are_an_error() {
        let mut nothing = |_: &[u8]| {};
        let whole = message(LISTED, 0, [0; 4]);
        assert!(!parts().take(&whole, &mut nothing).unwrap());
        for end in 1..whole.len() {
            assert!(parts().take(&whole[..end], &mut nothing).is_err(), "{end}");
        }
    }

    #[test]
    fn the_error_of_a_list_is_returned() {
        let code = (-libc::ENOENT).to_ne_bytes();
        for kind in [ERROR, DONE] {
            let error = parts()
                .take(&message(kind, 0, code), &mut |_| {})
                .unwrap_err();
            assert_eq!(error.raw_os_error(), Some(libc::ENOENT));
        }
        assert!(
            parts()
                .take(&message(DONE, 0, [0; 4]), &mut |_| {})
                .unwrap()
        );
    }

    #[test]
    fn other_messages_are_skipped_and_an_interruption_is_noted() {
        let mut taken: Vec<u8> = Vec::new();
        let mut parts = parts();
        let part = [
            message(LISTED, 0, [1; 4]),
            message(LISTED + 1, INTERRUPTED, [2; 4]),
        ]
        .concat();
        parts
            .take(&part, &mut |content| taken.extend(content))
            .unwrap();
        assert_eq!(taken, [1; 4]);
        assert!(parts.is_interrupted);
    }
}
