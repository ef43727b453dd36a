//! Queueing disciplines that run filters at ingress and egress.

use std::collections::BTreeMap;

use super::{TC_HEADER, TCA_KIND, list_of, listed, tc_header};
use crate::sys::KernelError;
use crate::sys::netlink::{Attributes, collect, field};

/// `RTM_NEWQDISC` (linux/rtnetlink.h).
const NEWQDISC: u16 = 36;
/// `TC_H_CLSACT`: the parent of both disciplines, of which a device has one at most.
const TC_H_CLSACT: u32 = 0xffff_fff1;

/// What runs the filters of a device.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum IngressQdisc {
    /// Filters at ingress and egress.
    Clsact,
    /// Another one, with its kind: `ingress` has no filters at egress.
    Other(String),
}

/// Lists the disciplines at the place of clsact in this process's network namespace, by interface index.
///
/// # Errors
/// If the kernel does not list them.
pub fn ingress_qdiscs() -> Result<BTreeMap<u32, IngressQdisc>, KernelError> {
    let found = collect(&list_of(NEWQDISC, &tc_header(0, 0)), read);
    let found = listed(found).map_err(KernelError::failed(
        "list the queueing disciplines of the network devices",
    ))?;
    Ok(found.into_iter().collect())
}

/// Reads a `struct tcmsg` and its attributes.
fn read(message: &[u8]) -> Option<(u32, IngressQdisc)> {
    let index = u32::from_ne_bytes(field(message, 4)?);
    let parent = u32::from_ne_bytes(field(message, 12)?);
    let kind = Attributes::after(message, TC_HEADER).text(TCA_KIND)?;
    let qdisc = match kind.as_str() {
        "clsact" => IngressQdisc::Clsact,
        _ => IngressQdisc::Other(kind),
    };
    (parent == TC_H_CLSACT).then_some((index, qdisc))
}
