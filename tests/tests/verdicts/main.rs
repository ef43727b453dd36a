//! The verdicts of the loaded programs, rule by rule: crafted packets by test runs, and real sockets
//! in a network namespace and a cgroup of the lab.

mod client_hello;
mod dns_snooping;
mod event_floods;
mod events;
mod exceptions;
mod fixture;
mod limits;
mod packet_cases;
mod packets;
mod sockets;
