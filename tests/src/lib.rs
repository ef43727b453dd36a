//! The lab: a small cloud on one machine, for the integration tests and the demonstration.
//!
//! A [`Lab`] is two network namespaces joined by a veth pair. The *cloud* runs a recursive resolver
//! with its authoritative servers, a container registry that serves its layers through data
//! endpoints, a bad actor's storage account and an unrelated web server, all of them real programs
//! that `tests/lab/fetch.sh` downloads. Clients run on the *device*, in a separate cgroup. Nothing
//! reaches the machine's own network, and nothing outlives the values of this crate.
//!
//! The modules follow roles: [`topology`] (namespaces, links, cgroups, mounts), [`servers`],
//! [`clients`], [`engines`] (Docker, containerd, podman), [`azure`] (a stand-in for Azure's APIs), [`bpf`] (direct access to programs and maps),
//! and [`fixtures`] (processes, directories, the enforcer under test).
//!
//! Everything here needs root. When a test panics, the end of each server's log goes to stderr.

#[cfg(feature = "certificates")]
pub mod azure;
pub mod bpf;
pub mod clients;
pub mod engines;
pub mod fixtures;
pub mod servers;
pub mod topology;

pub use self::fixtures::{
    lab::{CONTOSO_LOGIN, EVIL_LOGIN, Lab, MALLORY_LOGIN},
    scratch_dir::ScratchDir,
};
