//! Requests that change kernel objects.

use std::io;
use std::os::fd::AsRawFd as _;

use nix::sys::socket::{MsgFlags, NetlinkAddr, recvfrom, send};

use super::{ERROR, HEADER, Protocol, field, message, status};

/// `NLM_F_REQUEST | NLM_F_ACK | NLM_F_CREATE` (linux/netlink.h).
const CREATE: u16 = 0x405;
/// Length of `NLMSG_ERROR` with the header of the request.
const ANSWER: usize = 1024;

/// Sends a request of type `kind` that creates or sets an object, and waits for the kernel's answer. `content`: what follows `struct nlmsghdr`.
///
/// # Errors
/// The kernel's error.
pub(in crate::sys) fn create(protocol: Protocol, kind: u16, content: &[u8]) -> io::Result<()> {
    let socket = protocol.open(0)?;
    let request = message(kind, CREATE, content);
    send(socket.as_raw_fd(), &request, MsgFlags::empty())?;
    let mut answer = [0; ANSWER];
    let (received, _from) = recvfrom::<NetlinkAddr>(socket.as_raw_fd(), &mut answer)?;
    let answer = answer.get(..received).unwrap_or_default();
    let kind = field(answer, 4).map(u16::from_ne_bytes);
    match (kind, answer.get(HEADER..)) {
        (Some(ERROR), Some(content)) => status(content),
        _ => Err(io::ErrorKind::UnexpectedEof.into()),
    }
}

/// An attribute (`struct nlattr`), padded.
pub(in crate::sys) fn attribute(kind: u16, content: &[u8]) -> Vec<u8> {
    let length = u16::try_from(4 + content.len()).unwrap_or(u16::MAX);
    let mut attribute = length.to_ne_bytes().to_vec();
    attribute.extend(kind.to_ne_bytes());
    attribute.extend(content);
    attribute.resize(attribute.len().next_multiple_of(4), 0);
    attribute
}
