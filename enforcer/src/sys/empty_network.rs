//! A network namespace that nothing leaves.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::netlink::{Protocol, attribute, create};

/// `RTM_NEWLINK`, `RTM_NEWADDR` and `RTM_NEWROUTE` (linux/rtnetlink.h).
const NEWLINK: u16 = 16;
const NEWADDR: u16 = 20;
const NEWROUTE: u16 = 24;
/// `IFA_ADDRESS` and `IFA_LOCAL` (linux/if_addr.h).
const IFA_ADDRESS: u16 = 1;
const IFA_LOCAL: u16 = 2;
/// `RTA_OIF` (linux/rtnetlink.h).
const RTA_OIF: u16 = 4;
/// `IFF_UP` (linux/if.h).
const UP: u32 = 1;
/// The only device of a new namespace.
const LOOPBACK: u32 = 1;
/// Own addresses, for documentation (RFC 5737, RFC 3849).
const V4: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 254);
const V6: Ipv6Addr = Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 0xfe);

/// Moves the calling thread into a new network namespace, which ends with it. Its only device is the loopback device, and every address is its
/// own, so that packets pass the hooks of their socket's cgroup and come back. Returns whether it has IPv6.
///
/// # Errors
/// If the kernel refuses: it takes `CAP_SYS_ADMIN`.
pub(crate) fn enter_empty_network() -> io::Result<bool> {
    // SAFETY: unshare(2) takes flags, and changes the calling thread alone.
    if unsafe { libc::unshare(libc::CLONE_NEWNET) } != 0 {
        return Err(io::Error::last_os_error());
    }
    create(Protocol::Route, NEWLINK, &up())?;
    route_all(V4.into())?;
    Ok(route_all(V6.into()).is_ok())
}

/// `struct ifinfomsg` that sets the loopback device up.
fn up() -> Vec<u8> {
    let mut message = vec![0; 4];
    for word in [LOOPBACK, UP, UP] {
        message.extend(word.to_ne_bytes());
    }
    message
}

/// Gives the loopback device an address, and routes all addresses of its family there.
fn route_all(own: IpAddr) -> io::Result<()> {
    let (family, bytes) = match own {
        IpAddr::V4(own) => (libc::AF_INET, own.octets().to_vec()),
        IpAddr::V6(own) => (libc::AF_INET6, own.octets().to_vec()),
    };
    let family = u8::try_from(family).unwrap_or_default();
    let bits = u8::try_from(8 * bytes.len()).unwrap_or_default();
    // `struct ifaddrmsg`: family, length of the prefix, no flags, everywhere.
    let mut address = vec![family, bits, 0, 0];
    address.extend(LOOPBACK.to_ne_bytes());
    address.extend(attribute(IFA_LOCAL, &bytes));
    address.extend(attribute(IFA_ADDRESS, &bytes));
    create(Protocol::Route, NEWADDR, &address)?;
    // `struct rtmsg`: family, any destination and source, no TOS, table, protocol, scope, type, no flags. A route that is not local would discard
    // IPv6 packets before any hook.
    let (table, protocol) = (libc::RT_TABLE_LOCAL, libc::RTPROT_STATIC);
    let (scope, kind) = (libc::RT_SCOPE_HOST, libc::RTN_LOCAL);
    let mut route = vec![family, 0, 0, 0, table, protocol, scope, kind];
    route.extend([0; 4]);
    route.extend(attribute(RTA_OIF, &LOOPBACK.to_ne_bytes()));
    create(Protocol::Route, NEWROUTE, &route)
}

#[cfg(test)]
mod tests {
    use std::net::UdpSocket;

    use super::*;

    fn returns(at: &str, to: &str) {
        let receiver = UdpSocket::bind(at).unwrap();
        let limit = Some(std::time::Duration::from_secs(10));
        receiver.set_read_timeout(limit).unwrap();
        receiver.send_to(b"x", to).unwrap();
        assert_eq!(receiver.recv(&mut [0; 2]).unwrap(), 1, "{to}");
    }

    #[test]
    fn every_packet_comes_back_by_the_only_device() {
        let tried = std::thread::spawn(|| {
            let v6 = match enter_empty_network() {
                Err(error) if error.raw_os_error() == Some(libc::EPERM) => {
                    eprintln!("NOT RUN: only root may create a network namespace");
                    return;
                }
                entered => entered.unwrap(),
            };
            let devices = super::super::devices().unwrap();
            assert_eq!(devices.len(), 1, "{devices:?}");
            returns("0.0.0.0:443", "20.38.98.100:443");
            if v6 {
                returns("[::]:443", "[2603:1030::66]:443");
            }
        });
        tried.join().unwrap();
    }
}
