//! Connections that are opened all the time, connections that stay open, and the checks behind each step.

use std::mem;

use anyhow::{Context as _, Result, ensure};
use lab::{
    clients::{
        keepalive_client::KeepaliveClient,
        stream::{Plan, Stream, Totals},
    },
    fixtures::fixture::EVIL,
};
use serde::Serialize;

use crate::{finding::Finding, packets::PROTECTED, scene::Scene, topology::Place};

/// Rounds of a stream per second: each is one allowed connection, and as many as there are protected addresses, with a datagram each.
const RATE: u32 = 40;
/// Contoso's login server.
const LOGIN: [&str; 2] = ["198.51.100.10", "2001:db8:acc::10"];

/// How many connections there were, and how they ended.
#[derive(Clone, Copy, Debug, Default, Serialize)]
pub(crate) struct Sums {
    /// Allowed connections that were answered.
    pub(crate) answered: u64,
    /// Allowed connections that were not.
    pub(crate) lost: u64,
    /// Connections and datagrams to protected addresses that were refused.
    pub(crate) refused: u64,
    /// Connections and datagrams to protected addresses that were not.
    pub(crate) passed: u64,
    /// Packets to protected addresses that arrived at the far side.
    pub(crate) arrived: u64,
    /// Packets of allowed connections that were sent again.
    pub(crate) retransmitted: u64,
    /// Requests on connections that stay open.
    pub(crate) requests: u64,
}

/// What a step may do to connections.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Allowance {
    Nothing,
    /// Packets may be sent again: there are more than the queues of virtual devices take.
    Retransmissions,
}

/// The running clients.
pub(crate) struct Traffic {
    streams: Vec<(Place, Stream)>,
    open: Vec<Open>,
}

/// A verified connection that stays open.
struct Open {
    place: Place,
    address: &'static str,
    client: KeepaliveClient,
    retransmitted: u64,
}

impl Traffic {
    /// Starts the streams, and opens a connection of each family from each place.
    pub(crate) fn start(scene: &Scene) -> Result<Self> {
        let mut open = Vec::new();
        for place in Place::ALL {
            for address in LOGIN {
                open.push(Open::new(scene, place, address)?);
            }
        }
        let streams = streams(scene)?;
        Ok(Self { streams, open })
    }

    /// Replaces the streams by new ones, which begin before the old ones end, and checks what the old ones, the open connections and the far side saw.
    pub(crate) fn check(
        &mut self,
        scene: &Scene,
        allowance: Allowance,
        sums: &mut Sums,
    ) -> Result<()> {
        let streams = streams(scene)?;
        let ended = mem::replace(&mut self.streams, streams);
        self.check_ended(scene, ended, allowance, sums)
    }

    /// As [`Traffic::check`], without new streams.
    pub(crate) fn pause(&mut self, scene: &Scene, sums: &mut Sums) -> Result<()> {
        let ended = mem::take(&mut self.streams);
        self.check_ended(scene, ended, Allowance::Nothing, sums)
    }

    /// Starts the streams again.
    pub(crate) fn resume(&mut self, scene: &Scene) -> Result<()> {
        self.streams = streams(scene)?;
        Ok(())
    }

    fn check_ended(
        &mut self,
        scene: &Scene,
        ended: Vec<(Place, Stream)>,
        allowance: Allowance,
        sums: &mut Sums,
    ) -> Result<()> {
        let mut all = Vec::new();
        for (place, stream) in ended {
            let totals = stream.end().with_context(|| place.word())?;
            sums.add(&totals);
            all.push((place, totals));
        }
        let arrived = scene.fixture.counter.packets_to(&PROTECTED)?;
        sums.arrived = arrived;
        if arrived > 0 {
            let registry = scene.fixture.counter.packets_to(&EVIL)?;
            return Err(Finding::leak(format!(
                "{arrived} packets to protected addresses arrived at the far side, {registry} of them to the bad actor's"
            )));
        }
        let mut each = all.iter();
        each.try_for_each(|(place, totals)| check_totals(*place, totals, allowance))?;
        let mut each = self.open.iter_mut();
        each.try_for_each(|open| open.check(allowance, sums))
    }
}

fn streams(scene: &Scene) -> Result<Vec<(Place, Stream)>> {
    let plan = Plan::lab_default(RATE);
    let start = |place| Ok((place, scene.fixture.stream_of(&scene.env(place), &plan)?));
    Place::ALL.into_iter().map(start).collect()
}

fn check_totals(place: Place, totals: &Totals, allowance: Allowance) -> Result<()> {
    let place = place.word();
    if !totals.passed.is_empty() {
        let passed = &totals.passed;
        return Err(Finding::leak(format!(
            "not refused to the {place}: {passed:?}"
        )));
    }
    if !totals.failed.is_empty() {
        let failed = &totals.failed;
        return Err(Finding::loss(format!("failed for the {place}: {failed:?}")));
    }
    if totals.retransmitted > 0 && allowance == Allowance::Nothing {
        let packets = totals.retransmitted;
        return Err(Finding::loss(format!(
            "{packets} packets of the {place} were sent again"
        )));
    }
    ensure!(
        totals.answered > 0 && totals.refused > 0,
        "too few connections of the {place} for a result: {totals:?}"
    );
    Ok(())
}

impl Open {
    fn new(scene: &Scene, place: Place, address: &'static str) -> Result<Self> {
        let (env, lab) = (scene.env(place), &scene.fixture.lab);
        Ok(Self {
            place,
            address,
            client: KeepaliveClient::connect_in(&env, lab, address)?,
            retransmitted: 0,
        })
    }

    /// Makes a request.
    fn check(&mut self, allowance: Allowance, sums: &mut Sums) -> Result<()> {
        let result = self.client.request()?;
        sums.requests += 1;
        let what = || {
            format!(
                "the connection of the {} to {}",
                self.place.word(),
                self.address
            )
        };
        if result != "200" {
            return Err(Finding::loss(format!("{}: {result}", what())));
        }
        let retransmitted = self.client.counters()?.retransmitted;
        let again = retransmitted - mem::replace(&mut self.retransmitted, retransmitted);
        sums.retransmitted += again;
        if again > 0 && allowance == Allowance::Nothing {
            let what = what();
            return Err(Finding::loss(format!(
                "{what}: {again} packets were sent again"
            )));
        }
        Ok(())
    }
}

impl Sums {
    fn add(&mut self, totals: &Totals) {
        self.answered += totals.answered;
        self.lost += totals.failed.values().sum::<u64>();
        self.refused += totals.refused;
        self.passed += totals.passed.values().sum::<u64>();
        self.retransmitted += totals.retransmitted;
    }
}
