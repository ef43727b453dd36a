//! The names of the lab: PowerDNS holds the zones, unbound resolves them for the device, and a
//! front of the lab's own stands before unbound only while faults or a count are asked for.

mod faults;
mod fixed;
mod message;
mod zones;

use std::{
    fs,
    net::{IpAddr, Ipv4Addr, SocketAddr, UdpSocket},
    path::{Path, PathBuf},
    process::Command,
    sync::{Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use anyhow::{Context, Result, ensure};

pub use self::faults::Fault;
pub use self::fixed::{Names, serve};
pub use self::message::{Answer, Kind, rcode};
use self::{faults::Front, zones::Zones};
use crate::{
    ScratchDir,
    fixtures::{
        process::{Server, run},
        process_env::ProcessEnv,
        tool_cache::ToolCache,
    },
    topology::{addresses::RESOLVER_V4, netns::Netns, network::Network},
};

/// PowerDNS listens here, inside the cloud.
const AUTHORITY: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 5300);
/// How long an answer of a healthy resolver may take.
const ANSWER_WITHIN: Duration = Duration::from_secs(3);
const READY_WITHIN: Duration = Duration::from_secs(10);

/// The running name servers.
#[derive(Debug)]
pub struct Dns {
    cache: ToolCache,
    cloud: Netns,
    dir: PathBuf,
    zones: Mutex<Zones>,
    front: Mutex<Option<Front>>,
    authority: Server,
    resolver: Server,
}

impl Dns {
    /// Starts both servers in the cloud with the zones of a fresh lab; they are not ready yet.
    ///
    /// # Errors
    /// When a configuration cannot be written or a server cannot be started.
    pub fn start(cache: &ToolCache, network: &Network, scratch: &ScratchDir) -> Result<Self> {
        let dir = scratch.dir("dns")?;
        let zones = Zones::of_a_fresh_lab()?;
        zones.write_all(&dir)?;
        scratch.file("dns/named.conf", zones::named_conf(&dir))?;
        scratch.file("dns/pdns.conf", pdns_conf(cache, scratch)?)?;
        scratch.file("dns/unbound.conf", unbound_conf(&dir, true))?;

        let env = network.cloud_env();
        let mut authority = cache.debian(&env, "usr/sbin/pdns_server");
        authority.arg(format!("--config-dir={}", dir.display()));
        let mut resolver = cache.debian(&env, "usr/sbin/unbound");
        resolver.args(["-d", "-c"]).arg(dir.join("unbound.conf"));
        Ok(Self {
            cache: cache.clone(),
            cloud: network.cloud().clone(),
            zones: Mutex::new(zones),
            front: Mutex::new(None),
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
            let asked = cloud.run(|| ask(server, "contoso.azurecr.io", Kind::A, PROBE_WITHIN));
            asked.is_ok_and(|answer| !answer.addresses.is_empty())
        };
        self.authority
            .await_ready(READY_WITHIN, || resolves(AUTHORITY))?;
        self.resolver.await_ready(READY_WITHIN, || {
            resolves(SocketAddr::from((RESOLVER_V4, 53)))
        })
    }

    /// Gives a name these addresses, all in each answer, with `ttl` in seconds. An alias is followed
    /// to the name that has the addresses. The resolver forgets what it knew.
    ///
    /// # Errors
    /// When the name is in none of the lab's zones or a server does not take the change.
    pub fn set_addresses(&self, name: &str, addresses: &[IpAddr], ttl: u32) -> Result<()> {
        self.change(|zones| zones.set_addresses(name, addresses, ttl, false))
    }

    /// As [`Self::set_addresses`], but each answer of the authoritative server holds one address of
    /// each family, the next in turn. With a `ttl` of 0 that is each answer of the resolver.
    ///
    /// # Errors
    /// As [`Self::set_addresses`].
    pub fn rotate_addresses(&self, name: &str, addresses: &[IpAddr], ttl: u32) -> Result<()> {
        self.change(|zones| zones.set_addresses(name, addresses, ttl, true))
    }

    /// The resolver keeps no answer from here on: each question reaches the zones, and has their lifetimes in its answer.
    ///
    /// # Errors
    /// When the resolver does not take the change.
    pub fn disable_caching(&self) -> Result<()> {
        let conf = self.dir.join("unbound.conf");
        fs::write(&conf, unbound_conf(&self.dir, false)).context("change unbound.conf")?;
        self.unbound_control(&["reload"])
    }

    /// Makes a name an alias (CNAME) of another, with `ttl` in seconds.
    ///
    /// # Errors
    /// As [`Self::set_addresses`].
    pub fn set_alias(&self, name: &str, target: &str, ttl: u32) -> Result<()> {
        self.change(|zones| zones.set_alias(name, target, ttl))
    }

    /// Removes a name; it does not exist then (NXDOMAIN).
    ///
    /// # Errors
    /// As [`Self::set_addresses`].
    pub fn remove(&self, name: &str) -> Result<()> {
        self.change(|zones| zones.remove(name))
    }

    /// The resolver answers every question with this fault from here on; the latest fault counts.
    ///
    /// # Errors
    /// When the lab cannot place its front before the resolver.
    pub fn fail_mode(&self, fault: Fault) -> Result<()> {
        self.front(|front| front.fail(None, fault))
    }

    /// The resolver answers questions for this one name with this fault from here on.
    ///
    /// # Errors
    /// As [`Self::fail_mode`].
    pub fn fail_mode_for(&self, name: &str, fault: Fault) -> Result<()> {
        self.front(|front| front.fail(Some(name), fault))
    }

    /// Notes when each question comes to the resolver, from here on.
    ///
    /// # Errors
    /// As [`Self::fail_mode`].
    pub fn watch(&self) -> Result<()> {
        self.front(|_front| ())
    }

    /// When each datagram with a question came since [`Self::watch`], in order.
    pub fn query_times(&self) -> Vec<Instant> {
        locked(&self.front)
            .as_ref()
            .map_or_else(Vec::new, Front::query_times)
    }

    /// Ends all faults and the watch: unbound itself answers again.
    pub fn clear_faults(&self) {
        drop(locked(&self.front).take());
    }

    /// Asks the lab's resolver over UDP from inside `netns`.
    ///
    /// # Errors
    /// When no well-formed answer comes within 3 s.
    pub fn ask(&self, netns: &Netns, name: &str, kind: Kind) -> Result<Answer> {
        self.ask_at(SocketAddr::from((RESOLVER_V4, 53)), netns, name, kind)
    }

    /// As [`Self::ask`], but another server, the lab's resolver over IPv6 for example.
    ///
    /// # Errors
    /// As [`Self::ask`].
    pub fn ask_at(
        &self,
        server: SocketAddr,
        netns: &Netns,
        name: &str,
        kind: Kind,
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
        let said = control(reload).context("make PowerDNS read a changed zone")?;
        ensure!(
            said.contains("parsed into memory"),
            "PowerDNS refused a changed zone: {said}"
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

    fn front(&self, act: impl FnOnce(&Front)) -> Result<()> {
        let mut slot = locked(&self.front);
        let front = match slot.take() {
            Some(front) => front,
            None => Front::start(&self.cloud)?,
        };
        act(&front);
        *slot = Some(front);
        Ok(())
    }
}

/// How long one probe of a starting server may take.
const PROBE_WITHIN: Duration = Duration::from_millis(300);

fn ask(server: SocketAddr, name: &str, kind: Kind, limit: Duration) -> Result<Answer> {
    let any = if server.is_ipv4() { "0.0.0.0" } else { "::" };
    let socket = UdpSocket::bind((any, 0)).context("open a socket")?;
    socket
        .set_read_timeout(Some(limit))
        .context("limit a socket's wait")?;
    socket.connect(server).context("choose a resolver")?;
    socket
        .send(&message::query(name, kind))
        .context("ask a resolver")?;
    let mut buffer = [0; 4096];
    let length = socket
        .recv(&mut buffer)
        .with_context(|| format!("no answer for {name}"))?;
    message::answer(&buffer[..length]).with_context(|| format!("a malformed answer for {name}"))
}

fn control(command: Command) -> Result<String> {
    run(command, Duration::from_secs(10))?.success()
}

/// The values behind the lab's locks are replaced whole, so a panicking test leaves them sound.
fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Caches off, so that each question reaches the zones; one thread, so that rotation has one count.
fn pdns_conf(cache: &ToolCache, scratch: &ScratchDir) -> Result<String> {
    let dir = scratch.path().join("dns");
    let mut conf = format!(
        "launch=bind\nbind-config={0}/named.conf\nsocket-dir={0}\nmodule-dir={1}\n\
         local-address={2}\nlocal-port={3}\n",
        dir.display(),
        cache.pdns_modules()?.display(),
        AUTHORITY.ip(),
        AUTHORITY.port(),
    );
    conf.push_str(
        "daemon=no\nguardian=no\ndisable-syslog=yes\nloglevel=4\nsecurity-poll-suffix=\n\
         cache-ttl=0\nquery-cache-ttl=0\nnegquery-cache-ttl=0\nzone-cache-refresh-interval=0\n\
         receiver-threads=1\ndistributor-threads=1\nenable-lua-records=shared\n",
    );
    Ok(conf)
}

/// It stays root: the kernel forgets "die with the parent" when a process changes its user.
fn unbound_conf(dir: &Path, keeps: bool) -> String {
    format!(
        r#"
server:
    directory: ""
    chroot: ""
    username: ""
    pidfile: ""
    do-daemonize: no
    use-syslog: no
    num-threads: 1
    so-reuseport: yes
    interface-automatic: yes
    access-control: 0.0.0.0/0 allow
    access-control: ::/0 allow
    module-config: "iterator"
    do-not-query-localhost: no
    qname-minimisation: no
    cache-max-negative-ttl: 5
    infra-host-ttl: 1
remote-control:
    control-enable: yes
    control-use-cert: no
    control-interface: {}/unbound.ctl
forward-zone:
    name: "."
    forward-addr: {}@{}
    forward-no-cache: {}
"#,
        dir.display(),
        AUTHORITY.ip(),
        AUTHORITY.port(),
        if keeps { "no" } else { "yes" },
    )
}
