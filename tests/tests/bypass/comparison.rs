//! Runs each technique first without, then with filters at the host's devices, and compares the two with what is expected.

use std::{
    net::IpAddr,
    thread,
    time::{Duration, Instant},
};

use anyhow::{Result, anyhow};
use enforcer_common::{Hook, Reason};

use crate::{
    bypasses,
    event_log::is_to,
    fences,
    fixture::Fixture,
    lane::{Lane, MadeAttempt, Row},
    outcome::Outcome,
    support::note,
};

/// Time for a packet to cross the topology, and for an event to be written.
pub(crate) const ARRIVAL: Duration = Duration::from_secs(5);

/// Where a technique sends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Target {
    /// A storage account.
    Storage,
    /// An address of the allowed name.
    Login,
    /// An address of the technique's own.
    Fixed(IpAddr),
}

/// The expected result with filters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum With {
    /// An event of a device with this reason, and nothing arrives.
    Denied(Reason),
    /// As [`With::Denied`], at the device of this name.
    DeniedAt(&'static str, Reason),
    /// An event of a socket's hook, in the cgroup whose path ends like this, and nothing arrives.
    DeniedIn(&'static str, Hook, Reason),
    /// What was judged arrives, and not what the sender made of it afterwards.
    Unchanged,
    /// As without: everything arrives, and no event.
    Passes,
}

/// The result of an attempt, as far as the sender knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum SendResult {
    /// The sender expects no answer.
    OneWay,
    /// The call failed with an errno.
    Refused(i32),
    /// An answer came, over a connection or not.
    Answered,
    /// None came.
    Unanswered,
}

/// One attempt: the address to send to, and the bytes by which its packets are recognised.
#[derive(Clone, Debug)]
pub(crate) struct Attempt {
    pub(crate) to: IpAddr,
    pub(crate) number: u16,
    pub(crate) marker: Vec<u8>,
}

type Act<S> = Box<dyn Fn(&Fixture, &mut S, &Attempt) -> Result<SendResult> + Send>;
type Trace = Box<dyn Fn(&Attempt) -> Vec<u8> + Send>;

/// A technique, and what is expected of it. `S` is what its attempts share.
pub(crate) struct Technique<S> {
    pub(crate) name: String,
    pub(crate) is_v4: bool,
    pub(crate) target: Target,
    pub(crate) with: With,
    pub(crate) act: Act<S>,
    pub(crate) trace: Trace,
}

impl<S> Technique<S> {
    pub(crate) fn new(
        name: impl Into<String>,
        target: (Target, bool),
        with: With,
        act: impl Fn(&Fixture, &mut S, &Attempt) -> Result<SendResult> + Send + 'static,
    ) -> Self {
        Self {
            name: name.into(),
            is_v4: target.1,
            target: target.0,
            with,
            act: Box::new(act),
            trace: Box::new(|attempt| attempt.marker.clone()),
        }
    }

    /// Recognises the packets that must not arrive by other bytes than the marker.
    pub(crate) fn recognised_by(
        mut self,
        trace: impl Fn(&Attempt) -> Vec<u8> + Send + 'static,
    ) -> Self {
        self.trace = Box::new(trace);
        self
    }
}

/// Lanes that run side by side.
pub(crate) type Stage = Vec<Box<dyn Lane>>;

/// Runs all techniques on both sides of [`Fixture::filter_devices`], the stages one after another, and returns the complaints.
pub(crate) fn compare(fixture: &Fixture, stages: &mut [Stage]) -> Result<Vec<String>> {
    fixture.unfilter_devices()?;
    fixture.fences(|fences| fences.report(&fixture.events))?;
    let without = run(fixture, stages, false)?;
    fixture.filter_devices()?;
    let with = run(fixture, stages, true)?;
    differences(fixture, stages, without, with)
}

/// Runs techniques outside the scope, then the same ones inside it, without filters at devices, and returns the complaints.
pub(crate) fn compare_places(fixture: &Fixture, places: [Stage; 2]) -> Result<Vec<String>> {
    fixture.unfilter_devices()?;
    fixture.fences(|fences| fences.report(&fixture.events))?;
    let [outside, inside] = places;
    let without = run(fixture, &mut [outside], false)?;
    let inside = &mut [inside];
    let with = run(fixture, inside, true)?;
    differences(fixture, inside, without, with)
}

/// Compares outcomes with what is expected of their techniques, and returns the complaints.
fn differences(
    fixture: &Fixture,
    stages: &[Stage],
    without: Vec<Outcome>,
    with: Vec<Outcome>,
) -> Result<Vec<String>> {
    let mut complaints = unexpected(fixture)?;
    let rows = stages.iter().flatten().flat_map(|lane| lane.rows());
    let rows: Vec<Row> = rows.collect();
    rows.iter().try_for_each(bypasses::check)?;
    for ((row, without), with) in rows.iter().zip(without).zip(with) {
        let line = format!("{}: {} -> {}", row.name, without.text(), with.text());
        note(&line);
        if !without.is_open() || !with.is(row.with) {
            complaints.push(format!("{line}; expected {:?}", row.with));
        }
    }
    Ok(complaints)
}

/// Runs all techniques, and returns the outcomes in their order.
fn run(fixture: &Fixture, stages: &mut [Stage], is_hooked: bool) -> Result<Vec<Outcome>> {
    let started = Instant::now();
    let before = fixture.events.denials()?.len();
    let mut sent = Vec::new();
    for stage in stages {
        for lane in side_by_side(fixture, stage, is_hooked) {
            sent.extend(lane?);
        }
    }
    fixture.fences(|fences| fences.report(&fixture.events))?;
    let events = fixture.events.denials()?.split_off(before);
    let outcomes = sent.into_iter().map(|sent| Outcome {
        events: events
            .iter()
            .filter(|event| is_to(event, sent.to))
            .cloned()
            .collect(),
        sent,
    });
    let side = if is_hooked { "with" } else { "without" };
    note(&format!("{side} frames: {:?}", started.elapsed()));
    Ok(outcomes.collect())
}

/// Events of addresses that no attempt had. The network stack may send more to one that had, also on the other side.
fn unexpected(fixture: &Fixture) -> Result<Vec<String>> {
    let mut events = fixture.events.denials()?;
    let fence = fences::address()?;
    events.retain(|event| {
        let destination = event.destination;
        !is_to(event, fence) && !destination.is_some_and(|to| fixture.is_used(to))
    });
    let unexpected = events
        .iter()
        .map(|event| format!("an unexpected event: {event:?}"));
    Ok(unexpected.collect())
}

/// Runs the lanes of a stage in a thread each.
fn side_by_side(
    fixture: &Fixture,
    stage: &mut Stage,
    is_hooked: bool,
) -> Vec<Result<Vec<MadeAttempt>>> {
    thread::scope(|scope| {
        let start = |lane: &mut Box<dyn Lane>| lane.run(fixture, is_hooked);
        let threads: Vec<_> = stage
            .iter_mut()
            .map(|lane| scope.spawn(move || start(lane)))
            .collect();
        let joined = threads.into_iter().map(|thread| {
            let result = thread.join();
            result.map_err(|_panic| anyhow!("a lane panicked"))?
        });
        joined.collect()
    })
}
