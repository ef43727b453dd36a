//! What the observers saw of an attempt, compared with what is expected.

use enforcer::control::EventRecord;
use enforcer_common::{Hook, Reason};

use crate::{
    comparison::{SendResult, With},
    lane::MadeAttempt,
};

/// What the observers saw of an attempt.
#[derive(Debug)]
pub(crate) struct Outcome {
    pub(crate) sent: MadeAttempt,
    pub(crate) events: Vec<EventRecord>,
}

impl Outcome {
    /// Whether the way was open, and unseen.
    pub(crate) fn is_open(&self) -> bool {
        self.is_sent() && self.sent.has_arrived && self.events.is_empty()
    }

    /// Whether the outcome is as expected.
    pub(crate) fn is(&self, expected: With) -> bool {
        match expected {
            With::Passes => self.is_open(),
            With::Unchanged => self.is_sent() && !self.sent.has_arrived,
            With::Denied(reason) => self.is_denied(|event| is_of_device(event, None, reason)),
            With::DeniedAt(device, reason) => {
                self.is_denied(|event| is_of_device(event, Some(device), reason))
            }
            With::DeniedIn(cgroup, hook, reason) => self.is_denied(|event| {
                let path = event.cgroup.as_deref();
                let is_hooks = event.hook == hook.word() && event.reason == reason.word();
                is_hooks && path.is_some_and(|path| path.ends_with(cgroup))
            }),
        }
    }

    /// Whether the sender had success.
    fn is_sent(&self) -> bool {
        matches!(self.sent.result, SendResult::OneWay | SendResult::Answered)
    }

    fn is_denied(&self, is_named: impl Fn(&EventRecord) -> bool) -> bool {
        let is_closed = !self.sent.has_arrived && self.sent.result != SendResult::Answered;
        is_closed && self.events.iter().any(is_named)
    }

    pub(crate) fn text(&self) -> String {
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

/// Whether an event is of a device, of this one if it has a name here.
fn is_of_device(event: &EventRecord, device: Option<&str>, reason: Reason) -> bool {
    let is_hooks = event.hook == Hook::Device.word() && event.device.is_some();
    let is_there = device.is_none() || event.device.as_deref() == device;
    is_hooks && is_there && event.reason == reason.word() && shows_contents(event, reason)
}

/// Whether an event for a server name shows it, and also the source if no socket shows who sent it.
fn shows_contents(event: &EventRecord, reason: Reason) -> bool {
    reason != Reason::ServerNameUnknown
        || event.server_name.is_some() && event.source.is_some() == event.cgroup.is_none()
}
