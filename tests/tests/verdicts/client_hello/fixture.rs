//! A device, a policy with names, a client on the one side and a sink on the other.

use std::{
    collections::BTreeSet,
    fs::{self, File},
    net::IpAddr,
    os::fd::{AsRawFd as _, OwnedFd},
    thread,
    time::Duration,
};

use anyhow::{Context, Result, ensure};
use enforcer::policy::{EVERYBODY, Inputs, NameInput};
use enforcer_common::{Hook, Reason};
use lab::{
    bpf::{Attach, AttachPoint, Program},
    topology::{cgroup::Cgroup, netns::Netns},
};

use super::{
    sink::Sink,
    socket_client::{Client, Connection},
};
use crate::fixture::{Fixture, await_true, protected};

/// An allowed name, and where it leads.
pub(super) const LOGIN: &str = "contoso.azurecr.io";
pub(super) const LOGIN_AT: [&str; 2] = ["198.51.100.10", "2001:db8:acc::10"];
/// An allowed pattern, a name of it, and where it leads.
const DATA_NAMES: &str = "contoso.*.data.azurecr.io";
pub(super) const DATA: &str = "contoso.eastus.data.azurecr.io";
pub(super) const DATA_AT: [&str; 2] = ["198.51.100.130", "2001:db8:acc:80::10"];
/// A name that nobody allowed.
pub(super) const MALLORY: &str = "mallory.azurecr.io";
/// Long enough for the kernel to send again what was refused, more than once.
const RETRIES: Duration = Duration::from_millis(1100);
/// Clients and servers, data in a SYN without a cookie from before (ip-sysctl, `tcp_fastopen`).
const FAST_OPEN: &str = "1543";

/// What is to come of a connection in all, however often the kernel tries again.
struct Held {
    connection: Connection,
    expected: Vec<Vec<u8>>,
}

pub(super) struct HelloFixture {
    pub(super) client: Client,
    pub(super) sink: Sink,
    pub(super) inputs: Inputs,
    pub(super) base: Fixture,
    held: Vec<Held>,
}

impl HelloFixture {
    /// With the programs attached.
    pub(super) fn new() -> Result<Self> {
        let mut fixture = Self::before()?;
        fixture.base.attach()?;
        Ok(fixture)
    }

    /// With the policy in the maps, and no program attached yet.
    pub(super) fn before() -> Result<Self> {
        let mut base = Fixture::new()?;
        for network in [base.network.device(), base.network.cloud()] {
            allow_fast_open(network)?;
        }
        let inputs = Inputs {
            default_allow: true,
            allowed: ips(&[LOGIN_AT, DATA_AT].concat()),
            names: vec![name(1, LOGIN, LOGIN_AT), name(2, DATA_NAMES, DATA_AT)],
            ..Inputs::default()
        };
        base.loaded.apply(&protected(), &inputs)?;
        Ok(Self {
            client: Client::start(&base, &base.device)?,
            sink: Sink::start(base.network.cloud())?,
            inputs,
            base,
            held: Vec::new(),
        })
    }

    /// Puts another policy in force.
    pub(super) fn apply(&mut self, change: impl FnOnce(&mut Inputs)) -> Result<()> {
        change(&mut self.inputs);
        self.base.loaded.apply(&protected(), &self.inputs)
    }

    /// Loses every packet of the device, behind the programs' back, until the value is dropped.
    pub(super) fn lose_packets(&self) -> Result<OwnedFd> {
        // `r0 = 0; exit` (RFC 9669).
        let loses = Program::load(&[0xb7, 0x95])?;
        let cgroup = File::open(self.base.device.path())?;
        let target = cgroup.as_raw_fd().try_into()?;
        let attached = loses.attach(AttachPoint::Egress, target, Attach::default());
        attached.context("attach what loses packets")
    }

    /// A client in another cgroup.
    pub(super) fn client_in(&self, cgroup: &Cgroup) -> Result<Client> {
        Client::start(&self.base, cgroup)
    }

    /// Connects to `to`, sends `data`, and sees it arrive.
    pub(super) fn passes(&mut self, to: &str, data: &[u8]) -> Result<Connection> {
        let connection = self.client.connect(to)?;
        self.client.send(connection, data)?;
        self.sink.expect(connection.peer, &[data])?;
        Ok(connection)
    }

    /// Connects to `to`, sends `data`, and sees it denied for `reason`; that nothing of it arrives is for [`HelloFixture::settle`] to see.
    pub(super) fn denied(&mut self, to: &str, data: &[u8], reason: Reason) -> Result<()> {
        let before = self.denials(reason)?;
        let connection = self.client.connect(to)?;
        self.client.send(connection, data)?;
        self.await_denial(reason, before)?;
        self.stays(connection, &[b""])
    }

    /// Waits until something more was denied for `reason` than `before`.
    pub(super) fn await_denial(&self, reason: Reason, before: u64) -> Result<()> {
        let denied = await_true("a denial", || Ok(self.denials(reason)? > before));
        denied.with_context(|| format!("{reason:?}; denied for {:?}", self.reasons()))
    }

    /// Sees that `expected` has come of a connection; that all the kernel's tries bring no more is for [`HelloFixture::settle`] to see.
    pub(super) fn stays(&mut self, connection: Connection, expected: &[&[u8]]) -> Result<()> {
        self.sink.expect(connection.peer, expected)?;
        self.held.push(Held {
            connection,
            expected: expected.iter().map(|bytes| bytes.to_vec()).collect(),
        });
        Ok(())
    }

    /// Waits once for all connections that were to stay as they were, and sees that they have.
    pub(super) fn settle(&mut self) -> Result<()> {
        thread::sleep(RETRIES);
        for Held {
            connection,
            expected,
        } in self.held.drain(..)
        {
            let arrived = self.sink.streams(connection.peer);
            ensure!(arrived == expected, "{arrived:?} arrived");
        }
        Ok(())
    }

    /// Packets denied for `reason`.
    pub(super) fn denials(&self, reason: Reason) -> Result<u64> {
        let counters = self.base.loaded.counters()?;
        let rows = counters.counts.iter();
        let rows =
            rows.filter(|row| row.hook == Hook::Egress.word() && row.reason == reason.word());
        Ok(rows.map(|row| row.count).sum())
    }

    /// Why packets were denied so far.
    pub(super) fn reasons(&self) -> Result<BTreeSet<Reason>> {
        let denying = Reason::ALL.into_iter().filter(|reason| reason.denies());
        let mut reasons = BTreeSet::new();
        for reason in denying {
            if self.denials(reason)? > 0 {
                reasons.insert(reason);
            }
        }
        Ok(reasons)
    }
}

impl Drop for HelloFixture {
    fn drop(&mut self) {
        let is_settled = self.held.is_empty() || thread::panicking();
        assert!(
            is_settled,
            "a test that does not wait for the end proves nothing"
        );
    }
}

/// A name for everybody.
pub(super) fn name(id: u32, text: &str, addresses: [&str; 2]) -> NameInput {
    NameInput {
        text: text.to_owned(),
        id,
        scopes: vec![EVERYBODY],
        addresses: ips(&addresses),
        ..NameInput::default()
    }
}

#[expect(clippy::unwrap_used, reason = "the tests' own literals")]
pub(super) fn ips(texts: &[&str]) -> Vec<IpAddr> {
    texts.iter().map(|text| text.parse().unwrap()).collect()
}

fn allow_fast_open(network: &Netns) -> Result<()> {
    network.run(|| {
        let path = "/proc/sys/net/ipv4/tcp_fastopen";
        fs::write(path, FAST_OPEN).context("allow data in a SYN")
    })
}
