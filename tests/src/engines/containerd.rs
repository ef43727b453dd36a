//! containerd, and its client `ctr`.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
    sync::atomic::{AtomicU32, Ordering},
    time::Duration,
};

use anyhow::{Context, Result};

use super::{Container, ContainerEngine, ImageStore, Site, cni, namespaces::Namespaces};
use crate::{
    clients::LIMIT,
    fixtures::{
        process::{Finished, run},
        server::Server,
    },
};

const READY_WITHIN: Duration = Duration::from_secs(30);
/// A snapshotter that needs no other file system.
const SNAPSHOTTER: &str = "--snapshotter=native";

/// A running containerd.
#[derive(Debug)]
pub struct Containerd {
    _server: Server,
    namespaces: Namespaces,
    socket: PathBuf,
    containers: AtomicU32,
}

impl Containerd {
    /// Creates a network namespace on a bridge by the CNI plugin `bridge`, and publishes port `inner` of it as `outer` of the host. Returns the
    /// argument that chooses it for a container.
    ///
    /// # Errors
    /// When a plugin fails.
    pub fn add_network(&self, name: &str, [outer, inner]: [u16; 2]) -> Result<String> {
        let path = cni::add(&self.namespaces, name, [outer, inner])?;
        Ok(format!("--with-ns=network:{path}"))
    }

    /// The socket of its gRPC services.
    pub(super) fn socket(&self) -> &Path {
        &self.socket
    }

    fn ctr(&self, arguments: &[&str]) -> Result<()> {
        let mut command = client(&self.namespaces, &self.socket);
        command.args(arguments);
        run(command, LIMIT)?.success().map(drop)
    }

    fn run_command(&self, container: &Container<'_>) -> Result<Command> {
        let number = self.containers.fetch_add(1, Ordering::Relaxed);
        let mut command = client(&self.namespaces, &self.socket);
        command
            .args(["run", "--rm", SNAPSHOTTER, "--cgroup"])
            .arg(format!("{}/{number}", container.cgroup))
            // The cgroup may have no controller of this share.
            .arg("--cpu-shares=0")
            // containerd leaves name resolution to its clients.
            .arg("--mount=type=bind,src=/etc/resolv.conf,dst=/etc/resolv.conf,options=rbind:ro");
        for mount in container.mounts()? {
            let (source, target) = (mount.source.display(), mount.target.display());
            let options = mount.options;
            command.arg(format!(
                "--mount=type=bind,src={source},dst={target},options=rbind:{options}"
            ));
        }
        command
            .args(container.network)
            .arg(container.image)
            .arg(number.to_string())
            .args(container.command);
        Ok(command)
    }
}

fn client(namespaces: &Namespaces, socket: &Path) -> Command {
    let mut command = namespaces.command("ctr");
    command.arg("--address").arg(socket);
    command
}

fn settings(namespaces: &Namespaces, socket: &Path) -> String {
    format!(
        r#"version = 2
root = {root:?}
state = "/run/containerd"
[grpc]
address = {socket:?}
[plugins."io.containerd.grpc.v1.cri".containerd]
snapshotter = "native"
"#,
        root = namespaces.dir().join("data"),
    )
}

impl ImageStore for Containerd {
    fn pull(&self, image: &str) -> Result<()> {
        self.ctr(&["images", "pull", SNAPSHOTTER, image])
    }

    fn remove(&self, image: &str) -> Result<()> {
        self.ctr(&["images", "rm", "--sync", image])
    }
}

impl ContainerEngine for Containerd {
    fn start_at(site: &Site<'_>) -> Result<Self> {
        let namespaces = Namespaces::new(site, "containerd")?;
        let socket = namespaces.dir().join("socket");
        let file = namespaces.dir().join("config.toml");
        fs::write(&file, settings(&namespaces, &socket)).context("configure containerd")?;
        let mut command = namespaces.command("containerd");
        command.arg("--config").arg(file);
        let mut server = Server::start(&site.named("containerd"), command, site.lab.dir())?;
        let answers = || {
            let mut command = client(&namespaces, &socket);
            command.arg("version");
            run(command, LIMIT)?.success()
        };
        server.await_ready(READY_WITHIN, || answers().is_ok())?;
        Ok(Self {
            _server: server,
            namespaces,
            socket,
            containers: AtomicU32::new(0),
        })
    }

    fn run(&self, container: &Container<'_>) -> Result<Finished> {
        run(self.run_command(container)?, LIMIT)
    }

    fn start_container(&self, container: &Container<'_>) -> Result<Server> {
        let logs = self.namespaces.dir();
        Server::start("ctr-run", self.run_command(container)?, logs)
    }
}
