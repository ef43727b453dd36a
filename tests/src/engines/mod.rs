//! Debian's container engines on the device, as users run them: `dockerd`, containerd and podman.
//!
//! Their state is in the lab's directory, their networks are in the device's network namespace, and their processes and containers are in
//! child cgroups of the lab. They see the machine's directories through namespaces of their own, so that nothing of the machine changes.

mod cni;
mod container;
mod containerd;
mod cri;
mod docker;
mod namespaces;
mod podman;

use anyhow::Result;

pub use self::{
    container::{Container, argv},
    containerd::Containerd,
    cri::Cri,
    docker::Docker,
    podman::Podman,
};
use crate::{
    Lab,
    fixtures::{process::Finished, server::Server},
    topology::cgroup::Cgroup,
};

/// What pulls images.
pub trait ImageStore {
    /// Pulls `image`, such as `contoso.azurecr.io/app:1`.
    ///
    /// # Errors
    /// When the pull fails; the error contains the engine's message.
    fn pull(&self, image: &str) -> Result<()>;

    /// Removes a pulled image with its layers.
    ///
    /// # Errors
    /// As [`ImageStore::pull`].
    fn remove(&self, image: &str) -> Result<()>;
}

/// A container engine.
pub trait ContainerEngine: ImageStore + Sized {
    /// Starts the engine's processes in `cgroup`, a cgroup of the lab.
    ///
    /// # Errors
    /// When it does not start; the error contains the end of its log.
    fn start(lab: &Lab, cgroup: &Cgroup) -> Result<Self>;

    /// Runs `container` to its end.
    ///
    /// # Errors
    /// When it cannot be run. A command that fails in it is a result, not an error.
    fn run(&self, container: &Container<'_>) -> Result<Finished>;

    /// Starts `container`, which ends with the lab; its output goes to a log in the engine's directory.
    ///
    /// # Errors
    /// When the engine's client cannot be started.
    fn start_container(&self, container: &Container<'_>) -> Result<Server>;
}
