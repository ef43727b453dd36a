//! A device, a policy with names, a client on the device and a sink in the cloud.

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

/// An allowed name and its addresses.
pub(super) const LOGIN: &str = "contoso.azurecr.io";
pub(super) const LOGIN_AT: [&str; 2] = ["198.51.100.10", "2001:db8:acc::10"];
/// An allowed pattern, a name that matches it, and the name's addresses.
const DATA_NAMES: &str = "contoso.*.data.azurecr.io";
pub(super) const DATA: &str = "contoso.eastus.data.azurecr.io";
pub(super) const DATA_AT: [&str; 2] = ["198.51.100.130", "2001:db8:acc:80::10"];
/// A name that is not allowed.
pub(super) const MALLORY: &str = "mallory.azurecr.io";
/// Time for more than one retransmission of a denied segment.
const RETRANSMISSION_TIME: Duration = Duration::from_millis(1100);
/// Enables TCP Fast Open for clients and servers, without a cookie (ip-sysctl, `tcp_fastopen`).
const FAST_OPEN: &str = "1543";

/// The expected final content of a connection, after all retransmissions.
struct PendingCheck {
    connection: Connection,
    expected: Vec<Vec<u8>>,
}

pub(super) struct HelloFixture {
    pub(super) client: Client,
    pub(super) sink: Sink,
    pub(super) inputs: Inputs,
    pub(super) base: Fixture,
    pending: Vec<PendingCheck>,
}

impl HelloFixture {
    /// Runs `test` with the programs attached, then checks all pending connections.
    pub(super) fn check(test: impl FnOnce(&mut Self) -> Result<()>) -> Result<()> {
        Self::check_unattached(|fixture| {
            fixture.base.attach()?;
            test(fixture)
        })
    }

    /// As [`HelloFixture::check`], with the policy applied and no program attached.
    pub(super) fn check_unattached(test: impl FnOnce(&mut Self) -> Result<()>) -> Result<()> {
        let mut fixture = Self::new()?;
        test(&mut fixture)?;
        fixture.check_pending()
    }

    fn new() -> Result<Self> {
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
            pending: Vec::new(),
        })
    }

    /// Applies a changed policy.
    pub(super) fn apply(&mut self, change: impl FnOnce(&mut Inputs)) -> Result<()> {
        change(&mut self.inputs);
        self.base.loaded.apply(&protected(), &self.inputs)
    }

    /// Drops every packet of the device with another program, until the returned descriptor is dropped.
    pub(super) fn lose_packets(&self) -> Result<OwnedFd> {
        // `r0 = 0; exit` (RFC 9669).
        let loses = Program::load(&[0xb7, 0x95])?;
        let cgroup = File::open(self.base.device.path())?;
        let target = cgroup.as_raw_fd().try_into()?;
        let attached = loses.attach(AttachPoint::Egress, target, Attach::default());
        attached.context("attach the program that drops packets")
    }

    /// Starts a client in another cgroup.
    pub(super) fn client_in(&self, cgroup: &Cgroup) -> Result<Client> {
        Client::start(&self.base, cgroup)
    }

    /// Connects to `to`, sends `data`, and checks that it arrives.
    pub(super) fn passes(&mut self, to: &str, data: &[u8]) -> Result<Connection> {
        let connection = self.client.connect(to)?;
        self.client.send(connection, data)?;
        self.sink.expect(connection.peer, &[data])?;
        Ok(connection)
    }

    /// Connects to `to`, sends `data`, and checks that it is denied for `reason`; [`HelloFixture::check_pending`] checks that nothing arrives.
    pub(super) fn denied(&mut self, to: &str, data: &[u8], reason: Reason) -> Result<()> {
        let before = self.denials(reason)?;
        let connection = self.client.connect(to)?;
        self.client.send(connection, data)?;
        self.await_denial(reason, before)?;
        self.stays(connection, &[b""])
    }

    /// Waits until the number of denials for `reason` exceeds `before`.
    pub(super) fn await_denial(&self, reason: Reason, before: u64) -> Result<()> {
        let denied = await_true("a denial", || Ok(self.denials(reason)? > before));
        denied.with_context(|| format!("{reason:?}; denied for {:?}", self.reasons()))
    }

    /// Checks that `expected` arrived on a connection; [`HelloFixture::check_pending`] checks that retransmissions add nothing.
    pub(super) fn stays(&mut self, connection: Connection, expected: &[&[u8]]) -> Result<()> {
        self.sink.expect(connection.peer, expected)?;
        self.pending.push(PendingCheck {
            connection,
            expected: expected.iter().map(|bytes| bytes.to_vec()).collect(),
        });
        Ok(())
    }

    /// Waits for retransmissions, and checks that nothing more arrived on the connections of [`HelloFixture::stays`].
    pub(super) fn check_pending(&mut self) -> Result<()> {
        if self.pending.is_empty() {
            return Ok(());
        }
        thread::sleep(RETRANSMISSION_TIME);
        for PendingCheck {
            connection,
            expected,
        } in self.pending.drain(..)
        {
            let arrived = self.sink.streams(connection.peer);
            ensure!(arrived == expected, "{arrived:?} arrived");
        }
        Ok(())
    }

    /// Returns the number of packets denied for `reason`.
    pub(super) fn denials(&self, reason: Reason) -> Result<u64> {
        let counters = self.base.loaded.counters()?;
        let rows = counters.counts.iter();
        let rows =
            rows.filter(|row| row.hook == Hook::Egress.word() && row.reason == reason.word());
        Ok(rows.map(|row| row.count).sum())
    }

    /// Returns the reasons of all denials so far.
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

/// Returns a name that applies to every cgroup.
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
        fs::write(path, FAST_OPEN).context("enable TCP Fast Open")
    })
}
