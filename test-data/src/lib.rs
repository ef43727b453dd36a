//! Packets, DNS messages, TLS ClientHellos, random numbers and the corpora of the fuzz targets, for tests and benchmarks.
//!
//! This crate depends on none of the workspace: what it builds is independent of the readers under test.

#![expect(
    clippy::unwrap_used,
    reason = "a value that does not fit its field is an error of the test, which has to fail"
)]

pub mod client_hello;
pub mod dns;
pub mod fuzz_corpus;
pub mod packet;
mod random;

pub use random::Random;
