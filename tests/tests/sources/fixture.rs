//! What the tests stand on: a lab, a cloud to ask in it, the daemon, and an eye on the wire.

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

/// Longer than anything here takes on a busy machine.
pub(crate) const LIMIT: Duration = Duration::from_secs(60);
/// Between two looks.
pub(crate) const LOOK: Duration = Duration::from_millis(5);
/// Tries to connect to port 443 until it works, and prints when that was; makes a file at the first refusal.
const KNOCK: &str = "exec 4<> <(:)
    until { : 3<>/dev/tcp/$1/443; } 2>/dev/null; do : >\"$2\"; read -rt 0.005 -u 4; done
    echo $EPOCHREALTIME";

/// Everything at once. Fields are dropped in order.
pub(crate) struct Fixture {
    pub(crate) counter: PacketCounter,
    pub(crate) enforcer: Enforcer,
    pub(crate) azure: Azure,
    pub(crate) lab: Lab,
}

impl Fixture {
    /// Everything but the daemon is started.
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

    /// Writes the configuration: lines of contoso's registry, of `[protect]`, and whole sections.
    pub(crate) fn configure(&self, registry: &str, protect: &str, more: &str) -> Result<()> {
        let directory = self.lab.dir().join("enforcer");
        let text = configuration(&self.lab, &directory, &["eastus"], more)
            .replace("regions = [\"eastus\"]", registry)
            .replace("[protect]", &format!("[protect]\n{protect}"));
        self.enforcer.configure(&text)
    }

    /// Configures and starts the daemon, and waits until every name has an address.
    pub(crate) fn start(&mut self, registry: &str, protect: &str, more: &str) -> Result<()> {
        self.configure(registry, protect, more)?;
        self.run()?;
        self.await_names()
    }

    /// Starts the daemon as it is configured.
    pub(crate) fn run(&mut self) -> Result<()> {
        self.run_with(&[], &[])
    }

    /// As [`Fixture::run`], with more arguments, and variables in its environment.
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

    /// Ends the daemon in peace.
    pub(crate) fn end(&mut self) -> Result<()> {
        ensure!(
            self.enforcer.end(libc::SIGTERM)?.success(),
            "{}",
            self.enforcer.log()
        );
        Ok(())
    }

    /// A path in the lab's directory.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.lab.dir().join(name)
    }

    /// How long after the start of `change` the device can connect to port 443 of `address`, to which it is refused before.
    pub(crate) fn open_after(
        &self,
        address: IpAddr,
        change: impl FnOnce() -> Result<()>,
    ) -> Result<Duration> {
        let refused = tempfile::NamedTempFile::new_in(self.lab.dir())?.into_temp_path();
        fs::remove_file(&refused)?;
        let mut knock = self.lab.device().command("bash");
        knock
            .args(["-c", KNOCK, "knock"])
            .arg(address.to_string())
            .arg(&refused);
        let (start, output) = thread::scope(|scope| {
            let knocking = scope.spawn(|| run(knock, LIMIT));
            while !refused.exists() && !knocking.is_finished() {
                thread::sleep(LOOK);
            }
            ensure!(refused.exists(), "{address} is open before");
            let start = SystemTime::now();
            change()?;
            let output = knocking
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

    /// Whether the device can connect to port 443 of `address`; a refusal has to be the kernel programs'.
    pub(crate) fn reaches(&self, address: IpAddr) -> Result<bool> {
        self.reaches_from(&self.lab.device(), address)
    }

    /// As [`Fixture::reaches`], from another place.
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

    /// Has the login server send clients to `replica`, and pulls from there.
    pub(crate) fn pulls_from(&self, replica: &Replica) -> Result<()> {
        self.lab.serve_from(Some(replica.region.name))?;
        let pulled = self.lab.pull();
        self.lab.serve_from(None)?;
        pulled.with_context(|| self.enforcer.log())?;
        let requests = self.lab.requests()?;
        let is_served = requests
            .iter()
            .any(|request| replica.addresses.contains(&request.address));
        ensure!(is_served, "{} has served nothing", replica.host);
        Ok(())
    }

    /// A stream of the device's connections to contoso, which all succeed, and of attempts at `protected`, which all fail.
    pub(crate) fn stream(&self, protected: &[IpAddr], rate: u32) -> Result<Stream> {
        let plan = Plan {
            protected: protected.to_vec(),
            rate,
            ..Plan::lab_default(rate)
        };
        let streamer = Path::new(env!("CARGO_BIN_EXE_egress-stream"));
        Stream::start(streamer, &self.lab.device(), &plan)
    }

    /// Ends a stream; returns how many attempts at `protected` were refused, which all have to be.
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
            "too few to judge: {totals:?}"
        );
        Ok(totals.refused)
    }
}

/// `[azure]` with these lines.
pub(crate) fn azure(lines: &str) -> String {
    format!("[azure]\npoll = \"2s\"\n{lines}\n")
}

/// The lines of a service principal with a secret.
pub(crate) fn with_secret(azure: &Azure) -> String {
    let file = &azure.principal().secret_file;
    principal(&format!("client-secret-file = {file:?}"))
}

/// The lines of a service principal.
pub(crate) fn principal(proof: &str) -> String {
    format!(
        "credential = \"service-principal\"\ntenant-id = {TENANT:?}\nclient-id = {CLIENT:?}\n{proof}"
    )
}

/// The line of contoso's resource.
pub(crate) fn by_resource() -> String {
    format!("resource-id = {:?}", resource_id("contoso"))
}

fn prefix(address: String) -> String {
    let length = if address.contains(':') { 128 } else { 32 };
    format!("{address}/{length}")
}
