//! Attempts from a network namespace that nothing leaves: the hooks of the cgroup refuse them before they are routed, or as their packets leave.

use std::io;
use std::net::{IpAddr, Ipv6Addr, SocketAddr, TcpStream, UdpSocket};
use std::os::fd::{AsRawFd as _, FromRawFd as _, OwnedFd};
use std::time::Duration;

use anyhow::{Context as _, Result};

use super::target::Targets;
use crate::doctor::Check;
use crate::sys::enter_empty_network;

/// Maximum wait for a connection that is not refused: nobody answers it.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(1);
const HTTPS: u16 = 443;
/// What to do about an attempt that is not refused.
const FIX: &str = "run `egress-enforcer status` and `egress-enforcer doctor`: in audit mode nothing is refused, and a missing hook is named there";

/// Outcomes of the attempts.
pub(super) struct Attempts {
    /// Those that must be refused.
    pub(super) refused: Vec<Check>,
    /// Those that must pass.
    pub(super) passing: Vec<Check>,
}

/// How a destination is tried.
#[derive(Clone, Copy, Debug)]
enum Way {
    Tcp,
    Udp,
    Icmp,
}

/// Moves the calling thread to an empty network namespace, and makes the attempts there.
///
/// # Errors
/// If the namespace cannot be created.
pub(super) fn make(targets: &Targets) -> Result<Attempts> {
    let has_v6 = enter_empty_network()
        .context("cannot make a network namespace for the attempts (it takes root)")?;
    let is_reachable = |to: &&IpAddr| has_v6 || to.is_ipv4();
    let mut refused = Vec::new();
    for (what, addresses) in [
        ("storage", &targets.storage),
        ("another registry", &targets.registries),
    ] {
        if addresses.is_empty() {
            let fix = "name the tag in protect.tags, or import service tags that have it";
            refused.push(Check::new(what, false, "the protected set has none", fix));
        }
        for to in addresses.iter().filter(is_reachable) {
            refused.extend(ways(*to).map(|(way, to)| refusal(what, way, to)));
        }
    }
    let unprotected = targets.unprotected.iter().filter(is_reachable);
    let unprotected = unprotected.map(|to| match targets.default_allow {
        true => passage(Way::Udp, *to),
        false => refusal("an unprotected address", Way::Udp, *to),
    });
    let (passing, more) = match targets.default_allow {
        true => (unprotected.collect(), Vec::new()),
        false => (Vec::new(), unprotected.collect()),
    };
    refused.extend(more);
    if !has_v6 {
        let fix = "nothing to do where the host has no IPv6";
        refused.push(Check::unknown("IPv6", "this kernel has none", fix));
    }
    Ok(Attempts { refused, passing })
}

/// The ways to try an address; an IPv4 one also as IPv4-mapped.
fn ways(to: IpAddr) -> impl Iterator<Item = (Way, IpAddr)> {
    let mapped = match to {
        IpAddr::V4(to) => Some(IpAddr::V6(to.to_ipv6_mapped())),
        IpAddr::V6(_) => None,
    };
    let direct = [Way::Tcp, Way::Udp, Way::Icmp].map(|way| (way, to));
    let mapped = mapped.map(|to| [Way::Tcp, Way::Udp].map(|way| (way, to)));
    direct.into_iter().chain(mapped.into_iter().flatten())
}

fn refusal(what: &str, way: Way, to: IpAddr) -> Check {
    let tried = way.attempt(to);
    let is_refused = matches!(&tried, Err(error) if error.raw_os_error() == Some(libc::EPERM));
    let found = match &tried {
        Err(_) if is_refused => "refused".to_owned(),
        Err(error) => format!("not refused, but: {error}"),
        Ok(()) => "not refused".to_owned(),
    };
    let id = format!("{what}: {}", way.describe(to));
    Check::new(&id, is_refused, format!("{to}: {found}"), FIX)
}

fn passage(way: Way, to: IpAddr) -> Check {
    let tried = way.attempt(to);
    let found = match &tried {
        Ok(()) => "passes".to_owned(),
        Err(error) => format!("does not pass: {error}"),
    };
    let id = format!("an unprotected address: {}", way.describe(to));
    let fix = "look for another program or firewall that refuses everything: the refusals above may be its own";
    Check::new(&id, tried.is_ok(), format!("{to}: {found}"), fix)
}

impl Way {
    fn describe(self, to: IpAddr) -> String {
        let protocol = match self {
            Self::Tcp => "TCP",
            Self::Udp => "UDP",
            Self::Icmp => "ICMP",
        };
        let family = match to {
            IpAddr::V6(to) if to.to_ipv4_mapped().is_some() => "IPv4-mapped IPv6",
            IpAddr::V6(_) => "IPv6",
            IpAddr::V4(_) => "IPv4",
        };
        format!("{protocol} over {family}")
    }

    /// Sends one packet without content.
    fn attempt(self, to: IpAddr) -> io::Result<()> {
        let to = SocketAddr::new(to, HTTPS);
        match self {
            Self::Tcp => TcpStream::connect_timeout(&to, CONNECT_TIMEOUT).map(drop),
            Self::Udp => {
                let any: IpAddr = match to {
                    SocketAddr::V4(_) => std::net::Ipv4Addr::UNSPECIFIED.into(),
                    SocketAddr::V6(_) => Ipv6Addr::UNSPECIFIED.into(),
                };
                UdpSocket::bind((any, 0))?.send_to(&[], to).map(drop)
            }
            Self::Icmp => echo(to.ip()),
        }
    }
}

/// Sends an echo request (RFC 792, RFC 4443) without content.
fn echo(to: IpAddr) -> io::Result<()> {
    let (family, protocol, kind) = match to {
        IpAddr::V4(_) => (libc::AF_INET, libc::IPPROTO_ICMP, 8),
        IpAddr::V6(_) => (libc::AF_INET6, libc::IPPROTO_ICMPV6, 128),
    };
    // SAFETY: socket(2) takes three integers.
    let socket = unsafe { libc::socket(family, libc::SOCK_RAW | libc::SOCK_CLOEXEC, protocol) };
    if socket < 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: the descriptor was opened above, and has no other owner.
    let socket = unsafe { OwnedFd::from_raw_fd(socket) };
    // Type, code, checksum (the complement of the type; the kernel computes that of ICMPv6), identifier and number.
    let request = [kind, 0, !kind, 0xff, 0, 0, 0, 0];
    let to = nix::sys::socket::SockaddrStorage::from(SocketAddr::new(to, 0));
    let flags = nix::sys::socket::MsgFlags::empty();
    nix::sys::socket::sendto(socket.as_raw_fd(), &request, &to, flags)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_family_is_tried_in_every_way() {
        let described = |to: &str| -> Vec<String> {
            let to = to.parse().unwrap();
            ways(to).map(|(way, to)| way.describe(to)).collect()
        };
        assert_eq!(
            described("20.38.98.100"),
            [
                "TCP over IPv4",
                "UDP over IPv4",
                "ICMP over IPv4",
                "TCP over IPv4-mapped IPv6",
                "UDP over IPv4-mapped IPv6",
            ]
        );
        assert_eq!(described("2603:1030::66").len(), 3);
    }

    #[test]
    fn only_the_error_of_the_hooks_is_a_refusal() {
        // Nobody listens on the loopback device.
        let other = refusal("storage", Way::Tcp, "127.0.0.1".parse().unwrap());
        assert!(other.is_failed(), "{other:?}");
        assert!(other.message.contains("not refused, but"));
        assert!(passage(Way::Udp, "127.0.0.1".parse().unwrap()).is_ok());
    }
}
