//! Docker: `dockerd` with a containerd of its own, and its client.

use std::{
    path::{Path, PathBuf},
    process::Command,
    thread,
    time::{Duration, Instant},
};

use anyhow::{Result, ensure};

use super::{Container, ContainerEngine, ImageStore, Site, namespaces::Namespaces};
use crate::{
    clients::LIMIT,
    fixtures::{
        process::{Finished, POLL, run},
        server::Server,
    },
    topology::netns::Netns,
};

/// Arguments of a `dockerd` without containers. It removes another one's default bridge, so both share no network namespace.
const WITHOUT_NETWORKS: [&str; 4] = [
    "--bridge=none",
    "--iptables=false",
    "--ip6tables=false",
    "--ip-forward=false",
];
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
        self.ask(arguments).map(drop)
    }

    /// The network namespace of the container `name`, once it runs.
    ///
    /// # Errors
    /// When it does not start.
    pub fn network_of(&self, name: &str) -> Result<Netns> {
        let deadline = Instant::now() + READY_WITHIN;
        loop {
            let state = self.ask(&["inspect", "--format={{.State.Pid}}", name]);
            let pid = state.and_then(|text| Ok(text.trim().parse()?)).unwrap_or(0);
            if pid != 0 {
                return Netns::of_process(pid);
            }
            ensure!(Instant::now() < deadline, "no container {name}");
            thread::sleep(POLL);
        }
    }

    fn ask(&self, arguments: &[&str]) -> Result<String> {
        let mut command = client(&self.namespaces, &self.socket);
        command.args(arguments);
        run(command, LIMIT)?.success()
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
    fn start_at(site: &Site<'_>) -> Result<Self> {
        let namespaces = Namespaces::new(site, "docker")?;
        let socket = namespaces.dir().join("socket");
        let mut command = server(&namespaces, &socket);
        if !site.has_networks {
            command.args(WITHOUT_NETWORKS);
        }
        let mut server = Server::start(&site.named("dockerd"), command, site.lab.dir())?;
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
