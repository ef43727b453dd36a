//! What must be true of clients and servers in containers.

use std::fs;

use anyhow::{Context, Result, ensure};
use lab::{
    CONTOSO_LOGIN,
    clients::PULLED,
    engines::{Container, ContainerEngine, argv},
};

use crate::{
    events::Place,
    scene::{DENIED, Scene, contoso, pulls},
};

const CLIENT: &str = include_str!("client.sh");
/// Ports of a server: the host's and the container's.
pub(crate) const PUBLISHED: [u16; 2] = [8080, 5000];
/// Requests to that server.
const REQUESTS: usize = 20;
/// A client's own address, and the device's.
const CLIENT_ADDRESS: &str = "192.0.2.80";
const DEVICE_ADDRESS: &str = "10.53.0.2";

impl<E: ContainerEngine> Scene<E> {
    /// Checks that a client in a container on `network` pulls contoso's image each time and reaches whom it may; that it reaches nobody else
    /// is decided at `place`.
    pub(crate) fn check_client(&self, network: &[&str], place: Place) -> Result<()> {
        let ran = self.reported(|| self.run_client(network, place))?;
        for (_, denied) in DENIED {
            ran.check(denied, place)?;
        }
        self.check_devices()?;
        self.check_packets()
    }

    /// As [`Scene::check_client`], after killing the daemon, and therefore without its reports.
    pub(crate) fn check_client_without_daemon(
        &mut self,
        network: &[&str],
        place: Place,
    ) -> Result<()> {
        self.fixture.enforcer.kill()?;
        self.run_client(network, place)?;
        self.check_packets()
    }

    fn run_client(&self, network: &[&str], place: Place) -> Result<()> {
        let lab = &self.fixture.lab;
        let directory = tempfile::tempdir_in(lab.dir())?;
        let pull = lab.pull_command(CONTOSO_LOGIN, &lab.device(), directory.path());
        let client = ["sh", "-c", CLIENT, "client.sh"].map(str::to_owned);
        let arguments = [
            pulls()?.to_string(),
            lab.certificates().ca().display().to_string(),
            directory.path().join(PULLED).display().to_string(),
        ];
        let command = [&client[..], &arguments, &argv(&pull)].concat();
        let ran = self.engine.run(&Container {
            image: &contoso(),
            network,
            cgroup: place.cgroup(),
            read_only: &[&lab.cache().path("root"), lab.certificates().cert_dir()],
            directory: directory.path(),
            command: &command,
        })?;
        ensure!(ran.stdout == reached()?, "{ran:?}");
        Ok(())
    }

    /// Checks that no alarm reports a device: those of containers come and go.
    fn check_devices(&self) -> Result<()> {
        let status = self.fixture.enforcer.status()?;
        let alarms = status["alarms"].as_array().context("no alarms")?;
        let kinds = alarms.iter().filter_map(|alarm| alarm["kind"].as_str());
        let about_devices: Vec<_> = kinds.filter(|kind| kind.contains("device")).collect();
        ensure!(about_devices.is_empty(), "{alarms:#?}");
        Ok(())
    }

    /// Checks that a client elsewhere is served by a container whose port `network` publishes as in [`PUBLISHED`].
    pub(crate) fn check_server(&self, network: &[&str]) -> Result<()> {
        let lab = &self.fixture.lab;
        let directory = tempfile::tempdir_in(lab.dir())?;
        let settings = directory.path().join("config.yml");
        fs::write(&settings, server())?;
        let mut serve = lab.program(&lab.device(), "usr/bin/docker-registry");
        serve.arg("serve").arg(settings);
        let _container = self.engine.start_container(&Container {
            image: &contoso(),
            network,
            cgroup: Place::Socket.cgroup(),
            read_only: &[&lab.cache().path("root")],
            directory: directory.path(),
            command: &argv(&serve),
        })?;
        let mut curl = lab.network().cloud_env().command("curl");
        curl.args(["--disable", "--silent", "--show-error", "--fail"])
            .args(["--fail-early", "--retry", "30", "--retry-delay", "1"])
            .args(["--retry-all-errors", "--interface", CLIENT_ADDRESS])
            .arg(format!(
                "http://{DEVICE_ADDRESS}:{}/v2/?[1-{REQUESTS}]",
                PUBLISHED[0]
            ));
        let answers = curl.output().context("run curl")?;
        ensure!(
            answers.status.success() && answers.stdout == b"{}".repeat(REQUESTS),
            "{answers:?}"
        );
        Ok(())
    }
}

/// Returns the configuration of a registry without images.
fn server() -> String {
    let port = PUBLISHED[1];
    format!("version: 0.1\nstorage: {{inmemory: {{}}}}\nhttp: {{addr: \":{port}\", secret: lab}}\n")
}

/// Returns what the client prints if it reaches whom it may.
fn reached() -> Result<String> {
    let pulls = pulls()?;
    Ok(format!(
        "{pulls} of {pulls} pulls\nwww.example.org answers\n"
    ))
}
