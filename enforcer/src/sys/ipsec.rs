//! IPsec policies of this process's network namespace (`struct xfrm_policy`), and notification of their changes.

use std::net::{Ipv4Addr, Ipv6Addr};

use ipnet::IpNet;

use super::KernelError;
use super::netlink::{Attributes, GroupWatch, Protocol, Request, collect, field};
use crate::core::IpsecPolicy;

/// Message types of linux/xfrm.h.
const NEWPOLICY: u16 = 0x13;
const GETPOLICY: u16 = 0x15;
/// The bit of `XFRMNLGRP_POLICY`.
const POLICY_GROUP: u32 = 1 << 3;
/// `struct xfrm_userpolicy_info`, which begins with a `struct xfrm_selector`.
const HEADER: usize = 168;
/// Offsets in it.
const SOURCE: usize = 16;
const FAMILY: usize = 40;
const DESTINATION_LENGTH: usize = 42;
const SOURCE_LENGTH: usize = 43;
const TRANSPORT: usize = 44;
const DIRECTION: usize = 160;
const ACTION: usize = 161;
/// `XFRM_POLICY_OUT`; a policy of one socket has `XFRM_POLICY_MAX` added.
const OUT: u8 = 1;
const SOCKET_OUT: u8 = 3 + OUT;
/// `XFRM_POLICY_ALLOW`.
const ALLOW: u8 = 0;
/// Attributes: `XFRMA_TMPL` and `XFRMA_IF_ID`.
const TEMPLATES: u16 = 5;
const INTERFACE_ID: u16 = 31;

const WHAT: &str = "list the IPsec policies (NETLINK_XFRM, kernel module xfrm_user)";

/// Lists the policies; none if the kernel has no IPsec.
///
/// # Errors
/// If the kernel does not list them.
pub fn ipsec_policies() -> Result<Vec<IpsecPolicy>, KernelError> {
    let request = Request {
        protocol: Protocol::Xfrm,
        kind: GETPOLICY,
        listed: NEWPOLICY,
        content: &[],
    };
    match collect(&request, read) {
        Err(error) if error.raw_os_error() == Some(libc::EPROTONOSUPPORT) => Ok(Vec::new()),
        listed => listed.map_err(KernelError::failed(WHAT)),
    }
}

/// Reads a `struct xfrm_userpolicy_info` and its attributes.
fn read(message: &[u8]) -> Option<IpsecPolicy> {
    let byte = |at| field::<1>(message, at).map(|[byte]| byte);
    let attributes = Attributes::after(message, HEADER);
    Some(IpsecPolicy {
        source: prefix(message, SOURCE, byte(SOURCE_LENGTH)?)?,
        destination: prefix(message, 0, byte(DESTINATION_LENGTH)?)?,
        transport: byte(TRANSPORT)?,
        is_outgoing: [OUT, SOCKET_OUT].contains(&byte(DIRECTION)?),
        allows: byte(ACTION)? == ALLOW,
        transforms: attributes
            .get(TEMPLATES)
            .is_some_and(|list| !list.is_empty()),
        interface: attributes.number(INTERFACE_ID).unwrap_or(0),
    })
}

/// Reads the address at this offset, of the family in the selector, with a prefix length.
fn prefix(message: &[u8], at: usize, length: u8) -> Option<IpNet> {
    let family = field(message, FAMILY).map(u16::from_ne_bytes)?;
    let address = match i32::from(family) {
        libc::AF_INET => Ipv4Addr::from(field::<4>(message, at)?).into(),
        libc::AF_INET6 => Ipv6Addr::from(field::<16>(message, at)?).into(),
        _ => return None,
    };
    IpNet::new(address, length).ok()
}

/// Reports when a policy is added, changed or removed.
#[derive(Debug)]
pub struct IpsecWatch(GroupWatch);

impl IpsecWatch {
    /// Subscribes to the kernel's notifications; `None` if the kernel has no IPsec.
    ///
    /// # Errors
    /// If the kernel refuses it.
    pub fn new() -> Result<Option<Self>, KernelError> {
        const WATCH: &str = "watch the IPsec policies";
        match Protocol::Xfrm.open(0) {
            Err(error) if error.raw_os_error() == Some(libc::EPROTONOSUPPORT) => return Ok(None),
            opened => drop(opened.map_err(KernelError::failed(WATCH))?),
        }
        GroupWatch::new(Protocol::Xfrm, POLICY_GROUP, WATCH).map(|watch| Some(Self(watch)))
    }

    /// Waits for the next change. The caller then lists all policies, so lost notifications do not matter.
    ///
    /// # Errors
    /// If the socket fails.
    pub async fn changed(&self) -> Result<(), KernelError> {
        self.0.changed().await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// An outgoing policy from 10.0.0.0/8 to 20.0.0.0/8 with these attributes.
    fn message(attributes: &[(u16, &[u8])]) -> Vec<u8> {
        let mut message = vec![0; HEADER];
        message[0] = 20;
        message[SOURCE] = 10;
        message[FAMILY..FAMILY + 2].copy_from_slice(&(libc::AF_INET as u16).to_ne_bytes());
        message[DESTINATION_LENGTH] = 8;
        message[SOURCE_LENGTH] = 8;
        message[TRANSPORT] = 17;
        message[DIRECTION] = OUT;
        for (kind, content) in attributes {
            message.extend((4 + content.len() as u16).to_ne_bytes());
            message.extend(kind.to_ne_bytes());
            message.extend(*content);
        }
        message
    }

    #[test]
    fn a_policy_is_read() {
        let interface = 7_u32.to_ne_bytes();
        let policy = read(&message(&[
            (TEMPLATES, &[0; 64]),
            (INTERFACE_ID, &interface),
        ]));
        let expected = IpsecPolicy {
            source: "10.0.0.0/8".parse().unwrap(),
            destination: "20.0.0.0/8".parse().unwrap(),
            transport: 17,
            is_outgoing: true,
            allows: true,
            transforms: true,
            interface: 7,
        };
        assert_eq!(policy, Some(expected));
    }

    #[test]
    fn directions_actions_and_templates_differ() {
        let with = |at: usize, value: u8| {
            let mut message = message(&[]);
            message[at] = value;
            read(&message).unwrap()
        };
        for (direction, is_outgoing) in [(0, false), (1, true), (2, false), (3, false), (4, true)] {
            assert_eq!(with(DIRECTION, direction).is_outgoing, is_outgoing);
        }
        assert!(!with(ACTION, 1).allows);
        let plain = with(ACTION, ALLOW);
        assert!(plain.allows && !plain.transforms && plain.interface == 0);
    }

    #[test]
    fn a_policy_for_ipv6_is_read_and_a_truncated_one_is_skipped() {
        let mut message = message(&[]);
        message[FAMILY..FAMILY + 2].copy_from_slice(&(libc::AF_INET6 as u16).to_ne_bytes());
        message[DESTINATION_LENGTH] = 0;
        let policy = read(&message).unwrap();
        assert_eq!(policy.destination.prefix_len(), 0);
        assert_eq!(policy.source.to_string(), "a00::/8");
        assert_eq!(read(&message[..DIRECTION]), None);
        message[FAMILY] = 77;
        assert_eq!(read(&message), None);
    }
}
