//! The order of filters at one place of a device.

use crate::sys::Filter;

/// `ETH_P_ALL` (linux/if_ether.h).
pub(super) const ALL_PROTOCOLS: u16 = 3;
/// The kind of filters with a program.
pub(super) const KIND: &str = "bpf";

/// Returns the priority at which a new filter runs first among `filters`: the lowest without filters of another kind or for one protocol, which no filter
/// can join. At its own priority, the newest filter runs first.
pub(super) fn priority(filters: &[Filter]) -> u16 {
    let fits = |priority: &u16| {
        let mut there = filters.iter().filter(|filter| filter.priority == *priority);
        there.all(|filter| filter.kind == KIND && filter.protocol == ALL_PROTOCOLS)
    };
    (1..u16::MAX).find(fits).unwrap_or(u16::MAX)
}

/// Describes a filter of another program.
pub(super) fn describe(filter: &Filter) -> String {
    let Filter {
        kind,
        priority,
        handle,
        ..
    } = filter;
    match &filter.bpf {
        Some(bpf) => format!(
            "the bpf filter {:?} (priority {priority}, handle {handle:#x})",
            bpf.name
        ),
        // Others may have several handles each.
        None => format!("{kind} filters (priority {priority})"),
    }
}
