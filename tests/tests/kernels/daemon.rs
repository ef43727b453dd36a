//! The release binary: start, command line, kill without an interruption of enforcement, restart, unload.

use std::{
    fs,
    net::{IpAddr, Ipv4Addr, UdpSocket},
    path::PathBuf,
    process::Command,
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail, ensure};
use lab::{
    ScratchDir,
    fixtures::{
        enforcer::binary,
        process::{Finished, run, run_with_input},
        server::Server,
    },
    servers::dns,
    topology::{
        addresses::RESOLVER_V4, bpffs::Bpffs, cgroup::Cgroup, network::Network,
        packet_counter::PacketCounter,
    },
};
use serde_json::Value;
use socket2::{Domain, Socket, Type};

use crate::report::report;

const SEND_METHODS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/lab/send_methods");
const NAMES: dns::Names<'static> = &[
    (
        "contoso.azurecr.io",
        &[IpAddr::V4(Ipv4Addr::new(198, 51, 100, 10))],
    ),
    (
        "contoso.eastus.data.azurecr.io",
        &[IpAddr::V4(Ipv4Addr::new(198, 51, 100, 140))],
    ),
];
const ALLOWED: &str = "198.51.100.10";
const OTHER_REGISTRY: &str = "198.51.100.50";
const STORAGE: [&str; 2] = ["203.0.113.66", "2001:db8:b10b::66"];
/// Time limit, generous for emulated processors.
const LIMIT: Duration = Duration::from_secs(300);
/// Budget of resident memory in KiB.
const MEMORY: u64 = 16 * 1024;

/// Network, cgroups and daemon. Fields are dropped in order.
struct Fixture {
    daemon: Option<Server>,
    network: Network,
    device: Cgroup,
    home: Cgroup,
    _cgroup: Cgroup,
    bpffs: Bpffs,
    scratch: ScratchDir,
}

impl Fixture {
    fn new() -> Result<Self> {
        let scratch = ScratchDir::new()?;
        let bpffs = Bpffs::mount(scratch.dir("bpf")?)?;
        let cgroup = Cgroup::new(scratch.name())?;
        let network = Network::new(&scratch, &cgroup)?;
        let resolver = network
            .cloud()
            .run(|| Ok(UdpSocket::bind((RESOLVER_V4, 53))?))?;
        thread::spawn(move || dns::serve(&resolver, NAMES, || false));
        Ok(Self {
            daemon: None,
            network,
            device: cgroup.child("device")?,
            home: cgroup.child("enforcer")?,
            _cgroup: cgroup,
            bpffs,
            scratch,
        })
    }

    /// Writes the configuration, with `protect` in the section `[protect]`.
    fn configure(&self, protect: &str) -> Result<()> {
        let dir = self.scratch.path();
        let text = format!(
            "scope = {:?}\n[protect]\n{protect}\n[[registry]]\nlogin-server = \"contoso.azurecr.io\"\nregions = [\"eastus\"]\n\
             [dns]\nservers = [\"10.53.0.53\"]\n[paths]\npins = {:?}\nstate = {:?}\nruntime = {:?}\n",
            self.device.path(),
            self.pins(),
            dir.join("state"),
            dir.join("run"),
        );
        self.scratch.file("config.toml", text).map(drop)
    }

    fn pins(&self) -> PathBuf {
        self.bpffs.path().join("pins")
    }

    fn command(&self, arguments: &[&str]) -> Result<Command> {
        let env = self.network.device_env().in_cgroup(&self.home);
        let mut command = env.command(binary()?);
        command
            .args(arguments)
            .arg("--config")
            .arg(self.scratch.path().join("config.toml"));
        Ok(command)
    }

    fn ask(&self, arguments: &[&str]) -> Result<Finished> {
        run(self.command(arguments)?, LIMIT)
    }

    fn status(&self) -> Result<Value> {
        let finished = self.ask(&["status", "--json"])?;
        serde_json::from_str(&finished.stdout).context(finished.stderr)
    }

    /// Starts the daemon and waits until `is_done` is true of its status.
    fn start(&mut self, is_done: impl Fn(&Value) -> bool) -> Result<Value> {
        let mut daemon = Server::start("daemon", self.command(&["run"])?, self.scratch.path())?;
        let deadline = Instant::now() + LIMIT;
        let status = loop {
            if let Some(ended) = daemon.wait(Duration::ZERO)? {
                bail!("the daemon ended ({ended}): {}", daemon.log_tail());
            }
            match self.status() {
                Ok(status) if is_done(&status["daemon"]) => break status,
                last if Instant::now() >= deadline => bail!("{last:?}\n{}", daemon.log_tail()),
                Ok(_) | Err(_) => thread::sleep(Duration::from_millis(20)),
            }
        };
        self.daemon = Some(daemon);
        Ok(status)
    }

    fn kill(&mut self) -> Result<()> {
        let daemon = self.daemon.take().context("the daemon does not run")?;
        let pid = libc::pid_t::try_from(daemon.pid())?;
        // SAFETY: kill(2) takes two integers; the child is not reaped while `daemon` holds it.
        unsafe { libc::kill(pid, libc::SIGKILL) };
        drop(daemon);
        Ok(())
    }

    /// Connects from the device to port 443 of `addresses`; returns the errno of each.
    fn connect(&self, addresses: &[&str]) -> Result<Vec<Option<i64>>> {
        let probes: Vec<Value> = addresses
            .iter()
            .map(|to| serde_json::json!({"method": "tcp", "to": to, "via": to}))
            .collect();
        let env = self.network.device_env().in_cgroup(&self.device);
        let mut tool = env.command("python3");
        tool.args(["-S", "-B", SEND_METHODS]);
        let output = run_with_input(tool, &Value::from(probes).to_string(), LIMIT)?.success()?;
        let outcomes: Vec<Value> = serde_json::from_str(&output)?;
        Ok(outcomes
            .iter()
            .map(|outcome| outcome["errno"].as_i64())
            .collect())
    }

    /// Checks that contoso is reachable, and neither another registry nor a storage account.
    fn check(&self, when: &str) -> Result<()> {
        let ended = self.connect(&[ALLOWED, OTHER_REGISTRY, STORAGE[0], STORAGE[1]])?;
        let refused = Some(i64::from(libc::EPERM));
        ensure!(
            ended == [None, refused, refused, refused],
            "{when}: {ended:?}"
        );
        Ok(())
    }
}

/// Opens a server at every address of the cloud.
fn listen(network: &Network) -> Result<Socket> {
    network.cloud().run(|| {
        let server = Socket::new(Domain::IPV6, Type::STREAM, None)?;
        server.set_only_v6(false)?;
        server.bind(&"[::]:443".parse::<std::net::SocketAddr>()?.into())?;
        server.listen(64)?;
        Ok(server)
    })
}

fn has_names(daemon: &Value) -> bool {
    let registries = daemon["registries"].as_array().into_iter().flatten();
    let mut names = registries
        .flat_map(|registry| registry["names"].as_array())
        .flatten();
    let has_addresses = |name: &Value| {
        name["addresses"]
            .as_array()
            .is_some_and(|found| !found.is_empty())
    };
    daemon.is_object() && names.all(has_addresses)
}

fn generation(status: &Value) -> Result<u64> {
    status["daemon"]["generation"]
        .as_u64()
        .with_context(|| format!("no generation: {status}"))
}

#[test]
fn enforcement_outlives_the_daemon_until_unload() -> Result<()> {
    let mut fixture = Fixture::new()?;
    let tags = format!("service-tags = {:?}", fixture.network.service_tags());
    fixture.configure(&tags)?;
    let _server = listen(&fixture.network)?;
    ensure!(
        fixture.connect(&[ALLOWED, OTHER_REGISTRY, STORAGE[0], STORAGE[1]])? == [None; 4],
        "all addresses are reachable without enforcement"
    );
    let counter = PacketCounter::watch(&fixture.network)?;

    let first = fixture.start(has_names)?;
    fixture.check("the daemon runs")?;
    for (address, code) in [
        (ALLOWED, 0),
        (OTHER_REGISTRY, 1),
        (STORAGE[0], 1),
        (STORAGE[1], 1),
    ] {
        assert_eq!(
            fixture.ask(&["explain", address])?.code(),
            Some(code),
            "{address}"
        );
    }

    fixture.kill()?;
    fixture.check("the daemon was killed")?;
    let pinned = fixture.status()?;
    assert_eq!(
        (&pinned["enforcing"], &pinned["daemon"]),
        (&true.into(), &Value::Null)
    );

    let second = fixture.start(has_names)?;
    assert!(
        generation(&second)? > generation(&first)?,
        "{first} {second}"
    );
    fixture.check("the next daemon runs")?;
    assert_eq!(
        counter.packets_to(&["203.0.113.0/24", "2001:db8:b10b::/48"])?,
        0
    );

    fixture.kill()?;
    fixture.ask(&["unload"])?.success()?;
    assert!(!fixture.pins().exists());
    ensure!(
        fixture.connect(&[STORAGE[0], STORAGE[1]])? == [None; 2],
        "nothing is enforced after unload"
    );
    Ok(())
}

/// Measured with the bundled service tags.
#[test]
fn resident_memory_is_within_the_budget() -> Result<()> {
    let mut fixture = Fixture::new()?;
    fixture.configure("")?;
    fixture.start(Value::is_object)?;
    let pid = fixture
        .daemon
        .as_ref()
        .context("the daemon does not run")?
        .pid();
    let status = fs::read_to_string(format!("/proc/{pid}/status"))?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let line = line.context("the kernel does not report resident memory")?;
    let resident: u64 = line.trim().trim_end_matches("kB").trim().parse()?;
    report("RESIDENT", &[&resident.to_string()]);
    assert!(resident < MEMORY, "{resident} KiB");
    Ok(())
}
