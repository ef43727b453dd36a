//! podman, which has no daemon: each command pulls and starts containers itself.

use std::{fs, path::PathBuf, process::Command};

use anyhow::{Context, Result};

use super::{Container, ContainerEngine, ImageStore, Site, namespaces::Namespaces};
use crate::{
    clients::LIMIT,
    fixtures::{
        process::{Finished, run},
        server::Server,
    },
};

/// podman with the network stack netavark.
#[derive(Debug)]
pub struct Podman {
    namespaces: Namespaces,
    settings: PathBuf,
    storage: PathBuf,
}

impl Podman {
    /// Runs `podman ARGUMENTS`.
    ///
    /// # Errors
    /// When it fails; the error contains its output.
    pub fn podman(&self, arguments: &[&str]) -> Result<()> {
        let mut command = self.client();
        command.args(arguments);
        run(command, LIMIT)?.success().map(drop)
    }

    fn client(&self) -> Command {
        let mut command = self.namespaces.command("podman");
        command
            .env("CONTAINERS_CONF", &self.settings)
            .env("CONTAINERS_STORAGE_CONF", &self.storage);
        command
    }

    fn run_command(&self, container: &Container<'_>) -> Result<Command> {
        let mut command = self.client();
        command.args(container.run_arguments()?);
        Ok(command)
    }
}

/// Returns containers.conf(5): programs from Debian's packages, nothing outside the namespaces and the engine's directory, and no limit that
/// needs a privilege or a controller that the machine may not give to the lab.
fn settings(namespaces: &Namespaces) -> String {
    let debian = |path| namespaces.debian(path);
    format!(
        r#"[containers]
default_ulimits = ["nofile=1024:1024", "nproc=1024:1024"]
pids_limit = 0
[engine]
cgroup_manager = "cgroupfs"
conmon_path = [{conmon:?}]
events_logger = "file"
helper_binaries_dir = [{helpers:?}, {other_helpers:?}]
lock_type = "file"
runtime = "runc"
tmp_dir = "/run/libpod"
[engine.runtimes]
runc = [{runtime:?}]
[network]
network_backend = "netavark"
network_config_dir = {networks:?}
"#,
        conmon = debian("usr/bin/conmon"),
        helpers = debian("usr/lib/podman"),
        other_helpers = debian("usr/libexec/podman"),
        // crun needs a higher limit of locked memory.
        runtime = debian("usr/sbin/runc"),
        networks = namespaces.dir().join("networks"),
    )
}

impl ImageStore for Podman {
    fn pull(&self, image: &str) -> Result<()> {
        self.podman(&["pull", "--quiet", image])
    }

    fn remove(&self, image: &str) -> Result<()> {
        self.podman(&["image", "rm", image])
    }
}

impl ContainerEngine for Podman {
    fn start_at(site: &Site<'_>) -> Result<Self> {
        let namespaces = Namespaces::new(site, "podman")?;
        let dir = namespaces.dir();
        let (settings_file, storage) = (dir.join("containers.conf"), dir.join("storage.conf"));
        fs::write(&settings_file, settings(&namespaces)).context("configure podman")?;
        let text = format!(
            "[storage]\ndriver = \"vfs\"\nrunroot = \"/run/containers\"\ngraphroot = {:?}\n",
            dir.join("data")
        );
        fs::write(&storage, text).context("configure podman's storage")?;
        // The policy on signatures, which is at a fixed place.
        let mut copy = namespaces.command("cp");
        copy.arg("-r")
            .arg(namespaces.debian("etc/containers"))
            .arg("/etc/");
        run(copy, LIMIT)?
            .success()
            .context("copy podman's settings")?;
        Ok(Self {
            namespaces,
            settings: settings_file,
            storage,
        })
    }

    fn run(&self, container: &Container<'_>) -> Result<Finished> {
        run(self.run_command(container)?, LIMIT)
    }

    fn start_container(&self, container: &Container<'_>) -> Result<Server> {
        let logs = self.namespaces.dir();
        Server::start("podman-run", self.run_command(container)?, logs)
    }
}
