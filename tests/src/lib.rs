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
pub mod azurite;
pub mod bpf;
pub mod bpffs;
pub mod cache;
pub mod capture;
pub mod cgroup;
pub mod clients;
pub mod clock;
pub mod craft;
pub mod dns;
pub mod enforcer;
pub mod features;
pub mod guarded;
pub mod hello;
mod image;
pub mod kept;
mod lab;
pub mod loaded;
mod mount_namespace;
mod mounts;
pub mod netns;
pub mod nginx;
pub mod place;
pub mod process;
pub mod registry;
pub mod replicas;
pub mod scene;
mod scratch;
pub mod stream;
pub mod stub;
pub mod tls;
#[cfg(feature = "certificates")]
pub mod tls_client;
pub mod told;
pub mod wire;
pub mod world;

pub use self::lab::{CONTOSO_LOGIN, EVIL_LOGIN, Lab, MALLORY_LOGIN};
pub use self::scratch::Scratch;
