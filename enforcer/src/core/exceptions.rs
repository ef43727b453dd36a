//! Notes for exceptions that start, change or end.

use jiff::Timestamp;

use super::event_kind::EventKind;
use super::event_record::EventRecord;
use super::exception_state::{ExceptionKey, ExceptionState, Running};
use super::state::State;
use crate::config::{DEVICE_BYPASS, Exception};

impl State {
    /// Publishes notes for exceptions that started, changed or ended since the last call.
    pub(crate) fn note_exceptions(&mut self) {
        let running = running(&self.sources.config.exceptions, &self.exceptions);
        let before = std::mem::replace(&mut self.running, running.clone());
        for note in changes(&before, &running, self.now.wall) {
            self.publish(note);
        }
    }
}

fn running(exceptions: &[Exception], states: &[ExceptionState]) -> Running {
    let running = exceptions.iter().zip(states);
    let running = running.filter(|(_, state)| state.deadline > 0);
    running
        .map(|(exception, _)| {
            let names = exception.names.iter().map(ToString::to_string);
            let cidrs = exception.cidrs.iter().map(ToString::to_string);
            let bypass = exception.bypasses_devices.then(|| DEVICE_BYPASS.to_owned());
            let destinations: Vec<String> = names.chain(cidrs).chain(bypass).collect();
            let (target, reason) = (exception.target.to_string(), exception.reason.clone());
            ((target, reason, destinations.join(" ")), exception.until)
        })
        .collect()
}

/// Returns a note for each exception that started or changed, then for each that ended.
fn changes(before: &Running, after: &Running, now: Timestamp) -> Vec<EventRecord> {
    let in_force = after.iter();
    let in_force = in_force.map(|(key, until)| (key, before.get(key), Some(until)));
    let ended = before.iter().filter(|(key, _)| !after.contains_key(*key));
    let ended = ended.map(|(key, until)| (key, Some(until), None));
    in_force
        .chain(ended)
        .filter_map(|(key, old, new)| change(key, old, new, now))
        .collect()
}

/// Returns the note for an exception whose end was `old` and is `new`; an end is `None` where the exception was or is not in force.
fn change(
    (target, reason, destinations): &ExceptionKey,
    old: Option<&Timestamp>,
    new: Option<&Timestamp>,
    now: Timestamp,
) -> Option<EventRecord> {
    let (kind, what) = match (old, new) {
        (None, Some(until)) => (
            EventKind::ExceptionStarted,
            format!("is in force until {until}"),
        ),
        (Some(old), Some(until)) if old != until => (
            EventKind::ExceptionChanged,
            format!("ends {until} in the place of {old}"),
        ),
        (Some(_), None) => (EventKind::ExceptionEnded, "has ended".to_owned()),
        (Some(_), Some(_)) | (None, None) => return None,
    };
    let message = format!("the exception of {target} for {destinations} ({reason:?}) {what}");
    let text = |time: Option<&Timestamp>| time.map(ToString::to_string);
    Some(EventRecord::note(kind, message, now).changed(text(old), text(new)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_exception_is_noted_when_it_starts_changes_and_ends() {
        let key = || {
            (
                "unit a.service".to_owned(),
                "logs".to_owned(),
                "203.0.113.7/32".to_owned(),
            )
        };
        let [early, late] = [1_000, 2_000].map(|second| Timestamp::from_second(second).unwrap());
        let until = |time| Running::from([(key(), time)]);
        let kinds = |before: &Running, after: &Running| -> Vec<_> {
            let notes = changes(before, after, early).into_iter();
            notes
                .map(|note| (note.reason, note.old, note.new))
                .collect()
        };
        let text = |time: Timestamp| Some(time.to_string());
        let none = Running::new();
        assert_eq!(
            kinds(&none, &until(early)),
            [(
                EventKind::ExceptionStarted.word().to_owned(),
                None,
                text(early)
            )]
        );
        assert_eq!(
            kinds(&until(early), &until(late)),
            [(
                EventKind::ExceptionChanged.word().to_owned(),
                text(early),
                text(late)
            )]
        );
        assert_eq!(
            kinds(&until(late), &none),
            [(
                EventKind::ExceptionEnded.word().to_owned(),
                text(late),
                None
            )]
        );
        assert_eq!(kinds(&until(late), &until(late)), []);
    }
}
