//! Code that the kernel programs and user space share: the rule, the map layouts, and the parsers of packet headers, DNS and TLS.
//!
//! Nothing here touches a kernel interface. The kernel programs implement [`PolicyView`] over BPF maps, the tests and
//! the daemon over `Vec`s and live maps; [`decide`] is the same code in all of them.

#![cfg_attr(not(test), no_std)]
#![cfg_attr(not(feature = "user"), forbid(unsafe_code))]

mod address;
mod bypass_option;
mod class;
mod coded_enum;
mod decide;
pub mod dns;
mod event;
mod flow;
pub mod frame;
mod hook;
pub mod layout;
mod packet;
#[cfg(feature = "user")]
mod pod;
mod reason;
pub mod tables;
pub mod tls;

pub use address::Address;
pub use bypass_option::BypassOption;
pub use class::Class;
pub use decide::{
    Decision, Exception, PolicyView, decide, decide_connect, decide_packet, decide_tunneled, judged,
};
pub use event::{
    DEVICE_INDEXES, DnsObservation, Event, NamedDnsObservation, NamedEvent, ObservationOutcome,
    Record,
};
pub use flow::{Flow, Transport};
pub use hook::Hook;
pub use packet::{Bytes, PacketError, Words, established_v4, established_v6, read_ipv4, read_ipv6};
pub use reason::{ConnectionEffect, Reason, Verdict};
