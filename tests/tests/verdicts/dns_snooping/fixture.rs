//! A device with a DNS client, and a policy with names.

use std::{mem::offset_of, net::IpAddr, os::fd::AsRawFd as _, process::Command, time::Duration};

use anyhow::{Result, ensure};
use enforcer::policy::{EVERYBODY, ExceptionInput, Inputs, NameInput, Scope};
use enforcer::sys::network_cookie;
use enforcer_common::{
    DnsObservation, ObservationOutcome, Record,
    layout::{AddressGrant, DNS_ADDRESSES, NameEntry, SETTINGS, Settings, Snooping},
};
use lab::{
    bpf::{self, Attach, AttachPoint, Program, loaded_policy},
    fixtures::process::run_with_input,
    topology::cgroup::Cgroup,
};
use serde_json::{Value, json};
use tokio::{runtime::Builder, time::timeout};

use super::lookup::{Lookup, LookupResult, hex, ip, parse_report};
use crate::fixture::{Fixture, Probe, protected};

pub(super) const REGISTRY: &str = "contoso.azurecr.io";
pub(super) const DATA: &str = "contoso.*.data.azurecr.io";
pub(super) const ACCOUNT: &str = "contosologs.blob.core.windows.net";
pub(super) const IDS: [(&str, u32); 3] = [(REGISTRY, 1), (DATA, 2), (ACCOUNT, 3)];
pub(super) const LINGER: u64 = 900_000_000_000;
/// The address of a stub resolver on the device's loopback.
pub(super) const STUB: &str = "127.53.0.53";
const TOOL: &str = concat!(
    env!("CARGO_MANIFEST_DIR"),
    "/lab/send_methods/dns_client.py"
);
pub(super) const LIMIT: Duration = Duration::from_secs(240);

/// The base fixture with a policy that snoops the lab's resolvers for the device's network namespace.
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

    /// Creates the fixture with the policy applied and no program attached.
    pub(super) fn before_attaching() -> Result<Self> {
        let mut base = Fixture::new()?;
        let unit = loaded_policy::open(&base.device)?;
        let servers = [
            lab::topology::addresses::RESOLVER_V4.into(),
            lab::topology::addresses::RESOLVER_V6.into(),
            ip(STUB),
        ];
        let exception = ExceptionInput {
            bypasses_devices: false,
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

    /// Applies a changed policy.
    pub(super) fn apply(&mut self, change: impl FnOnce(&mut Inputs)) -> Result<()> {
        change(&mut self.inputs);
        self.base.loaded.apply(&protected(), &self.inputs)
    }

    /// Sends queries from a process in the device's cgroup and network namespace.
    pub(super) fn ask(&self, questions: &[Lookup]) -> Result<Vec<LookupResult>> {
        self.ask_as(&Value::Null, questions)
    }

    /// Sends queries from an unprivileged process in the device's cgroup with a new network namespace, in which `address` is local
    /// and returns `answer`.
    pub(super) fn ask_alone(
        &self,
        address: IpAddr,
        answer: &[u8],
        questions: &[Lookup],
    ) -> Result<Vec<LookupResult>> {
        self.ask_as(&alone(address, answer), questions)
    }

    /// Sends queries from a process in the device's network namespace and another cgroup.
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

    /// Returns the command of the DNS client in `cgroup`.
    pub(super) fn tool(&self, cgroup: &Cgroup) -> Command {
        let attach_point = self.base.network.device_env().in_cgroup(cgroup);
        let mut tool = attach_point.command("python3");
        tool.args(["-S", "-B", TOOL]);
        tool
    }

    /// Returns the client's input: `order` with the path of the map.
    pub(super) fn order(&self, mut order: Value) -> String {
        order["map"] = json!(self.base.loaded.map(DNS_ADDRESSES));
        order.to_string()
    }

    /// Returns the number of snooped grants.
    pub(super) fn snooped_count(&self) -> Result<usize> {
        Ok(self.base.loaded.kernel.maps.snooped_grants()?.len())
    }

    /// Removes all snooped grants.
    pub(super) fn forget(&mut self) -> Result<()> {
        let maps = &mut self.base.loaded.kernel.maps;
        let snooped: Vec<AddressGrant> = maps
            .snooped_grants()?
            .iter()
            .map(|(grant, _)| *grant)
            .collect();
        Ok(maps.remove_snooped(&snooped)?)
    }

    /// Runs `act` and returns the resulting observations.
    pub(super) fn observations(
        &self,
        act: impl FnOnce() -> Result<()>,
    ) -> Result<Vec<DnsObservation>> {
        let runtime = Builder::new_current_thread().enable_all().build()?;
        let inside = runtime.enter();
        let mut reader = self.base.loaded.events()?;
        drop(inside);
        runtime.block_on(async {
            let wait = Duration::from_millis(200);
            while timeout(wait, reader.next(512)).await.is_ok() {}
            act()?;
            let mut observations = Vec::new();
            while let Ok(records) = timeout(wait, reader.next(512)).await {
                observations.extend(records?.iter().filter_map(observation));
            }
            Ok(observations)
        })
    }
}

fn observation(record: &Record) -> Option<DnsObservation> {
    match record {
        Record::DnsObservation(observation) => Some(*observation),
        Record::NamedDnsObservation(named) => Some(named.observation),
        Record::Denial(_) | Record::Named(_) => None,
    }
}

/// Returns the client's input for a private network namespace in which `address` returns `answer`.
pub(super) fn alone(address: IpAddr, answer: &[u8]) -> Value {
    json!({"address": address, "answer": hex(answer)})
}

/// Returns the outcomes and names of observations.
pub(super) fn outcomes(observations: &[DnsObservation]) -> Vec<(ObservationOutcome, u32)> {
    let outcome = |observation: &DnsObservation| {
        let found = ObservationOutcome::ALL
            .into_iter()
            .find(|outcome| *outcome as u32 == observation.outcome);
        found.map(|outcome| (outcome, observation.name))
    };
    observations.iter().filter_map(outcome).collect()
}

fn names(cgroup: u64) -> Vec<NameInput> {
    let for_unit = Scope {
        cgroup,
        deadline: u64::MAX,
        unchecked: false,
    };
    let tags = [
        (NameEntry::IN_REGISTRY_TAG, EVERYBODY),
        (NameEntry::IN_REGISTRY_TAG, EVERYBODY),
        (NameEntry::IN_STORAGE_TAG, for_unit),
    ];
    let named = IDS.into_iter().zip(tags);
    named
        .map(|((text, id), (tag, scope))| NameInput {
            text: text.to_owned(),
            id,
            scopes: vec![scope],
            flags: tag,
            ..NameInput::default()
        })
        .collect()
}

/// Returns the cookie of the device's network namespace. Before Linux 5.14 there is no socket option for it: a program at `connect` stores it.
fn network(base: &Fixture) -> Result<u64> {
    let cookie = base.network.device().run(|| Ok(network_cookie()))?;
    if cookie != 0 {
        return Ok(cookie);
    }
    let settings = bpf::Map::pinned(&base.loaded.map(SETTINGS))?;
    let field = offset_of!(Settings, snooping) + offset_of!(Snooping, network);
    let program = Program::load_for(
        AttachPoint::Connect4,
        &store_network_cookie(settings.number()?, field)?,
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
fn store_network_cookie(map: u32, field: usize) -> Result<[u64; 12]> {
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
