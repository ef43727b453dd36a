//! Datagram sockets that were connected to a resolver before the programs were attached, or before that resolver was configured: long-lived clients
//! (nginx, c-ares, dnsmasq) keep theirs for days.
//!
//! sock_diag(7) lists sockets of this process's network namespace only, so that no user can add a socket that reaches the user's own server through
//! another namespace.

use std::collections::BTreeMap;
use std::io;
use std::net::{IpAddr, Ipv6Addr};

use enforcer_common::dns::PORT;
use enforcer_common::layout::{AddressKey, MAX_DNS_SOCKETS};

use super::KernelError;
use super::netlink::{self, Protocol, Request, field};
use crate::policy::address;

const WHAT: &str =
    "list the sockets that are connected to resolvers (sock_diag(7), kernel module udp_diag)";
/// `SOCK_DIAG_BY_FAMILY` (linux/sock_diag.h).
const BY_FAMILY: u16 = 20;
/// `struct inet_diag_req_v2`.
const REQUEST: usize = 56;
/// `1 << TCP_ESTABLISHED`: the state of a connected datagram socket.
const CONNECTED: u32 = 1 << 1;

const MAX_SOCKETS: usize = MAX_DNS_SOCKETS as usize;

/// Sockets by cookie, for each user, at most [`MAX_SOCKETS`] each.
type SocketsByUser = BTreeMap<u32, BTreeMap<u64, AddressKey>>;

/// Lists the datagram sockets of this process's network namespace that are connected to one of `servers`, by cookie with the resolver's address. If there
/// are too many, each user gets an equal share, oldest first, so that no user displaces the sockets of others.
///
/// # Errors
/// If the kernel does not list them.
pub fn dns_sockets(
    servers: &BTreeMap<AddressKey, u32>,
) -> Result<BTreeMap<u64, AddressKey>, KernelError> {
    let mut found = SocketsByUser::new();
    if servers.is_empty() {
        return Ok(BTreeMap::new());
    }
    for family in [libc::AF_INET, libc::AF_INET6] {
        let listed = list(family as u8, &mut |entry| {
            if let Some((user, cookie, server)) = read(entry)
                && servers.contains_key(&server)
            {
                let own = found.entry(user).or_default();
                own.insert(cookie, server);
                if own.len() > MAX_SOCKETS {
                    own.pop_last();
                }
            }
        });
        listed.map_err(KernelError::failed(WHAT))?;
    }
    Ok(fair_share(found))
}

/// Returns as many sockets as fit into the map, in equal shares of the users.
fn fair_share(found: SocketsByUser) -> BTreeMap<u64, AddressKey> {
    let by_user = found.into_values();
    let ranked = by_user.flat_map(|own| own.into_iter().enumerate());
    let mut ranked: Vec<_> = ranked.collect();
    ranked.sort_unstable_by_key(|(rank, (cookie, _))| (*rank, *cookie));
    let fitting = ranked.into_iter().take(MAX_SOCKETS);
    fitting.map(|(_, socket)| socket).collect()
}

/// Passes each connected datagram socket of one family with peer port 53 to `take`, as a `struct inet_diag_msg`.
fn list(family: u8, take: &mut impl FnMut(&[u8])) -> io::Result<()> {
    let request = Request {
        protocol: Protocol::SockDiag,
        kind: BY_FAMILY,
        listed: BY_FAMILY,
        content: &request(family),
    };
    netlink::list(&request, take)
}

/// `struct inet_diag_req_v2` (linux/inet_diag.h). Only the peer's port of the socket id is set.
fn request(family: u8) -> Vec<u8> {
    let mut request = vec![family, libc::IPPROTO_UDP as u8, 0, 0];
    request.extend(CONNECTED.to_ne_bytes());
    request.extend([0, 0]);
    request.extend(PORT.to_be_bytes());
    request.resize(REQUEST, 0);
    request
}

/// User, cookie and peer of a `struct inet_diag_msg`.
fn read(entry: &[u8]) -> Option<(u32, u64, AddressKey)> {
    let peer: [u8; 16] = field(entry, 24)?;
    let peer = match i32::from(*entry.first()?) {
        libc::AF_INET => IpAddr::from(field::<4>(&peer, 0)?),
        libc::AF_INET6 => IpAddr::V6(Ipv6Addr::from(peer)),
        _ => return None,
    };
    let low = u32::from_ne_bytes(field(entry, 44)?);
    let high = u32::from_ne_bytes(field(entry, 48)?);
    let user = u32::from_ne_bytes(field(entry, 64)?);
    let cookie = u64::from(high) << 32 | u64::from(low);
    Some((user, cookie, address(peer).key()))
}

#[cfg(test)]
mod tests {
    use std::net::UdpSocket;

    use super::*;

    const SERVER: AddressKey = [7; 16];

    #[test]
    fn only_sockets_connected_to_a_resolver_are_listed() {
        let connected = |bind: &str, peer: &str| {
            let socket = UdpSocket::bind(bind).unwrap();
            socket.connect(peer).unwrap();
            socket
        };
        let server: IpAddr = "127.9.8.7".parse().unwrap();
        let key = address(server).key();
        let _open = [
            connected("127.0.0.1:0", "127.9.8.7:53"),
            connected("[::]:0", "[::ffff:127.9.8.7]:53"),
        ];
        let _others = [
            connected("127.0.0.1:0", "127.9.8.7:54"),
            connected("127.0.0.1:0", "127.9.8.6:53"),
            UdpSocket::bind("127.0.0.1:0").unwrap(),
        ];
        let listed = dns_sockets(&BTreeMap::from([(key, 1)])).unwrap();
        assert_eq!(listed.into_values().collect::<Vec<_>>(), [key; 2]);
        assert_eq!(dns_sockets(&BTreeMap::new()).unwrap(), BTreeMap::new());
    }

    #[test]
    fn a_user_with_many_sockets_displaces_no_others() {
        let own = |cookies: std::ops::Range<u64>| cookies.map(|cookie| (cookie, SERVER)).collect();
        let many = own(10..10 + 2 * MAX_SOCKETS as u64);
        let found = SocketsByUser::from([(1000, many), (33, own(1_000_000..1_000_003))]);
        let listed = fair_share(found);
        assert_eq!(listed.len(), MAX_SOCKETS);
        assert!((1_000_000..1_000_003).all(|cookie| listed.contains_key(&cookie)));
        assert!(listed.contains_key(&10) && !listed.contains_key(&(10 + MAX_SOCKETS as u64)));
    }

    #[test]
    fn a_truncated_entry_is_skipped() {
        assert_eq!(read(&[0; 71]), None);
    }
}
