//! A stage whose device asks, and the names that are allowed on it.

use std::{mem::offset_of, net::IpAddr, os::fd::AsRawFd as _, process::Command, time::Duration};

use anyhow::{Context as _, Result, ensure};
use enforcer::policy::{EVERYBODY, ExceptionInput, Inputs, NameInput, Scope};
use enforcer::sys::network_cookie;
use enforcer_common::{
    Address, DnsObservation, ObservationOutcome, Record,
    layout::{AddressGrant, DNS_ADDRESSES, NameEntry, SETTINGS, Settings, Snooping},
};
use lab::{
    bpf::{self, Attach, AttachPoint, Program, loaded_policy},
    fixtures::process::run_with_input,
    topology::cgroup::Cgroup,
};
use serde::{Deserialize, Serialize, Serializer};
use serde_json::{Value, json};
use tokio::{runtime::Builder, time::timeout};

use crate::fixture::{Fixture, Probe, protected};

pub(super) const REGISTRY: &str = "contoso.azurecr.io";
pub(super) const DATA: &str = "contoso.*.data.azurecr.io";
pub(super) const ACCOUNT: &str = "contosologs.blob.core.windows.net";
pub(super) const IDS: [(&str, u32); 3] = [(REGISTRY, 1), (DATA, 2), (ACCOUNT, 3)];
pub(super) const LINGER: u64 = 900_000_000_000;
/// The stub on the device's own loopback.
pub(super) const STUB: &str = "127.53.0.53";
use test_data::dns::Message;

const TOOL: &str = concat!(
    env!("CARGO_MANIFEST_DIR"),
    "/lab/send_methods/dns_client.py"
);
pub(super) const LIMIT: Duration = Duration::from_secs(240);

/// What to ask, and what to look for.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Lookup {
    pub(super) to: IpAddr,
    pub(super) method: &'static str,
    #[serde(serialize_with = "in_hex")]
    pub(super) query: Vec<u8>,
    pub(super) rounds: u32,
    pub(super) replies: u32,
    #[serde(serialize_with = "all_in_hex")]
    pub(super) keys: Vec<Vec<u8>>,
    pub(super) then: Option<IpAddr>,
}

impl Lookup {
    /// One question, one answer.
    pub(super) fn once(to: IpAddr, name: &str, kind: u16) -> Self {
        Self {
            to,
            method: "connected",
            query: Message::query(name, kind).0,
            rounds: 1,
            replies: 1,
            keys: Vec::new(),
            then: None,
        }
    }

    /// Looks whether `openings` are there as soon as there is an answer.
    pub(super) fn look(mut self, openings: &[AddressGrant]) -> Self {
        self.keys = openings.iter().map(bytes).collect();
        self
    }

    /// Another way than a connected datagram socket.
    pub(super) fn by(self, method: &'static str) -> Self {
        Self { method, ..self }
    }
}

/// What came of it.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq)]
pub(super) struct LookupResult {
    pub(super) errno: Option<i32>,
    pub(super) replies: u32,
    pub(super) found: Vec<bool>,
}

pub(super) fn ip(text: &str) -> IpAddr {
    text.parse().unwrap_or(IpAddr::from([0, 0, 0, 0]))
}

/// The openings of an address by the name of this number.
pub(super) fn openings(cgroup: u64, address: IpAddr, name: u32) -> [AddressGrant; 2] {
    let key = match address {
        IpAddr::V4(address) => Address::from_v4(address.into()),
        IpAddr::V6(address) => Address::from_v6(address.into()),
    }
    .key();
    [AddressGrant::ADDRESS, name].map(|name| AddressGrant::new(cgroup, key, name))
}

fn bytes(opening: &AddressGrant) -> Vec<u8> {
    let mut bytes = opening.cgroup.to_ne_bytes().to_vec();
    bytes.extend(opening.address);
    bytes.extend(opening.name.to_ne_bytes());
    bytes.extend(opening.reserved.to_ne_bytes());
    bytes
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn in_hex<S: Serializer>(bytes: &[u8], to: S) -> Result<S::Ok, S::Error> {
    to.serialize_str(&hex(bytes))
}

fn all_in_hex<S: Serializer>(all: &[Vec<u8>], to: S) -> Result<S::Ok, S::Error> {
    to.collect_seq(all.iter().map(|bytes| hex(bytes)))
}

/// The stage, with a policy that learns from the servers of the lab for the device's network.
pub(super) struct DnsFixture {
    pub(super) base: Fixture,
    pub(super) inputs: Inputs,
}

impl DnsFixture {
    pub(super) fn new() -> Result<Self> {
        let mut fixture = Self::before_attaching()?;
        fixture.base.attach()?;
        Ok(fixture)
    }

    /// The policy is there, and judges nothing yet.
    pub(super) fn before_attaching() -> Result<Self> {
        let mut base = Fixture::new()?;
        let unit = loaded_policy::open(&base.device)?;
        let servers = [
            lab::topology::addresses::RESOLVER_V4.into(),
            lab::topology::addresses::RESOLVER_V6.into(),
            ip(STUB),
        ];
        let exception = ExceptionInput {
            cgroup: unit.id,
            level: unit.level,
            deadline: u64::MAX,
            prefixes: Vec::new(),
            addresses: Vec::new(),
        };
        let mut inputs = Inputs {
            default_allow: true,
            names: names(unit.id),
            resolvers: servers.to_vec(),
            exceptions: vec![exception],
            snooping: Snooping {
                linger: LINGER,
                enabled: 1,
                ..Snooping::default()
            },
            ..Inputs::default()
        };
        base.loaded.apply(&protected(), &inputs)?;
        inputs.snooping.network = network(&base)?;
        base.loaded.apply(&protected(), &inputs)?;
        Ok(Self { base, inputs })
    }

    /// Puts another policy in force.
    pub(super) fn apply(&mut self, change: impl FnOnce(&mut Inputs)) -> Result<()> {
        change(&mut self.inputs);
        self.base.loaded.apply(&protected(), &self.inputs)
    }

    /// Asks from a process in the device's cgroup and network.
    pub(super) fn ask(&self, questions: &[Lookup]) -> Result<Vec<LookupResult>> {
        self.ask_as(&Value::Null, questions)
    }

    /// Asks from an unprivileged process in the device's cgroup, which has made itself a network in which `address` is its own and
    /// answers `answer`.
    pub(super) fn ask_alone(
        &self,
        address: IpAddr,
        answer: &[u8],
        questions: &[Lookup],
    ) -> Result<Vec<LookupResult>> {
        self.ask_as(&alone(address, answer), questions)
    }

    /// Asks from a process in the device's network and another cgroup.
    pub(super) fn ask_from(
        &self,
        cgroup: &Cgroup,
        questions: &[Lookup],
    ) -> Result<Vec<LookupResult>> {
        self.ask_in(cgroup, &Value::Null, questions)
    }

    fn ask_as(&self, alone: &Value, questions: &[Lookup]) -> Result<Vec<LookupResult>> {
        self.ask_in(&self.base.device, alone, questions)
    }

    fn ask_in(
        &self,
        cgroup: &Cgroup,
        alone: &Value,
        questions: &[Lookup],
    ) -> Result<Vec<LookupResult>> {
        let order = json!({"alone": alone, "questions": questions});
        parse_report(&run_with_input(self.tool(cgroup), &self.order(order), LIMIT)?.success()?)
    }

    /// The tool that asks, in a process of `cgroup`.
    pub(super) fn tool(&self, cgroup: &Cgroup) -> Command {
        let attach_point = self.base.network.device_env().in_cgroup(cgroup);
        let mut tool = attach_point.command("python3");
        tool.args(["-S", "-B", TOOL]);
        tool
    }

    /// What it reads: `order` with the map that it looks into.
    pub(super) fn order(&self, mut order: Value) -> String {
        order["map"] = json!(self.base.loaded.map(DNS_ADDRESSES));
        order.to_string()
    }

    /// How many openings the kernel has learned.
    pub(super) fn learned(&self) -> Result<usize> {
        Ok(self.base.loaded.kernel.maps.learned()?.len())
    }

    /// Forgets what was learned.
    pub(super) fn forget(&mut self) -> Result<()> {
        let maps = &mut self.base.loaded.kernel.maps;
        let learned: Vec<AddressGrant> = maps
            .learned()?
            .iter()
            .map(|(opening, _)| *opening)
            .collect();
        Ok(maps.forget_learned(&learned)?)
    }

    /// Does `act`, and takes the lessons that come of it.
    pub(super) fn lessons(&self, act: impl FnOnce() -> Result<()>) -> Result<Vec<DnsObservation>> {
        let runtime = Builder::new_current_thread().enable_all().build()?;
        let inside = runtime.enter();
        let mut reader = self.base.loaded.events()?;
        drop(inside);
        runtime.block_on(async {
            let wait = Duration::from_millis(200);
            while timeout(wait, reader.next(512)).await.is_ok() {}
            act()?;
            let mut lessons = Vec::new();
            while let Ok(records) = timeout(wait, reader.next(512)).await {
                lessons.extend(records?.iter().filter_map(lesson));
            }
            Ok(lessons)
        })
    }
}

fn lesson(record: &Record) -> Option<DnsObservation> {
    match record {
        Record::DnsObservation(lesson) => Some(*lesson),
        Record::NamedDnsObservation(named) => Some(named.observation),
        Record::Denial(_) | Record::Named(_) => None,
    }
}

/// The tool's report.
pub(super) fn parse_report(report: &str) -> Result<Vec<LookupResult>> {
    serde_json::from_str(report).with_context(|| format!("read {report}"))
}

/// An order to be an unprivileged user alone in a network in which `address` answers `answer`.
pub(super) fn alone(address: IpAddr, answer: &[u8]) -> Value {
    json!({"address": address, "answer": hex(answer)})
}

/// The outcomes and names of lessons.
pub(super) fn outcomes(lessons: &[DnsObservation]) -> Vec<(ObservationOutcome, u32)> {
    let outcome = |lesson: &DnsObservation| {
        let found = ObservationOutcome::ALL
            .into_iter()
            .find(|outcome| *outcome as u32 == lesson.outcome);
        found.map(|outcome| (outcome, lesson.name))
    };
    lessons.iter().filter_map(outcome).collect()
}

fn names(cgroup: u64) -> Vec<NameInput> {
    let for_unit = Scope {
        cgroup,
        deadline: u64::MAX,
        unchecked: false,
    };
    let homes = [
        (NameEntry::IN_REGISTRY_TAG, EVERYBODY),
        (NameEntry::IN_REGISTRY_TAG, EVERYBODY),
        (NameEntry::IN_STORAGE_TAG, for_unit),
    ];
    let named = IDS.into_iter().zip(homes);
    named
        .map(|((text, id), (home, scope))| NameInput {
            text: text.to_owned(),
            id,
            scopes: vec![scope],
            flags: home,
            ..NameInput::default()
        })
        .collect()
}

/// The cookie of the device's network. Before Linux 5.14 no socket tells it: a program at `connect` writes down whose socket connects.
fn network(base: &Fixture) -> Result<u64> {
    let told = base.network.device().run(|| Ok(network_cookie()))?;
    if told != 0 {
        return Ok(told);
    }
    let settings = bpf::Map::pinned(&base.loaded.map(SETTINGS))?;
    let field = offset_of!(Settings, snooping) + offset_of!(Snooping, network);
    let program = Program::load_for(
        AttachPoint::Connect4,
        &notes_network(settings.number()?, field)?,
    )?;
    let cgroup = std::fs::File::open(base.outside.path())?;
    let descriptor = u32::try_from(cgroup.as_raw_fd())?;
    let _link = program.attach(AttachPoint::Connect4, descriptor, Attach::default())?;
    base.run(
        &base.outside,
        &[Probe::plain("udp-connected", ip("10.53.0.53"))],
    )?;
    let network = base.loaded.kernel.maps.settings()?.snooping.network;
    ensure!(network != 0, "no socket connected");
    Ok(network)
}

/// `map[0][field] = bpf_get_netns_cookie(context); return 1`, in the encoding of linux/bpf.h.
fn notes_network(map: u32, field: usize) -> Result<[u64; 12]> {
    let immediate = |value: u32| u64::from(value) << 32;
    let field = u64::try_from(field)? << 16;
    Ok([
        immediate(122) | 0x85,
        0x06bf,
        immediate(0) | (0xfffc << 16) | 0x0a62,
        immediate(map) | 0x1118,
        0,
        0xa2bf,
        immediate(0xffff_fffc) | 0x0207,
        immediate(1) | 0x85,
        (1 << 16) | 0x0015,
        field | 0x607b,
        immediate(1) | 0x00b7,
        0x95,
    ])
}
