//! Packets, DNS messages, TLS ClientHellos and random numbers for tests and benchmarks.
//!
//! This crate depends on none of the workspace: what it builds is independent of the readers under test.

#![expect(
    clippy::unwrap_used,
    reason = "a value that does not fit its field is an error of the test, which has to fail"
)]

pub mod client_hello;
pub mod dns;
pub mod packet;
mod random;

pub use random::Random;
