//! The registries behind the front ends: one for contoso, one for all other customers.

use std::{
    net::{Ipv4Addr, SocketAddrV4},
    path::PathBuf,
    time::Duration,
};

use anyhow::{Context, Result};

use crate::{
    ScratchDir,
    fixtures::{
        process::run,
        process_env::ProcessEnv,
        server::{Server, accepts},
        tool_cache::ToolCache,
    },
    servers::image,
    topology::{netns::Netns, network::Network},
};

/// The address of contoso's registry, inside the cloud.
pub(crate) const CONTOSO: SocketAddrV4 = SocketAddrV4::new(Ipv4Addr::LOCALHOST, 5000);
/// The address of the registry of all other customers, inside the cloud.
pub(crate) const OTHERS: SocketAddrV4 = SocketAddrV4::new(Ipv4Addr::LOCALHOST, 5001);

/// The image in every registry of the lab.
pub const IMAGE: &str = "app:1";

/// A running registry.
#[derive(Debug)]
pub struct Registry {
    server: Server,
    address: SocketAddrV4,
    cache: ToolCache,
    cloud: Netns,
    env: ProcessEnv,
    dir: PathBuf,
}

impl Registry {
    /// Starts a registry in the cloud with empty storage in `scratch`.
    ///
    /// # Errors
    /// When it cannot be started.
    pub(crate) fn start(
        name: &str,
        address: SocketAddrV4,
        cache: &ToolCache,
        network: &Network,
        scratch: &ScratchDir,
    ) -> Result<Self> {
        let dir = scratch.dir(name)?;
        let conf = scratch.file(
            &format!("{name}/config.yml"),
            format!(
                "version: 0.1\nlog: {{level: warn, accesslog: {{disabled: true}}}}\n\
                 storage: {{filesystem: {{rootdirectory: \"{}\"}}}}\n\
                 http: {{addr: \"{address}\", secret: lab}}\n",
                dir.join("storage").display()
            ),
        )?;
        let env = network.cloud_env();
        let mut command = cache.debian(&env, "usr/bin/docker-registry");
        command.arg("serve").arg(conf);
        Ok(Self {
            server: Server::start(name, command, scratch.path())?,
            address,
            cache: cache.clone(),
            cloud: network.cloud().clone(),
            env,
            dir,
        })
    }

    /// Waits until it accepts connections.
    ///
    /// # Errors
    /// When it ends or accepts none within 10 s.
    pub(crate) fn await_ready(&mut self) -> Result<()> {
        let (cloud, address) = (&self.cloud, self.address);
        self.server.await_ready(Duration::from_secs(10), || {
            cloud.run(|| Ok(accepts(address.into()))).unwrap_or(false)
        })
    }

    /// Pushes [`IMAGE`] into the registry.
    ///
    /// # Errors
    /// When the image cannot be built or pushed.
    pub(crate) fn push_image(&self) -> Result<()> {
        let mut push = skopeo(&self.cache, &self.env, &self.dir);
        push.args([
            "copy",
            "--quiet",
            "--dest-tls-verify=false",
            "--dest-no-creds",
        ])
        .arg(image::make(&self.dir)?)
        .arg(format!("docker://{}/{IMAGE}", self.address));
        run(push, Duration::from_secs(30))?
            .success()
            .context("fill a registry")?;
        Ok(())
    }
}

/// Returns a skopeo command without the machine's settings and with its caches in `home`.
pub(crate) fn skopeo(
    cache: &ToolCache,
    env: &ProcessEnv,
    home: &std::path::Path,
) -> std::process::Command {
    let mut command = cache.debian(env, "usr/bin/skopeo");
    command
        .args(["--insecure-policy", "--registries.d"])
        .arg(home.join("none"))
        .env("HOME", home)
        .env("XDG_DATA_HOME", home.join("data"))
        .env("TMPDIR", home)
        .env("CONTAINERS_REGISTRIES_CONF", "/dev/null")
        // Moves root's cache of blob locations from /var/lib/containers to XDG_DATA_HOME.
        .env("_CONTAINERS_ROOTLESS_UID", "1");
    command
}
