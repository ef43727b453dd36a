//! The lab's DNS: PowerDNS serves the zones, unbound resolves them for the device, and a proxy in
//! front of unbound injects faults and records queries on demand.

mod config;
mod faults;
mod fixed;
mod message;
mod zones;

use std::{
    fs,
    net::{IpAddr, SocketAddr, UdpSocket},
    path::PathBuf,
    process::Command,
    sync::Mutex,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, ensure};
pub use hickory_proto::{op::ResponseCode, rr::RecordType};

pub use self::faults::Fault;
pub use self::fixed::{Names, serve};
pub use self::message::Answer;
use self::{
    faults::{FaultProxy, locked},
    zones::Zones,
};
use crate::{
    ScratchDir,
    fixtures::{process::run, process_env::ProcessEnv, server::Server, tool_cache::ToolCache},
    topology::{addresses::RESOLVER_V4, netns::Netns, network::Network},
};

/// Time limit of an answer of a healthy resolver.
const ANSWER_WITHIN: Duration = Duration::from_secs(3);
const READY_WITHIN: Duration = Duration::from_secs(60);
/// Limit of a change: the resolver shares the processors with a flood of questions, and with emulated guests.
const CONTROLLED_WITHIN: Duration = Duration::from_secs(60);

/// The running name servers.
#[derive(Debug)]
pub struct Dns {
    cache: ToolCache,
    cloud: Netns,
    dir: PathBuf,
    zones: Mutex<Zones>,
    proxy: Mutex<Option<FaultProxy>>,
    authority: Server,
    resolver: Server,
}

impl Dns {
    /// Starts both servers in the cloud with the zones of a fresh lab; does not wait until they are ready.
    ///
    /// # Errors
    /// When a configuration cannot be written or a server cannot be started.
    pub fn start(cache: &ToolCache, network: &Network, scratch: &ScratchDir) -> Result<Self> {
        let dir = scratch.dir("dns")?;
        let zones = Zones::fresh()?;
        zones.write_all(&dir)?;
        scratch.file("dns/named.conf", zones::named_conf(&dir))?;
        scratch.file("dns/pdns.conf", config::pdns_conf(cache, scratch)?)?;
        scratch.file("dns/unbound.conf", config::unbound_conf(&dir, true))?;

        let env = network.cloud_env();
        let mut authority = cache.debian(&env, "usr/sbin/pdns_server");
        authority.arg(format!("--config-dir={}", dir.display()));
        let mut resolver = cache.debian(&env, "usr/sbin/unbound");
        resolver.args(["-d", "-c"]).arg(dir.join("unbound.conf"));
        Ok(Self {
            cache: cache.clone(),
            cloud: network.cloud().clone(),
            zones: Mutex::new(zones),
            proxy: Mutex::new(None),
            authority: Server::start("pdns", authority, scratch.path())?,
            resolver: Server::start("unbound", resolver, scratch.path())?,
            dir,
        })
    }

    /// Waits until both servers answer.
    ///
    /// # Errors
    /// When one ends or does not answer within 10 s.
    pub fn await_ready(&mut self) -> Result<()> {
        let cloud = &self.cloud;
        let resolves = |server| {
            let answered =
                cloud.run(|| ask(server, "contoso.azurecr.io", RecordType::A, PROBE_WITHIN));
            answered.is_ok_and(|answer| !answer.addresses.is_empty())
        };
        self.authority
            .await_ready(READY_WITHIN, || resolves(config::AUTHORITY))?;
        self.resolver.await_ready(READY_WITHIN, || {
            resolves(SocketAddr::from((RESOLVER_V4, 53)))
        })
    }

    /// Sets the addresses of a name, all of them in each answer, with `ttl` in seconds. Aliases are
    /// followed to the name with the addresses. The resolver's cache is flushed.
    ///
    /// # Errors
    /// When the name is in none of the lab's zones or a server rejects the change.
    pub fn set_addresses(&self, name: &str, addresses: &[IpAddr], ttl: u32) -> Result<()> {
        self.change(|zones| zones.set_addresses(name, addresses, ttl, false))
    }

    /// As [`Self::set_addresses`], but each answer of the authoritative server contains one address of
    /// each family in turn. With a `ttl` of 0 this also applies to the resolver's answers.
    ///
    /// # Errors
    /// As [`Self::set_addresses`].
    pub fn rotate_addresses(&self, name: &str, addresses: &[IpAddr], ttl: u32) -> Result<()> {
        self.change(|zones| zones.set_addresses(name, addresses, ttl, true))
    }

    /// Disables the resolver's cache: each query reaches the zones, and each answer has their TTL.
    ///
    /// # Errors
    /// When the resolver rejects the change.
    pub fn disable_caching(&self) -> Result<()> {
        let conf = self.dir.join("unbound.conf");
        fs::write(&conf, config::unbound_conf(&self.dir, false)).context("change unbound.conf")?;
        self.unbound_control(&["reload"])
    }

    /// Makes a name an alias (CNAME) of another with `ttl` in seconds.
    ///
    /// # Errors
    /// As [`Self::set_addresses`].
    pub fn set_alias(&self, name: &str, target: &str, ttl: u32) -> Result<()> {
        self.change(|zones| zones.set_alias(name, target, ttl))
    }

    /// Removes a name; queries for it then return NXDOMAIN.
    ///
    /// # Errors
    /// As [`Self::set_addresses`].
    pub fn remove(&self, name: &str) -> Result<()> {
        self.change(|zones| zones.remove(name))
    }

    /// Injects a fault for all names; the latest fault counts.
    ///
    /// # Errors
    /// When the proxy cannot be started.
    pub fn fail_mode(&self, fault: Fault) -> Result<()> {
        self.proxy(|proxy| proxy.fail(None, fault))
    }

    /// Injects a fault for one name.
    ///
    /// # Errors
    /// As [`Self::fail_mode`].
    pub fn fail_mode_for(&self, name: &str, fault: Fault) -> Result<()> {
        self.proxy(|proxy| proxy.fail(Some(name), fault))
    }

    /// Starts to record the arrival times of queries.
    ///
    /// # Errors
    /// As [`Self::fail_mode`].
    pub fn watch(&self) -> Result<()> {
        self.proxy(|_front| ())
    }

    /// Returns the arrival times of queries over UDP since [`Self::watch`], in order.
    pub fn query_times(&self) -> Vec<Instant> {
        locked(&self.proxy)
            .as_ref()
            .map_or_else(Vec::new, FaultProxy::query_times)
    }

    /// Removes all faults and stops recording: unbound answers directly again.
    pub fn clear_faults(&self) {
        drop(locked(&self.proxy).take());
    }

    /// Queries the lab's resolver over UDP from `netns`.
    ///
    /// # Errors
    /// When no well-formed answer arrives within 3 s.
    pub fn ask(&self, netns: &Netns, name: &str, kind: RecordType) -> Result<Answer> {
        self.ask_at(SocketAddr::from((RESOLVER_V4, 53)), netns, name, kind)
    }

    /// As [`Self::ask`], with another server, for example the lab's resolver over IPv6.
    ///
    /// # Errors
    /// As [`Self::ask`].
    pub fn ask_at(
        &self,
        server: SocketAddr,
        netns: &Netns,
        name: &str,
        kind: RecordType,
    ) -> Result<Answer> {
        netns.run(|| ask(server, name, kind, ANSWER_WITHIN))
    }

    fn change(&self, change: impl FnOnce(&mut Zones) -> Result<&'static str>) -> Result<()> {
        let mut zones = locked(&self.zones);
        let zone = change(&mut zones)?;
        zones.write(zone, &self.dir)?;
        let mut reload = self
            .cache
            .debian(&ProcessEnv::default(), "usr/bin/pdns_control");
        reload
            .arg(format!("--config-dir={}", self.dir.display()))
            .args(["bind-reload-now", zone]);
        let output = control(reload).context("make PowerDNS reload a changed zone")?;
        ensure!(
            output.contains("parsed into memory"),
            "PowerDNS rejected a changed zone: {output}"
        );
        self.unbound_control(&["flush_zone", "."])
    }

    fn unbound_control(&self, words: &[&str]) -> Result<()> {
        let mut tell = self
            .cache
            .debian(&ProcessEnv::default(), "usr/sbin/unbound-control");
        tell.arg("-c")
            .arg(self.dir.join("unbound.conf"))
            .args(words);
        control(tell).context("control unbound")?;
        Ok(())
    }

    fn proxy(&self, act: impl FnOnce(&FaultProxy)) -> Result<()> {
        let mut slot = locked(&self.proxy);
        let proxy = match slot.take() {
            Some(proxy) => proxy,
            None => FaultProxy::start(&self.cloud)?,
        };
        act(&proxy);
        *slot = Some(proxy);
        Ok(())
    }
}

/// Time limit of one query to a starting server.
const PROBE_WITHIN: Duration = Duration::from_millis(300);

fn ask(server: SocketAddr, name: &str, kind: RecordType, limit: Duration) -> Result<Answer> {
    let any = if server.is_ipv4() { "0.0.0.0" } else { "::" };
    let socket = UdpSocket::bind((any, 0)).context("open a socket")?;
    socket
        .set_read_timeout(Some(limit))
        .context("limit a socket's wait")?;
    socket.connect(server).context("choose a resolver")?;
    socket
        .send(&message::query(name, kind)?)
        .context("ask a resolver")?;
    let mut buffer = [0; 4096];
    let length = socket
        .recv(&mut buffer)
        .with_context(|| format!("no answer for {name}"))?;
    message::answer(&buffer[..length]).with_context(|| format!("a malformed answer for {name}"))
}

fn control(command: Command) -> Result<String> {
    run(command, CONTROLLED_WITHIN)?.success()
}
