//! Runs each technique first without, then with filters at the host's devices, and compares the two with what is expected.

use std::{
    net::IpAddr,
    thread,
    time::{Duration, Instant},
};

use anyhow::{Result, anyhow};
use enforcer::control::EventRecord;
use enforcer_common::{Hook, Reason};

use crate::{
    bypasses,
    event_log::is_to,
    fences,
    fixture::Fixture,
    lane::{Lane, MadeAttempt, Row},
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

/// What the observers saw of an attempt.
#[derive(Debug)]
struct Outcome {
    sent: MadeAttempt,
    events: Vec<EventRecord>,
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

/// Whether an event for a server name shows it, and also the source if no socket shows who sent it.
fn shows_contents(event: &EventRecord, reason: Reason) -> bool {
    reason != Reason::ServerNameUnknown
        || event.server_name.is_some() && event.source.is_some() == event.cgroup.is_none()
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

impl Outcome {
    /// Whether the way was open, and unseen.
    fn is_open(&self) -> bool {
        self.is_sent() && self.sent.has_arrived && self.events.is_empty()
    }

    /// Whether the sender had success.
    fn is_sent(&self) -> bool {
        matches!(self.sent.result, SendResult::OneWay | SendResult::Answered)
    }

    fn is(&self, expected: With) -> bool {
        match expected {
            With::Passes => self.is_open(),
            With::Unchanged => self.is_sent() && !self.sent.has_arrived,
            With::Denied(reason) => {
                let is_named = |event: &EventRecord| {
                    let is_hooks = event.hook == Hook::Device.word() && event.device.is_some();
                    is_hooks && event.reason == reason.word() && shows_contents(event, reason)
                };
                let is_closed = !self.sent.has_arrived && self.sent.result != SendResult::Answered;
                is_closed && self.events.iter().any(is_named)
            }
        }
    }

    fn text(&self) -> String {
        let arrival = if self.sent.has_arrived {
            "arrives"
        } else {
            "does not arrive"
        };
        let events = self.events.iter().map(|event| {
            let device = event.device.as_deref().unwrap_or("-");
            format!("{} {device}: {}", event.hook, event.reason)
        });
        let events: Vec<String> = events.collect();
        let events = if events.is_empty() {
            "no event".to_owned()
        } else {
            events.join(", ")
        };
        format!("{:?} {arrival}, {events}", self.sent.result)
    }
}
