//! Runs each technique first without, then with the device hook, and compares the two with what is expected.

use std::{
    io::{self, Write as _},
    net::IpAddr,
    time::Duration,
};

use anyhow::{Context as _, Result, ensure};
use enforcer_common::{Event, Hook, Reason};
use serde_json::json;

use crate::{
    client::{Client, hex},
    fixture::{Fixture, login, storage},
    link_headers::ethernet,
    topology::{FAR_MAC, HOST_MAC},
};

/// Time for a packet to cross the topology, and for an event to be written.
const ARRIVAL: Duration = Duration::from_secs(3);
/// An EtherType for experiments (IEEE 802), which passes: the fence behind what was sent.
const EXPERIMENTAL: u16 = 0x88b5;

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

/// The expected result with the device hook.
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

type Act<S> = Box<dyn Fn(&Fixture, &mut S, &Attempt) -> Result<SendResult>>;
type Trace = Box<dyn Fn(&Attempt) -> Vec<u8>>;

/// A technique, and what is expected of it. `S` is what its attempts share.
pub(crate) struct Technique<S> {
    name: String,
    is_v4: bool,
    target: Target,
    with: With,
    act: Act<S>,
    trace: Trace,
}

impl<S> Technique<S> {
    pub(crate) fn new(
        name: impl Into<String>,
        target: (Target, bool),
        with: With,
        act: impl Fn(&Fixture, &mut S, &Attempt) -> Result<SendResult> + 'static,
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
    pub(crate) fn recognised_by(mut self, trace: impl Fn(&Attempt) -> Vec<u8> + 'static) -> Self {
        self.trace = Box::new(trace);
        self
    }
}

/// What the observers saw of an attempt.
#[derive(Debug)]
struct Outcome {
    sent: SendResult,
    has_arrived: bool,
    events: Vec<Event>,
}

/// Runs all techniques on both sides of [`Fixture::attach_devices`], and returns the complaints.
pub(crate) fn compare<S>(
    fixture: &mut Fixture,
    shared: &mut S,
    techniques: &[Technique<S>],
) -> Result<Vec<String>> {
    check_enforcement(fixture)?;
    let without = run(fixture, shared, techniques, false)?;
    fixture.attach_devices()?;
    let with = run(fixture, shared, techniques, true)?;
    let mut complaints = Vec::new();
    for ((technique, without), with) in techniques.iter().zip(without).zip(with) {
        let name = &technique.name;
        let line = format!("{name}: {} -> {}", without.text(), with.text());
        writeln!(io::stderr(), "{line}")?;
        if !without.is_open() || !with.is(technique.with) {
            complaints.push(format!("{line}; expected {:?}", technique.with));
        }
    }
    Ok(complaints)
}

fn run<S>(
    fixture: &Fixture,
    shared: &mut S,
    techniques: &[Technique<S>],
    is_hooked: bool,
) -> Result<Vec<Outcome>> {
    let mut fence = Client::start(&fixture.network.device_env())?;
    let numbered = techniques.iter().enumerate();
    let outcomes = numbered.map(|(index, technique)| {
        let outcome = attempt(fixture, shared, technique, is_hooked);
        let outcome = outcome.with_context(|| technique.name.clone())?;
        pass_fence(
            fixture,
            &mut fence,
            &format!("fence {is_hooked} {index:06}"),
        )?;
        let trace = (technique.trace)(&outcome.0);
        Ok(Outcome {
            has_arrived: !fixture.far.frames_with(&trace).is_empty(),
            ..outcome.1
        })
    });
    outcomes.collect()
}

/// Sends with a technique, and waits for what is expected of it: an arrival or an event.
fn attempt<S>(
    fixture: &Fixture,
    shared: &mut S,
    technique: &Technique<S>,
    is_hooked: bool,
) -> Result<(Attempt, Outcome)> {
    let number = fixture.next_number();
    let attempt = Attempt {
        to: match technique.target {
            Target::Storage => storage(number, technique.is_v4)?,
            Target::Login => login(number, technique.is_v4)?,
            Target::Fixed(address) => address,
        },
        number,
        marker: format!("m{number:06}.azurecr.io").into_bytes(),
    };
    let before = fixture.denials()?.len();
    let sent = (technique.act)(fixture, shared, &attempt)?;
    let is_denied = is_hooked && matches!(technique.with, With::Denied(_));
    let events = if is_denied {
        fixture.await_denial(attempt.to, ARRIVAL)?
    } else {
        let is_awaited = !is_hooked || technique.with == With::Passes;
        let trace = (technique.trace)(&attempt);
        let _arrived = is_awaited && fixture.far.await_frame_with(&trace, ARRIVAL);
        fixture.denials()?.split_off(before)
    };
    let outcome = Outcome {
        sent,
        has_arrived: false,
        events,
    };
    Ok((attempt, outcome))
}

/// Checks that the cgroup programs are in force, and their events read: what a socket sends to a storage account is refused and reported.
fn check_enforcement(fixture: &Fixture) -> Result<()> {
    let to = storage(fixture.next_number(), true)?;
    let mut client = Client::start(&fixture.host())?;
    let socket = client.open(json!({"do": "datagrams", "address": "0.0.0.0"}))?;
    let sent = client.try_on(
        socket,
        json!({"do": "send_to", "to": to, "port": 443, "data": "00"}),
    )?;
    let events = fixture.await_denial(to, ARRIVAL)?;
    let is_denied = sent == SendResult::Refused(libc::EPERM) && events.len() == 1;
    ensure!(is_denied, "a socket reaches {to}: {sent:?}, {events:?}");
    Ok(())
}

/// Sends a frame that passes, and waits for it: the link preserves the order of what crosses it.
fn pass_fence(fixture: &Fixture, fence: &mut Client, marker: &str) -> Result<()> {
    let marker = marker.as_bytes();
    let frame = ethernet(FAR_MAC, HOST_MAC, EXPERIMENTAL, marker);
    let socket = fence.open(json!({"do": "packet", "kind": "SOCK_RAW"}))?;
    let send = json!({
        "do": "send_frame", "device": "eth0", "protocol": EXPERIMENTAL, "data": hex(&frame),
    });
    fence.on(socket, send)?;
    let has_arrived = fixture.far.await_frame_with(marker, ARRIVAL);
    ensure!(has_arrived, "the frame behind an attempt is lost");
    Ok(())
}

impl Outcome {
    /// Whether the way was open, and unseen.
    fn is_open(&self) -> bool {
        self.is_sent() && self.has_arrived && self.events.is_empty()
    }

    /// Whether the sender had success.
    fn is_sent(&self) -> bool {
        matches!(self.sent, SendResult::OneWay | SendResult::Answered)
    }

    fn is(&self, expected: With) -> bool {
        match expected {
            With::Passes => self.is_open(),
            With::Unchanged => self.is_sent() && !self.has_arrived,
            With::Denied(reason) => {
                let is_named = |event: &Event| {
                    let is_hooks = event.hook == Hook::Device as u8 && event.device != 0;
                    is_hooks && event.reason == reason as u8
                };
                let is_closed = !self.has_arrived && self.sent != SendResult::Answered;
                is_closed && self.events.iter().any(is_named)
            }
        }
    }

    fn text(&self) -> String {
        let arrival = if self.has_arrived {
            "arrives"
        } else {
            "does not arrive"
        };
        let events = self.events.iter().map(|event| {
            let reason = Reason::from_code(event.reason).map_or("unknown", Reason::word);
            let hook = Hook::from_code(event.hook).map_or("unknown", Hook::word);
            format!("{hook}: {reason}")
        });
        let events: Vec<String> = events.collect();
        let events = if events.is_empty() {
            "no event".to_owned()
        } else {
            events.join(", ")
        };
        format!("{:?} {arrival}, {events}", self.sent)
    }
}
