//! The topology with a daemon that governs the host's cgroup, and what watches both.

use std::{
    collections::BTreeSet,
    fs,
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
    os::unix::fs::MetadataExt as _,
    path::PathBuf,
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicU16, Ordering},
    },
    time::Duration,
};

use anyhow::{Context as _, Result, ensure};
use enforcer::control::Status;
use enforcer_common::layout::VERSION;
use lab::{
    ScratchDir,
    fixtures::{enforcer::Enforcer, process_env::ProcessEnv},
    topology::{
        addresses::{REGISTRIES, STORAGE},
        bpffs::Bpffs,
        cgroup::Cgroup,
        frame_capture::FrameCapture,
        netns::Netns,
        network::Network,
    },
};

use crate::{
    event_log::EventLog,
    fences::Fences,
    server::Server,
    topology::{ADDED_DEVICES, DEVICES, FORWARDED_FROM, connect},
};

/// The allowed name.
pub(crate) const LOGIN: &str = "contoso.azurecr.io";
/// The number of addresses of the allowed name in each family, which `/etc/hosts` lists.
const LOGIN_ADDRESSES: u16 = 100;
/// The number of addresses of storage accounts that attempts use in each family.
const STORAGE_ADDRESSES: u16 = 250;
/// Time for the daemon to see a new device, generous for emulated processors.
const FILTERED_WITHIN: Duration = Duration::from_secs(120);

/// The topology, the daemon and what watches both. Fields are dropped in order.
pub(crate) struct Fixture {
    pub(crate) far: FrameCapture,
    pub(crate) events: EventLog,
    fences: Mutex<Fences>,
    _server: Server,
    numbers: Numbers,
    /// The addresses of attempts.
    used: Mutex<BTreeSet<IpAddr>>,
    /// The devices that techniques added.
    added: Mutex<Vec<String>>,
    enforcer: Enforcer,
    pub(crate) network: Network,
    pub(crate) container: Netns,
    container_cgroup: Cgroup,
    /// The scope.
    pub(crate) host_cgroup: Cgroup,
    pub(crate) cgroup: Cgroup,
    bpffs: Bpffs,
    pub(crate) scratch: ScratchDir,
}

/// How many attempts there were, and how many to each kind of address.
#[derive(Default)]
struct Numbers {
    attempts: AtomicU16,
    storage: [AtomicU16; 2],
    login: [AtomicU16; 2],
}

impl Fixture {
    /// Creates the topology and starts the daemon, without filters at devices.
    pub(crate) fn new() -> Result<Self> {
        let scratch = ScratchDir::new()?;
        let bpffs = Bpffs::mount(scratch.dir("bpf")?)?;
        let cgroup = Cgroup::new(scratch.name())?;
        let network = Network::new(&scratch, &cgroup)?;
        let container = Netns::new()?;
        connect(&network, &container)?;
        let machine = fs::metadata("/proc/self/ns/net")?.ino();
        ensure!(network.device().inode() != machine);
        let host_cgroup = cgroup.child("device")?;
        let own = cgroup.child("enforcer")?;
        let env = network.device_env().in_cgroup(&own);
        let hosts = scratch.file("enforcer-hosts", hosts()?)?;
        let env = env.with_bind(&hosts, &PathBuf::from("/etc/hosts"))?;
        let mut enforcer = Enforcer::without_lab(env, own, scratch.path())?;
        let started = start(&mut enforcer, &network, &host_cgroup, &bpffs);
        started.with_context(|| enforcer.log())?;
        Ok(Self {
            far: FrameCapture::start(network.cloud(), "cloud0")?,
            events: EventLog::start(enforcer.runtime())?,
            fences: Mutex::new(Fences::start(&network, &host_cgroup)?),
            _server: Server::start(network.cloud())?,
            numbers: Numbers::default(),
            used: Mutex::default(),
            added: Mutex::default(),
            container_cgroup: host_cgroup.child("container")?,
            enforcer,
            network,
            container,
            host_cgroup,
            cgroup,
            bpffs,
            scratch,
        })
    }

    /// Reloads the daemon without filters at the devices of the host.
    pub(crate) fn unfilter_devices(&self) -> Result<()> {
        self.reload("off")?;
        let are_off = |status: &Status| status.frames.word() == "off";
        self.enforcer
            .await_api_status("no filters", FILTERED_WITHIN, are_off)?;
        Ok(())
    }

    /// Reloads the daemon with filters at the devices of the host.
    pub(crate) fn filter_devices(&self) -> Result<()> {
        self.reload("on")?;
        let added = self.added.lock().unwrap_or_else(PoisonError::into_inner);
        let names = DEVICES.map(str::to_owned).into_iter().chain(added.clone());
        self.await_filters(&names.collect::<Vec<_>>())
    }

    fn reload(&self, frames: &str) -> Result<()> {
        let text = configuration(
            &self.enforcer,
            &self.network,
            &self.host_cgroup,
            &self.bpffs,
        );
        let mode = format!("mode = {frames:?}");
        self.enforcer
            .configure(&text.replace("mode = \"off\"", &mode))?;
        self.enforcer.signal(libc::SIGHUP)
    }

    /// Adds a device of the host with lines for ip(8), and waits for its filters if the others have some.
    pub(crate) fn add_device(&self, name: &str, lines: &str) -> Result<()> {
        self.network.device().ip(lines)?;
        let names = [name.to_owned()];
        let mut added = self.added.lock().unwrap_or_else(PoisonError::into_inner);
        added.extend_from_slice(&names);
        let status = self.enforcer.api_status()?;
        if status.frames.word() == "off" {
            return Ok(());
        }
        self.await_filters(&names)
    }

    fn await_filters(&self, names: &[String]) -> Result<()> {
        let is_filtered = |status: &Status, name: &str| {
            let mut devices = status.devices.iter();
            devices.any(|device| device.name == name && device.state.word() == "filtered")
        };
        let are_filtered = |status: &Status| names.iter().all(|name| is_filtered(status, name));
        let what = format!("filters at {names:?}");
        self.enforcer
            .await_api_status(&what, FILTERED_WITHIN, are_filtered)?;
        Ok(())
    }

    /// The environment of the host's processes, which are in scope.
    pub(crate) fn host(&self) -> ProcessEnv {
        self.network.device_env().in_cgroup(&self.host_cgroup)
    }

    /// The environment of the container's processes, which are in scope.
    pub(crate) fn in_container(&self) -> ProcessEnv {
        self.inside_container(&self.container)
    }

    /// The environment of processes in `netns` that belong to the container.
    pub(crate) fn inside_container(&self, netns: &Netns) -> ProcessEnv {
        netns.env().in_cgroup(&self.container_cgroup)
    }

    /// Whether the daemon has a pin of this name.
    pub(crate) fn has_pin(&self, name: &str) -> bool {
        let pins = self.bpffs.path().join("pins");
        pins.join(format!("v{VERSION}")).join(name).exists()
    }

    /// Runs `work` with the fences.
    pub(crate) fn fences<T>(&self, work: impl FnOnce(&mut Fences) -> Result<T>) -> Result<T> {
        work(&mut self.fences.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Records the address of an attempt.
    pub(crate) fn use_address(&self, address: IpAddr) {
        let mut used = self.used.lock().unwrap_or_else(PoisonError::into_inner);
        used.insert(address);
    }

    /// Whether an attempt had this address.
    pub(crate) fn is_used(&self, address: IpAddr) -> bool {
        let used = self.used.lock().unwrap_or_else(PoisonError::into_inner);
        used.contains(&address)
    }

    /// Returns a number that no earlier attempt has.
    pub(crate) fn next_number(&self) -> u16 {
        next(&self.numbers.attempts)
    }

    /// Returns an address of a storage account that no earlier attempt has.
    pub(crate) fn next_storage(&self, is_v4: bool) -> Result<IpAddr> {
        let number = next(&self.numbers.storage[usize::from(is_v4)]);
        ensure!(number <= STORAGE_ADDRESSES, "too many attempts");
        numbered(&STORAGE, number, is_v4)
    }

    /// Returns an address of the allowed name that no earlier attempt has.
    pub(crate) fn next_login(&self, is_v4: bool) -> Result<IpAddr> {
        let number = next(&self.numbers.login[usize::from(is_v4)]);
        ensure!(number <= LOGIN_ADDRESSES, "too many attempts");
        numbered(&REGISTRIES, number, is_v4)
    }
}

fn next(counter: &AtomicU16) -> u16 {
    counter.fetch_add(1, Ordering::Relaxed) + 1
}

/// Starts the daemon, and waits until it knows the addresses of the allowed name.
fn start(enforcer: &mut Enforcer, network: &Network, scope: &Cgroup, bpffs: &Bpffs) -> Result<()> {
    enforcer.configure(&configuration(enforcer, network, scope, bpffs))?;
    enforcer.run()?;
    let has_addresses = |status: &Status| {
        let mut names = status
            .registries
            .iter()
            .flat_map(|registry| &registry.names);
        let expected = 2 * usize::from(LOGIN_ADDRESSES);
        names.any(|name| name.addresses.len() == expected)
    };
    let what = "the addresses of the allowed name";
    enforcer.await_api_status(what, FILTERED_WITHIN, has_addresses)?;
    Ok(())
}

fn configuration(enforcer: &Enforcer, network: &Network, scope: &Cgroup, bpffs: &Bpffs) -> String {
    let interfaces = [&DEVICES[..], &[ADDED_DEVICES]].concat();
    format!(
        "scope = {:?}\n\
         [protect]\n\
         service-tags = {:?}\n\
         [[registry]]\n\
         login-server = {LOGIN:?}\n\
         regions = [\"eastus\"]\n\
         [paths]\n\
         pins = {:?}\n\
         state = {:?}\n\
         runtime = {:?}\n\
         [frames]\n\
         mode = \"off\"\n\
         forwarded = \"audit\"\n\
         forwarded-from = [\"{FORWARDED_FROM}\"]\n\
         interfaces = {interfaces:?}\n",
        scope.path(),
        network.service_tags(),
        bpffs.path().join("pins"),
        enforcer.state(),
        enforcer.runtime(),
    )
}

/// The daemon's `/etc/hosts`.
fn hosts() -> Result<String> {
    let mut text = String::from("127.0.0.1 localhost\n::1 localhost\n");
    for number in 1..=LOGIN_ADDRESSES {
        for is_v4 in [true, false] {
            let address = numbered(&REGISTRIES, number, is_v4)?;
            text.push_str(&format!("{address} {LOGIN}\n"));
        }
    }
    Ok(text)
}

/// Returns address `number` of a prefix.
fn numbered(prefixes: &[&str; 2], number: u16, is_v4: bool) -> Result<IpAddr> {
    Ok(
        match prefixes[usize::from(!is_v4)].parse::<ipnet::IpNet>()? {
            ipnet::IpNet::V4(net) => IpAddr::V4(Ipv4Addr::from_bits(
                net.network().to_bits() + u32::from(number),
            )),
            ipnet::IpNet::V6(net) => IpAddr::V6(Ipv6Addr::from_bits(
                net.network().to_bits() + u128::from(number),
            )),
        },
    )
}
