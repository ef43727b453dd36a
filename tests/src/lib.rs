//! The lab: a small cloud on one machine, for the integration tests and the demonstration.
//!
//! A [`Lab`] is two network namespaces joined by a veth pair. In the *cloud* live a recursive
//! resolver with its authoritative servers, a container registry that hands out its layers through
//! data endpoints, a storage account of a bad actor and an unrelated web server, all of them real
//! programs from `tests/lab/fetch.sh`. The *device* is where clients run, in a cgroup of their own.
//! Nothing reaches the machine's own network, and nothing outlives the values of this crate.
//!
//! Everything here needs root. A test that panics gets the end of each server's log on stderr.

#[cfg(feature = "certificates")]
pub mod azure;
pub mod bpf;
pub mod clients;
pub mod craft;
pub mod fixtures;
pub mod hello;
pub mod servers;
pub mod topology;

pub use self::fixtures::{
    lab::{CONTOSO_LOGIN, EVIL_LOGIN, Lab, MALLORY_LOGIN},
    scratch_dir::ScratchDir,
};
