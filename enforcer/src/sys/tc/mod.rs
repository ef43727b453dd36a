//! Network devices and their traffic-control filters, as rtnetlink(7) lists them.

mod devices;
mod filters;
mod qdisc;

pub use devices::{Device, devices};
pub use filters::{BpfFilter, Filter, TcHook, filters};
pub use qdisc::{IngressQdisc, ingress_qdiscs};

use std::io;

use super::netlink::{Protocol, Request};

/// `struct tcmsg` (linux/rtnetlink.h).
const TC_HEADER: usize = 20;
/// `TCA_KIND` and `TCA_OPTIONS`.
const TCA_KIND: u16 = 1;
const TCA_OPTIONS: u16 = 2;

/// A `struct tcmsg` with device and parent; an index of 0 stands for all devices.
fn tc_header(index: u32, parent: u32) -> [u8; TC_HEADER] {
    let mut header = [0; TC_HEADER];
    header[4..8].copy_from_slice(&index.to_ne_bytes());
    header[12..16].copy_from_slice(&parent.to_ne_bytes());
    header
}

/// Returns the list, or none where the kernel has no traffic control.
fn listed<T>(listed: io::Result<Vec<T>>) -> io::Result<Vec<T>> {
    match listed {
        Err(error) if error.raw_os_error() == Some(libc::EOPNOTSUPP) => Ok(Vec::new()),
        listed => listed,
    }
}

/// A request for the list of messages of type `listed`.
const fn list_of(listed: u16, content: &[u8]) -> Request<'_> {
    Request {
        protocol: Protocol::Route,
        // RTM_GET* follows RTM_NEW* and RTM_DEL*.
        kind: listed + 2,
        listed,
        content,
    }
}
