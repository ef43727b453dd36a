//! Two network namespaces joined by a veth pair: the cloud and the device.

use std::path::{Path, PathBuf};

use anyhow::Result;

use super::addresses::{
    DEVICE, INTERNET, REGISTRIES, REPLICA_REGISTRIES, RESOLVER_V4, RESOLVER_V6, STORAGE,
};
use super::{cgroup::Cgroup, netns::Netns};
use crate::{
    ScratchDir,
    fixtures::{process_env::ProcessEnv, service_tags},
};

/// The two namespaces. The cloud answers at every address of [`super::addresses`].
#[derive(Debug)]
pub struct Network {
    cloud: Netns,
    device: Netns,
    cloud_env: ProcessEnv,
    cloud_cgroup: Cgroup,
    device_env: ProcessEnv,
    service_tags: PathBuf,
}

impl Network {
    /// Creates the namespaces, their link, and the device's `/etc` files in `scratch`. Servers run in
    /// the child `cloud` of `cgroup`, where the next lab finds and kills them if they outlive this one.
    ///
    /// # Errors
    /// When the kernel refuses, or `ip` is missing.
    pub fn new(scratch: &ScratchDir, cgroup: &Cgroup) -> Result<Self> {
        let device = Netns::new()?;
        let cloud = cloud(&device.path())?;
        device.ip(&device_lines())?;
        Ok(Self {
            cloud_env: with_resolver(cloud.env(), scratch, "cloud")?,
            cloud_cgroup: cgroup.child("cloud")?,
            device_env: with_resolver(device.env(), scratch, "device")?,
            service_tags: scratch.file("ServiceTags_Lab.json", service_tags::file(1)?)?,
            cloud,
            device,
        })
    }

    /// The namespace of the servers.
    #[must_use]
    pub fn cloud(&self) -> &Netns {
        &self.cloud
    }

    /// The namespace of the clients; its interface is `eth0`.
    #[must_use]
    pub fn device(&self) -> &Netns {
        &self.device
    }

    /// The environment of processes in the cloud, with the same name resolution as the device.
    #[must_use]
    pub fn cloud_env(&self) -> ProcessEnv {
        self.cloud_env.clone().in_cgroup(&self.cloud_cgroup)
    }

    /// The environment of processes on the device, in the cgroup of the calling process.
    #[must_use]
    pub fn device_env(&self) -> ProcessEnv {
        self.device_env.clone()
    }

    /// A service-tags file in the published format (as in the real one, `cloud` is `Public` and
    /// `networkFeatures` may be null) that covers the lab's registries and storage accounts.
    #[must_use]
    pub fn service_tags(&self) -> &Path {
        &self.service_tags
    }
}

/// Creates the cloud alone; the other end of its link, `eth0`, goes into the network namespace in the file `device`.
///
/// # Errors
/// When the kernel refuses, or `ip` is missing.
pub fn cloud(device: &Path) -> Result<Netns> {
    let cloud = Netns::new()?;
    cloud.ip(&cloud_lines(device))?;
    Ok(cloud)
}

/// Returns `ip` commands: a `local` route makes a whole prefix answer, and `cloud0` is the device's gateway.
fn cloud_lines(device: &Path) -> String {
    let mut lines = format!(
        "link set lo up\n\
         link add cloud0 type veth peer name eth0 netns {}\n\
         address add 10.53.0.1/24 dev cloud0\n\
         address add {RESOLVER_V4}/24 dev cloud0\n\
         address add fd53::1/64 dev cloud0 nodad\n\
         address add {RESOLVER_V6}/64 dev cloud0 nodad\n\
         link set cloud0 up\n",
        device.display(),
    );
    let prefixes = [REGISTRIES, STORAGE, INTERNET];
    for prefix in prefixes.as_flattened().iter().chain(&REPLICA_REGISTRIES) {
        lines.push_str(&format!("route add local {prefix} dev lo\n"));
    }
    lines
}

fn device_lines() -> String {
    format!(
        "link set lo up\n\
         address add {}/24 dev eth0\n\
         address add {}/64 dev eth0 nodad\n\
         link set eth0 up\n\
         route add default via 10.53.0.1\n\
         route add default via fd53::1\n",
        DEVICE[0], DEVICE[1],
    )
}

/// Directs lookups to the lab's resolver instead of the one in the machine's `/etc`, and leaves out the `resolve`
/// and `mdns` services of nsswitch.conf(5), which leave the network namespace through a socket.
fn with_resolver(env: ProcessEnv, scratch: &ScratchDir, name: &str) -> Result<ProcessEnv> {
    let resolv = scratch.file(
        &format!("{name}-resolv.conf"),
        format!(
            "nameserver {RESOLVER_V4}\nnameserver {RESOLVER_V6}\noptions timeout:2 attempts:2\n"
        ),
    )?;
    let mut env = env.with_bind(&resolv, Path::new("/etc/resolv.conf"))?;
    for (file, contents) in [
        ("hosts", "127.0.0.1 localhost\n::1 localhost\n"),
        (
            "nsswitch.conf",
            "passwd: files\ngroup: files\nhosts: files dns\n",
        ),
    ] {
        let target = Path::new("/etc").join(file);
        if target.exists() {
            let source = scratch.file(&format!("{name}-{file}"), contents)?;
            env = env.with_bind(&source, &target)?;
        }
    }
    Ok(env)
}
