//! Docker: `dockerd` with a containerd of its own, and its client.

use std::{
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

use anyhow::Result;

use super::{Container, ContainerEngine, ImageStore, namespaces::Namespaces};
use crate::{
    Lab,
    clients::LIMIT,
    fixtures::{
        process::{Finished, run},
        server::Server,
    },
    topology::cgroup::Cgroup,
};

const READY_WITHIN: Duration = Duration::from_secs(30);

/// A running `dockerd` with its default bridge.
#[derive(Debug)]
pub struct Docker {
    _server: Server,
    namespaces: Namespaces,
    socket: PathBuf,
}

impl Docker {
    /// Runs `docker ARGUMENTS`.
    ///
    /// # Errors
    /// When it fails; the error contains its output.
    pub fn docker(&self, arguments: &[&str]) -> Result<()> {
        let mut command = client(&self.namespaces, &self.socket);
        command.args(arguments);
        run(command, LIMIT)?.success().map(drop)
    }

    fn run_command(&self, container: &Container<'_>) -> Result<Command> {
        let mut command = client(&self.namespaces, &self.socket);
        command.args(container.run_arguments()?);
        Ok(command)
    }
}

fn client(namespaces: &Namespaces, socket: &Path) -> Command {
    let mut command = namespaces.command("docker");
    command.arg(format!("--host=unix://{}", socket.display()));
    command
}

fn server(namespaces: &Namespaces, socket: &Path) -> Command {
    let dir = namespaces.dir();
    let mut command = namespaces.command("dockerd");
    command
        .arg(format!("--host=unix://{}", socket.display()))
        .arg("--data-root")
        .arg(dir.join("data"))
        .arg("--pidfile")
        .arg(dir.join("pid"))
        .args(["--exec-root=/run/docker", "--storage-driver=vfs"])
        // systemd does not manage the lab's cgroups.
        .arg("--exec-opt=native.cgroupdriver=cgroupfs");
    command
}

impl ImageStore for Docker {
    fn pull(&self, image: &str) -> Result<()> {
        self.docker(&["pull", "--quiet", image])
    }

    fn remove(&self, image: &str) -> Result<()> {
        self.docker(&["image", "rm", image])
    }
}

impl ContainerEngine for Docker {
    fn start(lab: &Lab, cgroup: &Cgroup) -> Result<Self> {
        let namespaces = Namespaces::new(lab, "docker", cgroup)?;
        let socket = namespaces.dir().join("socket");
        let mut server = Server::start("dockerd", server(&namespaces, &socket), lab.dir())?;
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
        })
    }

    fn run(&self, container: &Container<'_>) -> Result<Finished> {
        run(self.run_command(container)?, LIMIT)
    }

    fn start_container(&self, container: &Container<'_>) -> Result<Server> {
        let logs = self.namespaces.dir();
        Server::start("docker-run", self.run_command(container)?, logs)
    }
}
