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
mod site;
mod skopeo;

use anyhow::Result;

pub use self::{
    container::{Container, argv},
    containerd::Containerd,
    cri::Cri,
    docker::Docker,
    podman::Podman,
    site::Site,
    skopeo::Skopeo,
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

impl<T: ImageStore> ImageStore for &T {
    fn pull(&self, image: &str) -> Result<()> {
        (*self).pull(image)
    }

    fn remove(&self, image: &str) -> Result<()> {
        (*self).remove(image)
    }
}

/// A container engine.
pub trait ContainerEngine: ImageStore + Sized {
    /// Starts the engine's processes on the device in `cgroup`, a cgroup of the lab.
    ///
    /// # Errors
    /// As [`ContainerEngine::start_at`].
    fn start(lab: &Lab, cgroup: &Cgroup) -> Result<Self> {
        Self::start_at(&Site::device(lab, cgroup))
    }

    /// Starts the engine's processes at `site`.
    ///
    /// # Errors
    /// When it does not start; the error contains the end of its log.
    fn start_at(site: &Site<'_>) -> Result<Self>;

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
