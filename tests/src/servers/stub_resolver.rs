//! A local stub resolver on the device at 127.0.0.53: dnsmasq or systemd-resolved.

use std::{
    fs,
    net::{IpAddr, Ipv4Addr, SocketAddr},
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

use anyhow::{Context, Result};

use crate::{
    Lab,
    fixtures::{
        enforcer::Enforcer, process_env::ProcessEnv, server::Server, tool_cache::ToolCache,
    },
    servers::dns::RecordType,
    topology::addresses::{RESOLVER_V4, RESOLVER_V6},
};

/// Its address; it listens on port 53.
pub const STUB: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 53);

/// The running stub resolver.
#[derive(Debug)]
pub struct StubResolver {
    server: Server,
    resolv_conf: PathBuf,
    /// Its private `/run`, if it has one.
    run: Option<PathBuf>,
}

impl StubResolver {
    /// Starts dnsmasq in `env` and waits until it answers. A lab can have one stub resolver.
    ///
    /// # Errors
    /// When it does not answer within 10 s.
    pub fn start(lab: &Lab, env: &ProcessEnv) -> Result<Self> {
        let mut command = lab.cache().debian(env, "usr/sbin/dnsmasq");
        // It stays root: the kernel clears the parent-death signal when a process changes its user.
        command.args([
            "--keep-in-foreground",
            "--conf-file=/dev/null",
            "--user=root",
            "--pid-file=",
        ]);
        command.args([
            "--log-facility=-",
            "--no-hosts",
            "--no-resolv",
            "--bind-interfaces",
        ]);
        command.arg(format!("--listen-address={STUB}"));
        command
            .arg(format!("--server={RESOLVER_V4}"))
            .arg(format!("--server={RESOLVER_V6}"));
        Self::answering("dnsmasq", command, lab, None)
    }

    /// As [`StubResolver::start`], with systemd-resolved: without systemd and D-Bus, and with a private `/run`.
    ///
    /// # Errors
    /// As [`StubResolver::start`].
    pub fn start_resolved(lab: &Lab, env: &ProcessEnv) -> Result<Self> {
        let run = lab.scratch().dir("resolved-run")?;
        let settings = run.join("systemd/resolved.conf.d");
        fs::create_dir_all(&settings)?;
        let settings = settings.join("lab.conf");
        fs::write(&settings, resolved_conf()).context("configure systemd-resolved")?;
        // It switches to this user, which therefore has the uid of root; see `start`.
        let mut users = fs::read_to_string("/etc/passwd").context("read /etc/passwd")?;
        users.insert_str(0, "systemd-resolve:x:0:0::/:/bin/false\n");
        let users = lab.scratch().file("resolved-passwd", users)?;
        let env = env
            .clone()
            .with_bind(&run, Path::new("/run"))?
            .with_bind(&users, Path::new("/etc/passwd"))?;
        let command = lab.cache().debian(&env, resolved(lab.cache())?);
        Self::answering("systemd-resolved", command, lab, Some(run))
    }

    fn answering(name: &str, command: Command, lab: &Lab, run: Option<PathBuf>) -> Result<Self> {
        let resolv_conf = lab
            .scratch()
            .file("stub-resolv.conf", format!("nameserver {STUB}\n"))?;
        let mut server = Server::start(name, command, lab.dir())?;
        server.await_ready(Duration::from_secs(10), || {
            let stub = SocketAddr::from((IpAddr::V4(STUB), 53));
            let answer = lab.dns().ask_at(
                stub,
                lab.network().device(),
                "contoso.azurecr.io",
                RecordType::A,
            );
            answer.is_ok_and(|answer| !answer.addresses.is_empty())
        })?;
        Ok(Self {
            server,
            resolv_conf,
            run,
        })
    }

    /// Mounts the stub's `/etc/resolv.conf` and `/run` for the daemon, as on a host with this stub.
    ///
    /// # Errors
    /// When a directory does not exist.
    pub fn seen_by(&self, enforcer: &mut Enforcer) -> Result<()> {
        enforcer.bind_mount(&self.resolv_conf, Path::new("/etc/resolv.conf"))?;
        match &self.run {
            Some(run) => enforcer.bind_mount(run, Path::new("/run")),
            None => Ok(()),
        }
    }

    /// Returns `env`, an environment of the device, with its lookups directed to the stub.
    ///
    /// # Errors
    /// When `/etc/resolv.conf` does not exist.
    pub fn used_in(&self, env: ProcessEnv) -> Result<ProcessEnv> {
        env.with_bind(&self.resolv_conf, Path::new("/etc/resolv.conf"))
    }

    /// Returns its process id.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.server.pid()
    }
}

/// Returns the path of systemd-resolved in Debian 13 or in earlier releases.
fn resolved(cache: &ToolCache) -> Result<&'static str> {
    let paths = [
        "usr/lib/systemd/systemd-resolved",
        "lib/systemd/systemd-resolved",
    ];
    let mut paths = paths.into_iter();
    paths
        .find(|path| cache.path("root").join(path).exists())
        .context("find systemd-resolved")
}

fn resolved_conf() -> String {
    format!(
        "[Resolve]\nDNS={RESOLVER_V4} {RESOLVER_V6}\nFallbackDNS=\nLLMNR=no\nMulticastDNS=no\nDNSSEC=no\nReadEtcHosts=no\n"
    )
}
