//! The verdicts of the loaded programs, rule by rule: crafted packets by test runs, and real sockets
//! in a network namespace and a cgroup of the lab's.

mod events;
mod exceptions;
mod handshakes;
mod learning;
mod limits;
mod packets;
mod rows;
mod sockets;
mod stage;
