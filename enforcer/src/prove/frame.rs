//! Frames of packet sockets, which no hook of a socket sees.

use std::ffi::CString;
use std::io;
use std::net::{IpAddr, Ipv4Addr};
use std::os::fd::{AsRawFd as _, FromRawFd as _, OwnedFd};

use jiff::Timestamp;

use super::in_force::InForce;
use super::reported::{FIX as NOT_REPORTED, is_reported};
use super::target::Targets;
use crate::config::FramesMode;
use crate::core::{DeviceState, DeviceStatus, EventRecord};
use crate::doctor::Check;

/// Maximum number of devices that are tried.
const MOST_DEVICES: usize = 8;
/// The IP protocol number of UDP.
const UDP: u8 = 17;

/// Tries to send a frame to a storage address by each device that has filters.
pub(super) fn attempts(in_force: &InForce, targets: &Targets) -> Vec<Check> {
    let id = "storage: a frame of a packet socket";
    let unknown = |why: &str, fix: &str| vec![Check::unknown(id, why, fix)];
    let Some(status) = &in_force.status else {
        return unknown(
            "no daemon runs, so the network devices are not known",
            "start the daemon",
        );
    };
    if status.frames == FramesMode::Off {
        let fix = "set frames.mode to \"on\"";
        return unknown("frames are not judged: frames.mode is \"off\"", fix);
    }
    let storage = targets.storage.iter().find_map(|to| match to {
        IpAddr::V4(to) => Some(*to),
        IpAddr::V6(_) => None,
    });
    let Some(storage) = storage else {
        return unknown(
            "the protected set has no IPv4 address of storage",
            "import service tags",
        );
    };
    let filtered: Vec<_> = status
        .devices
        .iter()
        .filter(|device| device.state == DeviceState::Filtered)
        .collect();
    if filtered.is_empty() {
        return unknown(
            "no network device drops what it denies",
            "run `egress-enforcer status`",
        );
    }
    let tried = filtered.iter().take(MOST_DEVICES);
    let mut checks: Vec<_> = tried
        .map(|device| attempt(in_force, id, device, storage))
        .collect();
    if let Some(others @ 1..) = filtered.len().checked_sub(MOST_DEVICES) {
        let why = format!("{others} more devices are not tried");
        checks.push(Check::unknown(id, why, "their filters are listed below"));
    }
    checks
}

fn attempt(in_force: &InForce, id: &str, device: &DeviceStatus, to: Ipv4Addr) -> Check {
    let id = format!("{id} by {}", device.name);
    let fix =
        "run `egress-enforcer status`: it names devices whose filters are missing or only report";
    let since = Timestamp::now();
    let fits = |event: &EventRecord| {
        event.device.as_ref() == Some(&device.name) && event.destination == Some(to.into())
    };
    match send(&device.name, to) {
        // The kernel reports a frame that a filter dropped as one for which it had no buffer.
        Err(error) if error.raw_os_error() == Some(libc::ENOBUFS) => {
            match is_reported(in_force, since, fits) {
                true => Check::new(&id, true, format!("{to}: refused, and reported"), fix),
                false => Check::unknown(
                    &id,
                    format!("{to}: not sent, but the daemon reports no denial"),
                    NOT_REPORTED,
                ),
            }
        }
        Err(error) => Check::unknown(&id, format!("{to}: not sent: {error}"), fix),
        Ok(()) => Check::new(&id, false, format!("{to}: not refused"), fix),
    }
}

/// Sends a datagram without content to the device itself: should it leave, no switch passes it on, and without a checksum no router.
fn send(device: &str, to: Ipv4Addr) -> io::Result<()> {
    let protocol = u16::try_from(libc::ETH_P_IP).unwrap_or_default().to_be();
    // SAFETY: socket(2) takes three integers.
    let socket = unsafe { libc::socket(libc::AF_PACKET, libc::SOCK_DGRAM | libc::SOCK_CLOEXEC, 0) };
    if socket < 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: the descriptor was opened above, and has no other owner.
    let socket = unsafe { OwnedFd::from_raw_fd(socket) };
    let name = CString::new(device)?;
    // SAFETY: the name ends with NUL.
    let index = unsafe { libc::if_nametoindex(name.as_ptr()) };
    // SAFETY: all zeroes are a valid address.
    let mut link: libc::sockaddr_ll = unsafe { std::mem::zeroed() };
    link.sll_family = u16::try_from(libc::AF_PACKET).unwrap_or_default();
    link.sll_protocol = protocol;
    link.sll_ifindex = i32::try_from(index).map_err(io::Error::other)?;
    let length = libc::socklen_t::try_from(size_of_val(&link)).map_err(io::Error::other)?;
    let address = (&raw mut link).cast::<libc::sockaddr>();
    // SAFETY: the address has the length passed, and the descriptor is open.
    let bound = unsafe { libc::bind(socket.as_raw_fd(), address, length) };
    if bound != 0 {
        return Err(io::Error::last_os_error());
    }
    // The device's own hardware address.
    let mut written = length;
    // SAFETY: the kernel writes no more than the length passed.
    if unsafe { libc::getsockname(socket.as_raw_fd(), address, &raw mut written) } != 0 {
        return Err(io::Error::last_os_error());
    }
    let packet = datagram(to);
    // SAFETY: the packet and the address have the lengths passed.
    let sent = unsafe {
        libc::sendto(
            socket.as_raw_fd(),
            packet.as_ptr().cast(),
            packet.len(),
            0,
            address,
            length,
        )
    };
    if sent < 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(())
}

/// IPv4 and UDP headers (RFC 791, RFC 768) from nowhere to port 443 of `to`.
fn datagram(to: Ipv4Addr) -> Vec<u8> {
    let mut packet = vec![0x45, 0, 0, 28, 0, 0, 0, 0, 1, UDP, 0, 0, 0, 0, 0, 0];
    packet.extend(to.octets());
    packet.extend([0, 9, 1, 187, 0, 8, 0, 0]);
    packet
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_datagram_is_whole() {
        let packet = datagram(Ipv4Addr::new(20, 38, 98, 100));
        assert_eq!(packet.len(), 28);
        assert_eq!(packet[16..20], [20, 38, 98, 100]);
        assert_eq!(packet[22..24], 443_u16.to_be_bytes());
    }
}
