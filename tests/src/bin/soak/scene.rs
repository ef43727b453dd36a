//! The lab, and what is in force in it.

use std::{
    env, fs,
    path::PathBuf,
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, ensure};
use enforcer::{control::Status, core::DeviceState};
use lab::{
    clients::stream::{Plan, Totals},
    fixtures::{
        fixture::Fixture,
        process_env::ProcessEnv,
        service_tags,
        version::{self, Version},
    },
    topology::{addresses::INTERNET, bridged_container::connect, cgroup::Cgroup, netns::Netns},
};

use crate::topology::{DEVICES, Place};

/// An address of contoso's login server.
const LOGIN: &str = "198.51.100.10";
const FRAMES: &str = "[frames]\nmode = \"on\"\n";
/// Time for the daemon to reach a state, generous for a busy machine.
pub(crate) const WITHIN: Duration = Duration::from_secs(30);
/// How long a probe sends, and its connections per second.
const PROBE: Duration = Duration::from_millis(200);
const PROBE_RATE: u32 = 40;

/// The lab with the daemon. Fields are dropped in order.
pub(crate) struct Scene {
    container_cgroup: Cgroup,
    pub(crate) fixture: Fixture,
    pub(crate) container: Netns,
    versions: [Version; 2],
    /// Whether the other version runs.
    pub(crate) is_other: bool,
    pub(crate) has_westus: bool,
    /// Of the service tags.
    publication: u32,
    /// Whether these contain the unrelated web server.
    pub(crate) protects_internet: bool,
}

impl Scene {
    /// Starts the lab and the daemon.
    pub(crate) fn start() -> Result<Self> {
        let streamer = beside("egress-stream")?;
        let streamer = streamer.to_str().context("a path in UTF-8")?;
        let versions = version::both(streamer)?;
        let fixture = Fixture::prepare(streamer, FRAMES)?;
        let container = Netns::new()?;
        connect(fixture.lab.network(), &container)?;
        let mut scene = Self {
            container_cgroup: fixture.lab.device_cgroup().child("container")?,
            fixture,
            container,
            versions,
            is_other: false,
            has_westus: false,
            publication: 1,
            protects_internet: false,
        };
        scene.start_daemon()?;
        scene.await_saved_addresses()?;
        Ok(scene)
    }

    /// Waits until the addresses are saved. A version that knows nothing of the layout of the one before reads them there, and the daemon saves them
    /// some seconds after they change.
    fn await_saved_addresses(&self) -> Result<()> {
        let file = self.fixture.enforcer.state().join("state.json");
        let deadline = Instant::now() + WITHIN;
        while !fs::read_to_string(&file).is_ok_and(|text| text.contains(LOGIN)) {
            ensure!(Instant::now() < deadline, "no addresses are saved");
            thread::sleep(PROBE);
        }
        Ok(())
    }

    /// The environment of processes in scope at a place.
    pub(crate) fn env(&self, place: Place) -> ProcessEnv {
        match place {
            Place::Host => self.fixture.lab.device(),
            Place::Container => self.container.env().in_cgroup(&self.container_cgroup),
        }
    }

    /// The host's network namespace.
    pub(crate) fn host(&self) -> &Netns {
        self.fixture.lab.network().device()
    }

    /// The version in force.
    pub(crate) fn version(&self) -> &Version {
        &self.versions[usize::from(self.is_other)]
    }

    /// Starts the daemon of the version in force, and waits until it knows every address and filters every device.
    pub(crate) fn start_daemon(&mut self) -> Result<()> {
        let version = &self.versions[usize::from(self.is_other)];
        version.take_over(&mut self.fixture)?;
        self.await_status("addresses and filters", |status| {
            knows_addresses(status) && DEVICES.iter().all(|name| is_filtered(status, name))
        })?;
        Ok(())
    }

    /// Waits until the status is as it should be.
    pub(crate) fn await_status(
        &self,
        what: &str,
        is_so: impl Fn(&Status) -> bool,
    ) -> Result<Status> {
        self.fixture.enforcer.await_api_status(what, WITHIN, is_so)
    }

    /// The configuration in force.
    pub(crate) fn configuration(&self) -> String {
        let regions: &[&str] = match self.has_westus {
            true => &["eastus", "westus"],
            false => &["eastus"],
        };
        self.fixture.configuration(regions, FRAMES)
    }

    /// Writes this configuration and has the daemon read it.
    pub(crate) fn reload(&self, text: &str) -> Result<()> {
        self.fixture.enforcer.configure(text)?;
        self.fixture.enforcer.signal(libc::SIGHUP)
    }

    /// Replaces the service tags by the next publication, with or without the unrelated web server, and waits until it is in force.
    pub(crate) fn publish(&mut self, protects_internet: bool) -> Result<()> {
        self.replace_tags(protects_internet)?;
        let number = service_tags::change_number(self.publication);
        self.await_status("the new service tags", |status| {
            status.tags.change_number == number
        })?;
        Ok(())
    }

    /// As [`Scene::publish`], without waiting.
    pub(crate) fn replace_tags(&mut self, protects_internet: bool) -> Result<()> {
        self.publication += 1;
        self.protects_internet = protects_internet;
        let storage = if protects_internet {
            &[INTERNET][..]
        } else {
            &[]
        };
        self.fixture.replace_service_tags(self.publication, storage)
    }

    /// Opens some connections to port 443 of `address` from a place.
    pub(crate) fn probe(&self, place: Place, address: &str) -> Result<Totals> {
        let address: std::net::IpAddr = address.parse()?;
        let plan = Plan {
            allowed: vec![(address, 443).into()],
            protected: Vec::new(),
            rate: PROBE_RATE,
        };
        let stream = self.fixture.stream_of(&self.env(place), &plan)?;
        thread::sleep(PROBE);
        stream.end()
    }
}

/// The path of another program of this crate.
pub(crate) fn beside(name: &str) -> Result<PathBuf> {
    Ok(env::current_exe()?.with_file_name(name))
}

/// Whether every name has an address.
fn knows_addresses(status: &Status) -> bool {
    let mut registries = status.registries.iter();
    registries.all(|registry| registry.names.iter().all(|name| !name.addresses.is_empty()))
}

/// Whether a device has filters.
pub(crate) fn is_filtered(status: &Status, name: &str) -> bool {
    let mut devices = status.devices.iter();
    devices.any(|device| device.name == name && device.state == DeviceState::Filtered)
}
