//! The lab, its daemon, and the phase of the demonstration.

use std::{net::IpAddr, time::Instant};

use anyhow::Result;
use lab::{
    CONTOSO_LOGIN, Lab,
    engines::{ContainerEngine as _, Docker},
    fixtures::enforcer::Enforcer,
    topology::cgroup::Cgroup,
};
use serde_json::Value;

/// TTL of the login server's addresses in seconds, as in the service.
const TTL: u32 = 10;

/// The phases of the demonstration.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Phase {
    /// Nothing is enforced.
    Before,
    /// The kernel programs enforce, and the daemon resolves names.
    Enforced,
    /// The kernel programs enforce without a daemon.
    Killed,
}

impl Phase {
    /// All phases, in order.
    pub(crate) const ALL: [Self; 3] = [Self::Before, Self::Enforced, Self::Killed];

    /// Returns the heading of its column.
    pub(crate) fn title(self) -> &'static str {
        match self {
            Self::Before => "before",
            Self::Enforced => "enforced",
            Self::Killed => "daemon killed",
        }
    }

    /// Returns an address of contoso's login server that it has in no other phase.
    pub(crate) fn fresh_address(self) -> IpAddr {
        let last = match self {
            Self::Before => 21,
            Self::Enforced => 22,
            Self::Killed => 23,
        };
        [198, 51, 100, last].into()
    }
}

/// The lab and the daemon under demonstration.
pub(crate) struct Environment {
    // Dropped in this order: the cgroups are children of the lab's.
    docker: Docker,
    _docker_cgroup: Cgroup,
    enforcer: Enforcer,
    lab: Lab,
    phase: Phase,
}

impl Environment {
    /// Starts the lab and Docker on its device, and prepares the daemon without starting it.
    ///
    /// # Errors
    /// When the lab cannot be built.
    pub(crate) fn build() -> Result<Self> {
        let lab = Lab::start()?;
        let enforcer = Enforcer::prepare(&lab, &["eastus", "westus"], "")?;
        let docker_cgroup = lab.device_cgroup().child("docker")?;
        Ok(Self {
            docker: Docker::start(&lab, &docker_cgroup)?,
            _docker_cgroup: docker_cgroup,
            enforcer,
            lab,
            phase: Phase::Before,
        })
    }

    pub(crate) fn lab(&self) -> &Lab {
        &self.lab
    }

    pub(crate) fn docker(&self) -> &Docker {
        &self.docker
    }

    pub(crate) fn enforcer(&self) -> &Enforcer {
        &self.enforcer
    }

    pub(crate) fn phase(&self) -> Phase {
        self.phase
    }

    /// Starts the daemon and waits until it has resolved every name.
    ///
    /// # Errors
    /// When it does not start, or does not resolve the names in time.
    pub(crate) fn enforce(&mut self) -> Result<()> {
        self.enforcer.run()?;
        self.phase = Phase::Enforced;
        self.enforcer.await_names()?;
        Ok(())
    }

    /// Kills the daemon with `SIGKILL`.
    ///
    /// # Errors
    /// When it does not run.
    pub(crate) fn kill(&mut self) -> Result<()> {
        self.phase = Phase::Killed;
        self.enforcer.kill()
    }

    /// Moves contoso's login server to `address` and, while a daemon runs, waits until the daemon knows the address: until then, the
    /// device's resolver would also return the old address from its cache. Returns a phrase with the delay, empty without delay.
    ///
    /// # Errors
    /// When the lab's servers reject the change or the daemon does not observe it in time.
    pub(crate) fn move_login_server(&self, address: IpAddr) -> Result<String> {
        let changed = Instant::now();
        self.lab
            .dns()
            .set_addresses(CONTOSO_LOGIN, &[address], TTL)?;
        if self.phase != Phase::Enforced || self.knows(address)? {
            return Ok(String::new());
        }
        self.enforcer
            .await_status("the new address is known", |status| {
                is_login_address(status, address)
            })?;
        let seconds = changed.elapsed().as_secs_f64();
        Ok(format!(" (resolved {seconds:.1} s after the change)"))
    }

    fn knows(&self, address: IpAddr) -> Result<bool> {
        Ok(is_login_address(&self.enforcer.status()?, address))
    }
}

/// Whether the daemon's `status` lists `address` for contoso's login server.
fn is_login_address(status: &Value, address: IpAddr) -> bool {
    let address = address.to_string();
    let registries = status["registries"].as_array().into_iter().flatten();
    registries
        .flat_map(|registry| registry["names"].as_array().into_iter().flatten())
        .filter(|name| name["name"] == CONTOSO_LOGIN)
        .flat_map(|name| name["addresses"].as_array().into_iter().flatten())
        .any(|open| open["address"] == address.as_str())
}
