//! Attempts from a network namespace that nothing leaves: the hooks of the cgroup refuse them before they are routed, or as their packets leave.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::os::fd::{AsRawFd as _, FromRawFd as _, OwnedFd};
use std::time::Duration;

use anyhow::{Context as _, Result};
use nix::sys::socket::{MsgFlags, SockaddrStorage, sendto};

use super::target::Targets;
use crate::doctor::Check;
use crate::sys::enter_empty_network;

/// Maximum wait for a connection that is not refused: nobody answers it.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(1);
const HTTPS: u16 = 443;
/// Addresses of the loopback device.
const OWN: [IpAddr; 2] = [
    IpAddr::V4(Ipv4Addr::LOCALHOST),
    IpAddr::V6(Ipv6Addr::LOCALHOST),
];
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
    let tries = Tries {
        has_v6,
        has_mapped: UdpSocket::bind((Ipv6Addr::UNSPECIFIED, 0)).is_ok(),
    };
    // Without one, a connection that is allowed would be refused by the address itself.
    let _listener = listener(&tries);
    let mut refused = Vec::new();
    for (what, addresses) in [
        ("storage", &targets.storage),
        ("another registry", &targets.registries),
    ] {
        if addresses.is_empty() {
            let fix = "name the tag in protect.tags, or import service tags that have it";
            refused.push(Check::new(what, false, "the protected set has none", fix));
        }
        refused.extend(tries.of(addresses).map(|(way, to)| refusal(what, way, to)));
    }
    let mut passing = Vec::new();
    match targets.default_allow {
        true => {
            let of = tries.of(&targets.unprotected);
            passing.extend(of.map(|(way, to)| passage("an unprotected address", way, to)));
        }
        false => {
            let of = tries.of(&targets.unprotected);
            refused.extend(of.map(|(way, to)| refusal("an unprotected address", way, to)));
        }
    }
    // Whatever the policy is, a host may talk to itself.
    let own = tries.of(&OWN);
    passing.extend(own.map(|(way, to)| passage("an address of the host itself", way, to)));
    if !has_v6 {
        let fix = "nothing to do where the host has no IPv6";
        let why = "this host has no IPv6, or it is disabled";
        refused.push(Check::unknown("IPv6", why, fix));
    }
    Ok(Attempts { refused, passing })
}

/// Accepts connections to every address, as all are those of the namespace.
fn listener(tries: &Tries) -> Option<TcpListener> {
    let any: IpAddr = match tries.has_mapped {
        true => Ipv6Addr::UNSPECIFIED.into(),
        false => Ipv4Addr::UNSPECIFIED.into(),
    };
    TcpListener::bind((any, HTTPS)).ok()
}

/// What can be tried in the namespace.
struct Tries {
    has_v6: bool,
    /// Whether sockets of IPv6 exist, which also reach IPv4 addresses.
    has_mapped: bool,
}

impl Tries {
    /// The ways to try addresses; IPv4 ones also as IPv4-mapped.
    fn of(&self, addresses: &[IpAddr]) -> impl Iterator<Item = (Way, IpAddr)> {
        let reachable = addresses.iter().filter(|to| self.has_v6 || to.is_ipv4());
        reachable.flat_map(|to| {
            let direct = [Way::Tcp, Way::Udp, Way::Icmp].map(|way| (way, *to));
            let mapped = match to {
                IpAddr::V4(to) if self.has_mapped => Some(IpAddr::V6(to.to_ipv6_mapped())),
                IpAddr::V4(_) | IpAddr::V6(_) => None,
            };
            let mapped = mapped.map(|to| [Way::Tcp, Way::Udp].map(|way| (way, to)));
            direct.into_iter().chain(mapped.into_iter().flatten())
        })
    }
}

/// What became of an attempt.
enum Tried {
    /// No socket could be had for it.
    Impossible(io::Error),
    Left,
    Failed(io::Error),
}

fn refusal(what: &str, way: Way, to: IpAddr) -> Check {
    let id = format!("{what}: {}", way.describe(to));
    match way.attempt(to) {
        Tried::Impossible(error) => not_tried(&id, &error),
        Tried::Failed(error) if error.raw_os_error() == Some(libc::EPERM) => {
            Check::new(&id, true, format!("{to}: refused"), FIX)
        }
        Tried::Failed(error) => {
            Check::new(&id, false, format!("{to}: not refused, but: {error}"), FIX)
        }
        Tried::Left => Check::new(&id, false, format!("{to}: not refused"), FIX),
    }
}

fn passage(what: &str, way: Way, to: IpAddr) -> Check {
    let id = format!("{what}: {}", way.describe(to));
    let fix = "look for another program that refuses everything: the refusals above may be its own";
    match way.attempt(to) {
        Tried::Impossible(error) => not_tried(&id, &error),
        Tried::Failed(error) => {
            Check::new(&id, false, format!("{to}: does not pass: {error}"), fix)
        }
        Tried::Left => Check::new(&id, true, format!("{to}: passes"), fix),
    }
}

fn not_tried(id: &str, error: &io::Error) -> Check {
    let fix = "run it as root, with CAP_NET_RAW and without a filter of system calls";
    Check::unknown(id, format!("no socket for it: {error}"), fix)
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
    fn attempt(self, to: IpAddr) -> Tried {
        let to = SocketAddr::new(to, HTTPS);
        let sent = match self {
            Self::Tcp => TcpStream::connect_timeout(&to, CONNECT_TIMEOUT).map(drop),
            Self::Udp => {
                let any: IpAddr = match to {
                    SocketAddr::V4(_) => Ipv4Addr::UNSPECIFIED.into(),
                    SocketAddr::V6(_) => Ipv6Addr::UNSPECIFIED.into(),
                };
                match UdpSocket::bind((any, 0)) {
                    Ok(socket) => socket.send_to(&[], to).map(drop),
                    Err(error) => return Tried::Impossible(error),
                }
            }
            Self::Icmp => match raw_socket(to.ip()) {
                Ok(socket) => echo(&socket, to.ip()),
                Err(error) => return Tried::Impossible(error),
            },
        };
        sent.map_or_else(Tried::Failed, |()| Tried::Left)
    }
}

fn raw_socket(to: IpAddr) -> io::Result<OwnedFd> {
    let (family, protocol) = match to {
        IpAddr::V4(_) => (libc::AF_INET, libc::IPPROTO_ICMP),
        IpAddr::V6(_) => (libc::AF_INET6, libc::IPPROTO_ICMPV6),
    };
    // SAFETY: socket(2) takes three integers.
    let socket = unsafe { libc::socket(family, libc::SOCK_RAW | libc::SOCK_CLOEXEC, protocol) };
    if socket < 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: the descriptor was opened above, and has no other owner.
    Ok(unsafe { OwnedFd::from_raw_fd(socket) })
}

/// Sends an echo request (RFC 792, RFC 4443) without content.
fn echo(socket: &OwnedFd, to: IpAddr) -> io::Result<()> {
    let kind = match to {
        IpAddr::V4(_) => 8,
        IpAddr::V6(_) => 128,
    };
    // Type, code, checksum (the complement of the type; the kernel computes that of ICMPv6), identifier and number.
    let request = [kind, 0, !kind, 0xff, 0, 0, 0, 0];
    let to = SockaddrStorage::from(SocketAddr::new(to, 0));
    sendto(socket.as_raw_fd(), &request, &to, MsgFlags::empty())?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_family_is_tried_in_every_way() {
        let described = |to: &str, has_v6, has_mapped| -> Vec<String> {
            let tries = Tries { has_v6, has_mapped };
            let to = [to.parse().unwrap()];
            tries.of(&to).map(|(way, to)| way.describe(to)).collect()
        };
        let all = described("20.38.98.100", true, true);
        assert_eq!(
            all,
            [
                "TCP over IPv4",
                "UDP over IPv4",
                "ICMP over IPv4",
                "TCP over IPv4-mapped IPv6",
                "UDP over IPv4-mapped IPv6",
            ]
        );
        assert_eq!(described("20.38.98.100", false, false), all[..3]);
        assert_eq!(described("2603:1030::66", true, true).len(), 3);
        assert_eq!(described("2603:1030::66", false, true), [""; 0]);
    }

    #[test]
    fn only_the_error_of_the_hooks_is_a_refusal() {
        // Nobody listens on the loopback device.
        let local: IpAddr = "127.103.7.2".parse().unwrap();
        let other = refusal("storage", Way::Tcp, local);
        assert!(other.is_failed(), "{other:?}");
        assert!(other.message.contains("not refused, but"));
        assert!(passage("own", Way::Udp, local).is_ok());
    }
}
