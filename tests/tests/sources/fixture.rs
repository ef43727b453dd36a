//! A lab with the stand-in for Azure, the daemon, and a packet counter.

use std::{
    fs,
    net::IpAddr,
    path::{Path, PathBuf},
    thread,
    time::{Duration, SystemTime},
};

use anyhow::{Context, Result, ensure};
use lab::{
    Lab,
    azure::{Azure, CLIENT, TENANT, resource_id},
    clients::stream::{Plan, Stream},
    fixtures::{
        enforcer::{Enforcer, configuration},
        process::run,
        process_env::ProcessEnv,
        replicas::Replica,
    },
    topology::packet_counter::PacketCounter,
};

/// Time limit of any step on a busy machine.
pub(crate) const LIMIT: Duration = Duration::from_secs(60);
/// Polling interval.
pub(crate) const POLL: Duration = Duration::from_millis(5);
/// Connects to port 443 until it succeeds, and prints the time; creates a file at the first refusal.
const CONNECT_UNTIL_ALLOWED: &str = "exec 4<> <(:)
    until { : 3<>/dev/tcp/$1/443; } 2>/dev/null; do : >\"$2\"; read -rt 0.005 -u 4; done
    echo $EPOCHREALTIME";

/// Lab, Azure, daemon and packet counter. Fields are dropped in order.
pub(crate) struct Fixture {
    pub(crate) counter: PacketCounter,
    pub(crate) enforcer: Enforcer,
    pub(crate) azure: Azure,
    pub(crate) lab: Lab,
}

impl Fixture {
    /// Starts everything except the daemon.
    pub(crate) fn prepare() -> Result<Self> {
        let lab = Lab::start()?;
        let azure = Azure::start(&lab)?;
        let mut enforcer = Enforcer::prepare(&lab, &["eastus"], "")?;
        enforcer.bind_mount(azure.var_opt(), Path::new("/var/opt"))?;
        Ok(Self {
            counter: PacketCounter::watch(lab.network())?,
            enforcer,
            azure,
            lab,
        })
    }

    /// Writes the configuration from lines for contoso's registry, lines for `[protect]`, and further sections.
    pub(crate) fn configure(&self, registry: &str, protect: &str, more: &str) -> Result<()> {
        let directory = self.lab.dir().join("enforcer");
        let text = configuration(&self.lab, &directory, &["eastus"], more)
            .replace("regions = [\"eastus\"]", registry)
            .replace("[protect]", &format!("[protect]\n{protect}"));
        self.enforcer.configure(&text)
    }

    /// Configures and starts the daemon, and waits until every name is resolved.
    pub(crate) fn start(&mut self, registry: &str, protect: &str, more: &str) -> Result<()> {
        self.configure(registry, protect, more)?;
        self.run()?;
        self.await_names()
    }

    /// Starts the daemon with the present configuration.
    pub(crate) fn run(&mut self) -> Result<()> {
        self.run_with(&[], &[])
    }

    /// As [`Fixture::run`], with further arguments and environment variables.
    pub(crate) fn run_with(
        &mut self,
        arguments: &[&str],
        variables: &[(&str, &str)],
    ) -> Result<()> {
        let mut command = self.enforcer.command([&["run"], arguments].concat())?;
        command.env("SSL_CERT_FILE", self.lab.certificates().ca());
        command.env_remove("SSL_CERT_DIR");
        command.envs(variables.iter().copied());
        self.enforcer.run_as(command)
    }

    /// Ends the daemon with `SIGTERM`.
    pub(crate) fn end(&mut self) -> Result<()> {
        ensure!(
            self.enforcer.end(libc::SIGTERM)?.success(),
            "{}",
            self.enforcer.log()
        );
        Ok(())
    }

    /// Returns a path in the lab's directory.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.lab.dir().join(name)
    }

    /// Returns the time from the start of `change` until the device can connect to port 443 of `address`, which must be denied before.
    pub(crate) fn allowed_after(
        &self,
        address: IpAddr,
        change: impl FnOnce() -> Result<()>,
    ) -> Result<Duration> {
        let refused = tempfile::NamedTempFile::new_in(self.lab.dir())?.into_temp_path();
        fs::remove_file(&refused)?;
        let mut connect = self.lab.device().command("bash");
        connect
            .args(["-c", CONNECT_UNTIL_ALLOWED, "connect"])
            .arg(address.to_string())
            .arg(&refused);
        let (start, output) = thread::scope(|scope| {
            let connecting = scope.spawn(|| run(connect, LIMIT));
            while !refused.exists() && !connecting.is_finished() {
                thread::sleep(POLL);
            }
            ensure!(refused.exists(), "{address} is allowed before");
            let start = SystemTime::now();
            change()?;
            let output = connecting
                .join()
                .map_err(|_panic| anyhow::anyhow!("a panic"))?;
            anyhow::Ok((
                start,
                output.with_context(|| self.enforcer.log())?.success()?,
            ))
        })?;
        let opened: f64 = output.trim().parse().with_context(|| output.clone())?;
        let began = start.duration_since(SystemTime::UNIX_EPOCH)?;
        Ok(Duration::from_secs_f64(opened).saturating_sub(began))
    }

    /// Whether the device can connect to port 443 of `address`. Any failure must be `EPERM`.
    pub(crate) fn reaches(&self, address: IpAddr) -> Result<bool> {
        self.reaches_from(&self.lab.device(), address)
    }

    /// As [`Fixture::reaches`], from another environment.
    pub(crate) fn reaches_from(&self, env: &ProcessEnv, address: IpAddr) -> Result<bool> {
        let mut bash = env.command("bash");
        bash.arg("-c").arg(format!(": 3<>/dev/tcp/{address}/443"));
        let output = run(bash, LIMIT)?;
        let is_refused = output.stderr.contains("Operation not permitted");
        ensure!(
            output.status.success() || is_refused,
            "{address}: {output:?}"
        );
        Ok(output.status.success())
    }

    /// Makes the login server redirect clients to `replica`, and pulls from there.
    pub(crate) fn pulls_from(&self, replica: &Replica) -> Result<()> {
        self.lab.serve_from(Some(replica.region.name))?;
        let pulled = self.lab.pull();
        self.lab.serve_from(None)?;
        pulled.with_context(|| self.enforcer.log())?;
        let requests = self.lab.requests()?;
        let is_served = requests
            .iter()
            .any(|request| replica.addresses.contains(&request.address));
        ensure!(is_served, "{} served no request", replica.host);
        Ok(())
    }

    /// Starts a stream of connections from the device to contoso, and of attempts to reach `protected`.
    pub(crate) fn stream(&self, protected: &[IpAddr], rate: u32) -> Result<Stream> {
        let plan = Plan {
            protected: protected.to_vec(),
            rate,
            ..Plan::lab_default(rate)
        };
        let streamer = Path::new(env!("CARGO_BIN_EXE_egress-stream"));
        Stream::start(streamer, &self.lab.device(), &plan)
    }

    /// Ends a stream and checks that every attempt to reach `protected` was denied; returns their number.
    pub(crate) fn end_stream(&self, stream: Stream, protected: &[IpAddr]) -> Result<u64> {
        let totals = stream.end()?;
        let prefixes: Vec<String> = protected
            .iter()
            .map(IpAddr::to_string)
            .map(prefix)
            .collect();
        let prefixes: Vec<&str> = prefixes.iter().map(String::as_str).collect();
        let leaked = self.counter.packets_to(&prefixes)?;
        let flawless = totals.passed.is_empty() && totals.failed.is_empty();
        ensure!(
            flawless && leaked == 0,
            "{leaked} packets leaked: {totals:#?}\n{}",
            self.enforcer.log()
        );
        ensure!(
            totals.refused > 0 && totals.answered > 0,
            "too few connections for a result: {totals:?}"
        );
        Ok(totals.refused)
    }
}

/// Returns the section `[azure]` with these lines.
pub(crate) fn azure(lines: &str) -> String {
    format!("[azure]\npoll = \"2s\"\n{lines}\n")
}

/// Returns the lines of a service principal with a secret.
pub(crate) fn with_secret(azure: &Azure) -> String {
    let file = &azure.principal().secret_file;
    principal(&format!("client-secret-file = {file:?}"))
}

/// Returns the lines of a service principal.
pub(crate) fn principal(credential: &str) -> String {
    format!(
        "credential = \"service-principal\"\ntenant-id = {TENANT:?}\nclient-id = {CLIENT:?}\n{credential}"
    )
}

/// Returns the line with contoso's resource id.
pub(crate) fn by_resource() -> String {
    format!("resource-id = {:?}", resource_id("contoso"))
}

fn prefix(address: String) -> String {
    let length = if address.contains(':') { 128 } else { 32 };
    format!("{address}/{length}")
}
