//! The registries behind the front ends: one for contoso, one for all other customers.

use std::{
    fs,
    net::{Ipv4Addr, SocketAddrV4},
    path::{Path, PathBuf},
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
    servers::image::{self, LAYER_BYTES, LAYERS},
    topology::{netns::Netns, network::Network},
};

/// The address of contoso's registry, inside the cloud.
pub(crate) const CONTOSO: SocketAddrV4 = SocketAddrV4::new(Ipv4Addr::LOCALHOST, 5000);
/// The address of the registry of all other customers, inside the cloud.
pub(crate) const OTHERS: SocketAddrV4 = SocketAddrV4::new(Ipv4Addr::LOCALHOST, 5001);

/// The image in every registry of the lab.
pub const IMAGE: &str = "app:1";

/// The directory of a registry's storage in its own.
const STORAGE: &str = "storage";

/// A running registry.
#[derive(Debug)]
pub struct Registry {
    server: Server,
    address: SocketAddrV4,
    cache: ToolCache,
    /// Where the storage of a registry with [`IMAGE`] is kept.
    filled: PathBuf,
    is_filled: bool,
    cloud: Netns,
    env: ProcessEnv,
    dir: PathBuf,
}

impl Registry {
    /// Starts a registry in the cloud, with [`IMAGE`] in it if an earlier one has been filled, as pushing takes longer than the start.
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
        let filled = cache.path(&format!("registry/{name}-{LAYERS}x{LAYER_BYTES}"));
        let is_filled = filled.exists();
        if is_filled {
            copy(&filled, &dir.join(STORAGE))?;
        }
        let conf = scratch.file(
            &format!("{name}/config.yml"),
            format!(
                "version: 0.1\nlog: {{level: warn, accesslog: {{disabled: true}}}}\n\
                 storage: {{filesystem: {{rootdirectory: \"{}\"}}}}\n\
                 http: {{addr: \"{address}\", secret: lab}}\n",
                dir.join(STORAGE).display()
            ),
        )?;
        let env = network.cloud_env();
        let mut command = cache.debian(&env, "usr/bin/docker-registry");
        command.arg("serve").arg(conf);
        Ok(Self {
            server: Server::start(name, command, scratch.path())?,
            address,
            cache: cache.clone(),
            filled,
            is_filled,
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

    /// Pushes [`IMAGE`] into the registry, unless it is there since the start, and keeps the storage for others.
    ///
    /// # Errors
    /// When the image cannot be built or pushed.
    pub(crate) fn await_image(&self) -> Result<()> {
        if self.is_filled {
            return Ok(());
        }
        self.push_image()?;
        let Some(above) = self.filled.parent() else {
            return Ok(());
        };
        // Another process may be faster, and the cache may be read-only: whoever finds no storage pushes.
        if fs::create_dir_all(above).is_ok() {
            let beside = self.filled.with_extension(std::process::id().to_string());
            let kept = copy(&self.dir.join(STORAGE), &beside)
                .and_then(|()| Ok(fs::rename(&beside, &self.filled)?));
            if kept.is_err() {
                drop(fs::remove_dir_all(&beside));
            }
        }
        Ok(())
    }

    fn push_image(&self) -> Result<()> {
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

/// Copies a directory.
fn copy(from: &Path, to: &Path) -> Result<()> {
    let mut cp = ProcessEnv::default().command("cp");
    cp.arg("--recursive").args([from, to]);
    run(cp, Duration::from_secs(10))?
        .success()
        .map(drop)
        .with_context(|| format!("copy {}", from.display()))
}

/// Returns a skopeo command without the machine's settings and with its caches in `home`.
pub(crate) fn skopeo(cache: &ToolCache, env: &ProcessEnv, home: &Path) -> std::process::Command {
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
