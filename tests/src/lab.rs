//! The whole lab in one value.

use std::{fs, net::IpAddr, path::Path, process::Command, thread, time::Duration};

use anyhow::{Context, Result, anyhow};

use crate::{
    Scratch,
    azurite::Azurite,
    bpffs::Bpffs,
    cache::Cache,
    cgroup::Cgroup,
    clients::{Attempt, Clients, Exfiltration, LIMIT, PullReport},
    dns::Dns,
    nginx::{Nginx, Request},
    place::Place,
    process::log_tail,
    registry::{CONTOSO, OTHERS, Registry, skopeo},
    tls::Tls,
    world::World,
};

/// Contoso's login server, which the device may use.
pub const CONTOSO_LOGIN: &str = "contoso.azurecr.io";
/// The bad actor's login server, on an address of its own.
pub const EVIL_LOGIN: &str = "evil.azurecr.io";
/// Another bad actor's login server, on contoso's address.
pub const MALLORY_LOGIN: &str = "mallory.azurecr.io";

/// A running lab. Fields are dropped in order: servers, then what they stand on.
#[derive(Debug)]
pub struct Lab {
    sas: String,
    nginx: Nginx,
    _azurite: Azurite,
    _contoso: Registry,
    _others: Registry,
    dns: Dns,
    world: World,
    device_cgroup: Cgroup,
    cgroup: Cgroup,
    bpffs: Bpffs,
    tls: Tls,
    cache: Cache,
    scratch: Scratch,
}

impl Lab {
    /// Builds the cloud and the device and waits until every server is ready.
    ///
    /// # Errors
    /// When something is missing on the machine or a server does not come up; the error holds the
    /// end of that server's log. Nothing is left behind.
    pub fn start() -> Result<Self> {
        let cache = Cache::open()?;
        let scratch = Scratch::new()?;
        let tls = Tls::new(&scratch)?;
        let bpffs = Bpffs::mount(scratch.dir("bpf")?)?;
        let cgroup = Cgroup::new(scratch.name())?;
        let world = World::new(&scratch, &cgroup)?;
        let device_cgroup = cgroup.child("device")?;
        let mut azurite = Azurite::start(&cache, &world, &scratch)?;
        let mut dns = Dns::start(&cache, &world, &scratch)?;
        let mut contoso = Registry::start("contoso", CONTOSO, &cache, &world, &scratch)?;
        let mut others = Registry::start("others", OTHERS, &cache, &world, &scratch)?;
        let mut nginx = Nginx::start(&cache, &world, &tls, &scratch)?;
        dns.await_ready()?;
        nginx.await_ready()?;
        let clients = Clients {
            cache: &cache,
            tls: &tls,
            dir: scratch.path(),
        };
        let sas = together(
            || {
                azurite.await_ready()?;
                clients.prepare_storage(&world.cloud_place())
            },
            || {
                for registry in [&mut contoso, &mut others] {
                    registry.await_ready()?;
                    registry.push_image()?;
                }
                Ok(())
            },
        )?;
        Ok(Self {
            sas,
            nginx,
            _azurite: azurite,
            _contoso: contoso,
            _others: others,
            dns,
            device_cgroup,
            cgroup,
            bpffs,
            world,
            tls,
            cache,
            scratch,
        })
    }

    /// The lab's name, which its cgroup and its directory bear.
    #[must_use]
    pub fn name(&self) -> &str {
        self.scratch.name()
    }

    /// The lab's directory: the servers' logs as `<server>.log`, and room for a test's own files.
    #[must_use]
    pub fn dir(&self) -> &Path {
        self.scratch.path()
    }

    /// The network namespaces, addresses and service tags.
    #[must_use]
    pub fn world(&self) -> &World {
        &self.world
    }

    /// The names, to change and to spoil.
    #[must_use]
    pub fn dns(&self) -> &Dns {
        &self.dns
    }

    /// The certificates.
    #[must_use]
    pub fn tls(&self) -> &Tls {
        &self.tls
    }

    /// A bpf file system for pins.
    #[must_use]
    pub fn bpffs(&self) -> &Path {
        self.bpffs.path()
    }

    /// The lab's cgroup, for more children; the cloud's servers are in a child of it as well.
    #[must_use]
    pub fn cgroup(&self) -> &Cgroup {
        &self.cgroup
    }

    /// The cgroup of the device's clients: the one to enforce on.
    #[must_use]
    pub fn device_cgroup(&self) -> &Cgroup {
        &self.device_cgroup
    }

    /// The place of the device's clients: its network, its names, its cgroup.
    #[must_use]
    pub fn device(&self) -> Place {
        self.device_in(&self.device_cgroup)
    }

    /// The device's network and names in another cgroup.
    #[must_use]
    pub fn device_in(&self, cgroup: &Cgroup) -> Place {
        self.world.device_place().in_cgroup(cgroup)
    }

    /// Pulls the image from contoso's registry on the device.
    ///
    /// # Errors
    /// When the pull fails: what the client said.
    pub fn pull(&self) -> Result<PullReport> {
        self.pull_from(CONTOSO_LOGIN, &self.device())
    }

    /// Pulls the image that every registry holds from `login_server`.
    ///
    /// # Errors
    /// When the pull fails: what the client said.
    pub fn pull_from(&self, login_server: &str, place: &Place) -> Result<PullReport> {
        self.clients().pull(place, login_server)
    }

    /// Pushes a new image to `login_server`, as a bad actor carries data away through a registry.
    ///
    /// # Errors
    /// When the push fails: what the client said.
    pub fn push_to(&self, login_server: &str, place: &Place) -> Result<()> {
        self.push_within(LIMIT, login_server, place)
    }

    /// As [`Lab::push_to`], given up after `limit`.
    ///
    /// # Errors
    /// As [`Lab::push_to`], and when it takes longer.
    pub fn push_within(&self, limit: Duration, login_server: &str, place: &Place) -> Result<()> {
        self.clients().push(place, login_server, limit)
    }

    /// Uploads to the bad actor's account on the device with the Azure SDK.
    ///
    /// # Errors
    /// When the SDK cannot be run. An upload that fails is a result.
    pub fn exfiltrate_sdk(&self, place: &Place) -> Result<Exfiltration> {
        self.clients().upload_with_sdk(place)
    }

    /// Uploads to the bad actor's account on the device with curl.
    ///
    /// # Errors
    /// When curl cannot be run. An upload that fails is a result.
    pub fn exfiltrate_curl(&self, place: &Place) -> Result<Exfiltration> {
        self.clients().upload_with_curl(place, &self.sas)
    }

    /// Tries each address on port 443 `rounds` times over TCP, UDP, ICMP and raw IP, IPv4 addresses
    /// also as IPv4-mapped IPv6 addresses.
    ///
    /// # Errors
    /// When the tool cannot be run. An attempt that fails is a result.
    pub fn attempt(
        &self,
        place: &Place,
        addresses: &[IpAddr],
        rounds: u32,
    ) -> Result<Vec<Attempt>> {
        self.clients().attempt(place, addresses, rounds)
    }

    /// The requests that the cloud's front ends have answered, oldest first.
    ///
    /// # Errors
    /// When the log cannot be read.
    pub fn requests(&self) -> Result<Vec<Request>> {
        self.nginx.requests()
    }

    /// The end of each server's log.
    ///
    /// # Errors
    /// When the lab's directory cannot be read.
    pub fn logs(&self) -> Result<String> {
        let mut logs = String::new();
        for entry in fs::read_dir(self.dir()).context("list the lab's logs")? {
            let path = entry.context("list the lab's logs")?.path();
            if path.extension().is_some_and(|extension| extension == "log") {
                logs.push_str(&format!("{}:\n{}\n", path.display(), log_tail(&path)));
            }
        }
        Ok(logs)
    }

    /// Has login servers send clients to the data endpoint of a region of [`crate::world::REPLICAS`], or else to that of their own
    /// region, as the service does: without a signal to the client.
    ///
    /// # Errors
    /// When the front ends cannot be told.
    pub fn serve_from(&self, region: Option<&str>) -> Result<()> {
        self.nginx.serve_from(region)
    }

    /// A command for a Debian program of the lab, named as in its package, in `place`.
    #[must_use]
    pub fn program(&self, place: &Place, program: &str) -> Command {
        self.cache.debian(place, program)
    }

    /// skopeo in `place`, with its caches in the lab's directory.
    #[must_use]
    pub fn skopeo(&self, place: &Place) -> Command {
        skopeo(&self.cache, place, &self.dir().join("skopeo"))
    }

    /// The programs that were fetched.
    #[must_use]
    pub fn cache(&self) -> &Cache {
        &self.cache
    }

    pub(crate) fn scratch(&self) -> &Scratch {
        &self.scratch
    }

    fn clients(&self) -> Clients<'_> {
        Clients {
            cache: &self.cache,
            tls: &self.tls,
            dir: self.scratch.path(),
        }
    }
}

/// Runs both, each in its own thread, and returns the first one's result.
fn together<T: Send>(
    first: impl FnOnce() -> Result<T> + Send,
    second: impl FnOnce() -> Result<()> + Send,
) -> Result<T> {
    thread::scope(|scope| {
        let second = scope.spawn(second);
        let first = first();
        second
            .join()
            .map_err(|_panic| anyhow!("a thread of the lab panicked"))??;
        first.context("start the lab's storage account")
    })
}
