//! A device with a link to a cloud that answers, and a cgroup as the scope of enforcement.

use std::{
    fs,
    net::IpAddr,
    path::{Path, PathBuf},
    sync::atomic::{AtomicU32, Ordering},
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, ensure};
use enforcer::policy::{Layer, Protected};
use enforcer_common::Class;
use lab::{
    bpf::loaded_policy::LoadedPolicy,
    fixtures::process::run_with_input,
    topology::{
        addresses::{REGISTRIES, STORAGE},
        cgroup::Cgroup,
        network::Network,
    },
};
use nix::errno::Errno;
use serde::{Deserialize, Serialize};

const SEND_METHODS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/lab/send_methods");
/// Further prefixes for tests that need many addresses; the cloud answers there, too.
pub(crate) const STORAGE_MANY: [&str; 2] = ["20.38.0.0/16", "2603:1030:b10b::/48"];
pub(crate) const REGISTRIES_MANY: [&str; 2] = ["20.42.0.0/16", "2603:1030:acc::/48"];
/// Unprotected addresses.
pub(crate) const UNPROTECTED_MANY: [&str; 2] = ["93.184.0.0/16", "2606:2800:80::/48"];
const NAT64: [&str; 2] = ["64:ff9b::/96", "64:ff9b:1::/48"];
const LIMIT: Duration = Duration::from_secs(240);
pub(crate) const EPERM: Option<i32> = Some(Errno::EPERM as i32);

/// Network, cgroups and loaded programs. Fields are dropped in order.
pub(crate) struct Fixture {
    pub(crate) network: Network,
    pub(crate) device: Cgroup,
    /// A sibling of the device's cgroup, outside the scope.
    pub(crate) outside: Cgroup,
    pub(crate) loaded: LoadedPolicy,
}

/// One use of a send method of `lab/send_methods`.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Probe {
    pub(crate) method: &'static str,
    pub(crate) to: IpAddr,
    pub(crate) via: String,
}

impl Probe {
    /// Returns a probe with a method that needs no second address.
    pub(crate) fn plain(method: &'static str, to: IpAddr) -> Self {
        let via = if to.is_ipv4() {
            "198.18.0.1"
        } else {
            "2001:db8:40::1"
        };
        Self {
            method,
            to,
            via: via.to_owned(),
        }
    }
}

/// The result of a probe's system calls.
#[derive(Clone, Copy, Debug, Deserialize)]
pub(crate) struct Outcome {
    pub(crate) errno: Option<i32>,
    pub(crate) milliseconds: f64,
}

impl Fixture {
    pub(crate) fn new() -> Result<Self> {
        let loaded = LoadedPolicy::new()?;
        let network = Network::new(loaded.scratch(), loaded.cgroup())?;
        let prefixes = [STORAGE_MANY, REGISTRIES_MANY, UNPROTECTED_MANY, NAT64];
        let routes = prefixes.as_flattened().iter();
        let routes = routes.map(|prefix| format!("route add local {prefix} dev lo\n"));
        network.cloud().ip(&routes.collect::<String>())?;
        network.device().run(|| {
            let range = "/proc/sys/net/ipv4/ping_group_range";
            fs::write(range, "0 2147483647").context("allow ping sockets for everyone")
        })?;
        Ok(Self {
            network,
            device: loaded.cgroup().child("device")?,
            outside: loaded.cgroup().child("outside")?,
            loaded,
        })
    }

    pub(crate) fn attach(&mut self) -> Result<()> {
        self.loaded.attach(&self.device)
    }

    /// Runs probes in a process in `cgroup`.
    pub(crate) fn run(&self, cgroup: &Cgroup, probes: &[Probe]) -> Result<Vec<Outcome>> {
        self.start(cgroup, probes)?.go(|| Ok(()))
    }

    /// Starts the process and waits until the sockets of the methods `early-…` are open.
    pub(crate) fn start(&self, cgroup: &Cgroup, probes: &[Probe]) -> Result<PendingProbes> {
        let flags = new_dir(self.loaded.scratch().path())?;
        let (ready, go) = (flags.join("ready"), flags.join("go"));
        let mut tool = self
            .network
            .device_env()
            .in_cgroup(cgroup)
            .command("python3");
        tool.args(["-S", "-B", SEND_METHODS]).arg(&ready).arg(&go);
        let input = serde_json::to_string(probes)?;
        let thread = thread::spawn(move || run_with_input(tool, &input, LIMIT)?.success());
        let deadline = Instant::now() + LIMIT;
        while !ready.exists() && !thread.is_finished() && Instant::now() < deadline {
            thread::sleep(Duration::from_millis(5));
        }
        Ok(PendingProbes { go, thread })
    }
}

/// A process with open sockets that waits for its start signal.
pub(crate) struct PendingProbes {
    go: PathBuf,
    thread: thread::JoinHandle<Result<String>>,
}

impl PendingProbes {
    /// Runs `first`, then lets the process continue, and returns the outcomes.
    pub(crate) fn go(self, first: impl FnOnce() -> Result<()>) -> Result<Vec<Outcome>> {
        let first = first();
        fs::write(&self.go, "")?;
        let output = self.thread.join();
        first?;
        let output = output.ok().context("the thread of the probes panicked")??;
        serde_json::from_str(&output).context("read the report of the probes")
    }
}

/// Creates a new directory below `scratch`.
pub(crate) fn new_dir(scratch: &Path) -> Result<PathBuf> {
    static NUMBER: AtomicU32 = AtomicU32::new(0);
    let number = NUMBER.fetch_add(1, Ordering::Relaxed);
    let path = scratch.join(format!("probes-{number}"));
    fs::create_dir(&path)?;
    Ok(path)
}

/// Returns the lab's prefixes as the protected set.
#[expect(clippy::unwrap_used, reason = "the lab's own literals")]
pub(crate) fn protected() -> Protected {
    let layer = |class, prefixes: [&str; 2]| Layer {
        class,
        prefixes: prefixes.map(|text| text.parse().unwrap()).to_vec(),
    };
    Protected {
        layers: vec![
            layer(Class::Storage, STORAGE),
            layer(Class::Storage, STORAGE_MANY),
            layer(Class::Registry, REGISTRIES),
            layer(Class::Registry, REGISTRIES_MANY),
        ],
        ..Protected::default()
    }
}

/// Waits until `condition` is true.
pub(crate) fn await_true(what: &str, condition: impl Fn() -> Result<bool>) -> Result<()> {
    let deadline = Instant::now() + Duration::from_secs(20);
    while !condition()? {
        ensure!(Instant::now() < deadline, "not within 20 s: {what}");
        thread::sleep(Duration::from_millis(10));
    }
    Ok(())
}
