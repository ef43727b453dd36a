//! The topology with the programs attached to the host's cgroup, and what watches both.

use std::{
    cell::{Cell, RefCell},
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, ensure};
use enforcer::{
    bpf::EventReader,
    policy::{EVERYBODY, Inputs, Layer, NameInput, Protected},
};
use enforcer_common::{Class, Event, Record};
use lab::{
    bpf::{device_programs::DevicePrograms, loaded_policy::LoadedPolicy},
    fixtures::process_env::ProcessEnv,
    topology::{
        addresses::{REGISTRIES, STORAGE},
        cgroup::Cgroup,
        frame_capture::FrameCapture,
        netns::Netns,
        network::Network,
    },
};
use tokio::{
    runtime::{Builder, Runtime},
    time::timeout,
};

use crate::{server::Server, topology::connect};

/// The allowed name.
pub(crate) const LOGIN: &str = "contoso.azurecr.io";
/// The number of addresses of the allowed name in each family.
const LOGIN_ADDRESSES: u16 = 200;
/// Time for the reader of the ring buffer to see a record that is already there.
const RECORD_TIME: Duration = Duration::from_millis(50);

/// The topology, the loaded programs and what watches both. Fields are dropped in order.
pub(crate) struct Fixture {
    pub(crate) far: FrameCapture,
    _server: Server,
    events: RefCell<Events>,
    number: Cell<u16>,
    devices: Option<RefCell<DevicePrograms>>,
    pub(crate) network: Network,
    pub(crate) container: Netns,
    host_cgroup: Cgroup,
    container_cgroup: Cgroup,
    pub(crate) loaded: LoadedPolicy,
}

struct Events {
    reader: EventReader,
    all: Vec<Event>,
    runtime: Runtime,
}

impl Fixture {
    /// Creates the topology, with the cgroup programs attached and no program at a device.
    pub(crate) fn new() -> Result<Self> {
        let mut loaded = LoadedPolicy::new()?;
        let network = Network::new(loaded.scratch(), loaded.cgroup())?;
        let container = Netns::new()?;
        connect(&network, &container)?;
        loaded.apply(&protected()?, &inputs())?;
        let host_cgroup = loaded.cgroup().child("device")?;
        loaded.attach(&host_cgroup)?;
        let runtime = Builder::new_current_thread().enable_all().build()?;
        let reader = {
            let _inside = runtime.enter();
            loaded.events()?
        };
        Ok(Self {
            far: FrameCapture::start(network.cloud(), "cloud0")?,
            _server: Server::start(network.cloud())?,
            events: RefCell::new(Events {
                reader,
                all: Vec::new(),
                runtime,
            }),
            number: Cell::new(0),
            devices: None,
            container_cgroup: host_cgroup.child("container")?,
            network,
            container,
            host_cgroup,
            loaded,
        })
    }

    /// Attaches the device programs to all devices of the host.
    pub(crate) fn attach_devices(&mut self) -> Result<()> {
        let programs = DevicePrograms::load(&self.loaded)?;
        self.devices = Some(RefCell::new(programs));
        self.attach_new_devices()
    }

    /// Attaches the device programs to devices that were created since, if the others have them.
    pub(crate) fn attach_new_devices(&self) -> Result<()> {
        let host = self.network.device();
        let programs = self.devices.as_ref();
        programs.map_or(Ok(()), |programs| programs.borrow_mut().attach(host))
    }

    /// The environment of the host's processes, which are in scope.
    pub(crate) fn host(&self) -> ProcessEnv {
        self.network.device_env().in_cgroup(&self.host_cgroup)
    }

    /// The environment of the container's processes, which are in scope.
    pub(crate) fn in_container(&self) -> ProcessEnv {
        self.container.env().in_cgroup(&self.container_cgroup)
    }

    /// Returns a number that no earlier attempt of this fixture has.
    pub(crate) fn next_number(&self) -> u16 {
        self.number.set(self.number.get() + 1);
        self.number.get()
    }

    /// Returns all denials so far.
    pub(crate) fn denials(&self) -> Result<Vec<Event>> {
        let mut events = self.events.borrow_mut();
        events.read()?;
        Ok(events.all.clone())
    }

    /// Waits for a denial of a packet to `destination`.
    pub(crate) fn await_denial(&self, destination: IpAddr, limit: Duration) -> Result<Vec<Event>> {
        let deadline = Instant::now() + limit;
        loop {
            let mut found = self.denials()?;
            found.retain(|event| event.destination == key(destination));
            if !found.is_empty() || Instant::now() >= deadline {
                return Ok(found);
            }
        }
    }
}

impl Events {
    /// Reads what is in the ring buffer.
    fn read(&mut self) -> Result<()> {
        self.runtime.block_on(async {
            while let Ok(records) = timeout(RECORD_TIME, self.reader.next(512)).await {
                self.all.extend(records?.iter().filter_map(denial));
            }
            Ok(())
        })
    }
}

fn denial(record: &Record) -> Option<Event> {
    match record {
        Record::Denial(event) => Some(*event),
        Record::Named(named) => Some(named.event),
        Record::DnsObservation(_) | Record::NamedDnsObservation(_) => None,
    }
}

fn key(address: IpAddr) -> [u8; 16] {
    match address {
        IpAddr::V4(address) => address.to_ipv6_mapped().octets(),
        IpAddr::V6(address) => address.octets(),
    }
}

/// Returns an address of a storage account.
pub(crate) fn storage(number: u16, is_v4: bool) -> Result<IpAddr> {
    numbered(&STORAGE, number, is_v4)
}

/// Returns an address of the allowed name.
pub(crate) fn login(number: u16, is_v4: bool) -> Result<IpAddr> {
    numbered(&REGISTRIES, number, is_v4)
}

/// Returns address `number` of a prefix.
fn numbered(prefixes: &[&str; 2], number: u16, is_v4: bool) -> Result<IpAddr> {
    ensure!(number <= LOGIN_ADDRESSES, "too many attempts in one test");
    match prefixes[usize::from(!is_v4)].parse::<ipnet::IpNet>()? {
        ipnet::IpNet::V4(net) => Ok(IpAddr::V4(Ipv4Addr::from_bits(
            net.network().to_bits() + u32::from(number),
        ))),
        ipnet::IpNet::V6(net) => Ok(IpAddr::V6(Ipv6Addr::from_bits(
            net.network().to_bits() + u128::from(number),
        ))),
    }
}

fn protected() -> Result<Protected> {
    let layer = |class, prefixes: [&str; 2]| -> Result<Layer> {
        let prefixes = prefixes.map(|text| text.parse()).into_iter();
        let prefixes = prefixes.collect::<Result<_, _>>();
        Ok(Layer {
            class,
            prefixes: prefixes.context("a prefix of the lab")?,
        })
    };
    Ok(Protected {
        layers: vec![
            layer(Class::Storage, STORAGE)?,
            layer(Class::Registry, REGISTRIES)?,
        ],
        ..Protected::default()
    })
}

fn inputs() -> Inputs {
    let numbers = (1..=LOGIN_ADDRESSES).flat_map(|number| [true, false].map(|v4| (number, v4)));
    let addresses: Vec<IpAddr> = numbers
        .filter_map(|(number, is_v4)| login(number, is_v4).ok())
        .collect();
    Inputs {
        default_allow: true,
        allowed: addresses.clone(),
        names: vec![NameInput {
            text: LOGIN.to_owned(),
            id: 1,
            scopes: vec![EVERYBODY],
            addresses,
            ..NameInput::default()
        }],
        ..Inputs::default()
    }
}
