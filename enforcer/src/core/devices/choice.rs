//! Which devices have filters.

use enforcer_common::layout::LinkHeader;

use super::found::FoundDevice;
use crate::config::Frames;

/// Types of link-layer headers (linux/if_arp.h) that libc lacks.
const ARPHRD_RAWIP: u16 = 519;
const ARPHRD_IP6GRE: u16 = 823;
const ARPHRD_NETLINK: u16 = 824;

/// Whether a device has filters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Choice {
    /// It has, and this precedes the network header of its frames.
    Filter(LinkHeader),
    /// It has none, for this reason.
    Skip(&'static str),
    /// It would, but its frames cannot be read.
    UnknownHeader,
}

/// Returns whether a device has filters.
pub(crate) fn choose(frames: &Frames, device: &FoundDevice) -> Choice {
    if device.is_loopback {
        return Choice::Skip("loopback");
    }
    if !frames.names(&device.name) {
        return Choice::Skip("not in frames.interfaces");
    }
    if device.is_bonded {
        return Choice::Skip("judged at its bond");
    }
    match device.link_type {
        libc::ARPHRD_ETHER => Choice::Filter(LinkHeader::Ethernet),
        libc::ARPHRD_NONE
        | libc::ARPHRD_PPP
        | libc::ARPHRD_TUNNEL
        | libc::ARPHRD_TUNNEL6
        | libc::ARPHRD_SIT
        | libc::ARPHRD_IPGRE
        | ARPHRD_IP6GRE
        | ARPHRD_RAWIP => Choice::Filter(LinkHeader::None),
        libc::ARPHRD_CAN | ARPHRD_NETLINK => Choice::Skip("carries no IP packets"),
        _ => Choice::UnknownHeader,
    }
}

#[cfg(test)]
mod tests {
    use super::super::found::{FoundFilter, FoundFilters};
    use super::*;
    use crate::config::parse;

    fn device(name: &str, link_type: u16) -> FoundDevice {
        let missing = || FoundFilter::Missing;
        FoundDevice {
            index: 2,
            name: name.to_owned(),
            link_type,
            is_loopback: false,
            is_bonded: false,
            is_card: false,
            kind: None,
            master: None,
            lower: None,
            filters: FoundFilters {
                egress: missing(),
                ingress: missing(),
            },
        }
    }

    #[test]
    fn named_devices_with_a_known_header_have_filters() {
        let all = parse("registry = []\n", "/etc/x.toml".as_ref())
            .unwrap()
            .frames;
        let text = "registry = []\n[frames]\ninterfaces = [\"eth*\"]\n";
        let some = parse(text, "/etc/x.toml".as_ref()).unwrap().frames;
        let ethernet = Choice::Filter(LinkHeader::Ethernet);
        let unnamed = Choice::Skip("not in frames.interfaces");
        let skipped = Choice::Skip("carries no IP packets");
        for (frames, name, link_type, expected) in [
            (&all, "veth1", libc::ARPHRD_ETHER, ethernet),
            (&some, "eth0", libc::ARPHRD_ETHER, ethernet),
            (&some, "veth1", libc::ARPHRD_ETHER, unnamed),
            (
                &all,
                "wg0",
                libc::ARPHRD_NONE,
                Choice::Filter(LinkHeader::None),
            ),
            (&all, "can0", libc::ARPHRD_CAN, skipped),
            (&all, "ib0", libc::ARPHRD_INFINIBAND, Choice::UnknownHeader),
            (&some, "ib0", libc::ARPHRD_INFINIBAND, unnamed),
        ] {
            assert_eq!(choose(frames, &device(name, link_type)), expected, "{name}");
        }
        let loopback = FoundDevice {
            is_loopback: true,
            ..device("lo", libc::ARPHRD_LOOPBACK)
        };
        assert_eq!(choose(&all, &loopback), Choice::Skip("loopback"));
        let bonded = FoundDevice {
            is_bonded: true,
            ..device("eth0", libc::ARPHRD_ETHER)
        };
        assert_eq!(choose(&all, &bonded), Choice::Skip("judged at its bond"));
    }
}
