//! Notes for exceptions that start, change or end.

use jiff::Timestamp;

use super::event_kind::EventKind;
use super::event_record::EventRecord;
use super::exception_state::{ExceptionState, Running};
use super::state::State;
use crate::config::Exception;

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
            let destinations: Vec<String> = names.chain(cidrs).collect();
            let (target, reason) = (exception.target.to_string(), exception.reason.clone());
            ((target, reason, destinations.join(" ")), exception.until)
        })
        .collect()
}

fn changes(before: &Running, after: &Running, now: Timestamp) -> Vec<EventRecord> {
    let note = |kind,
                key: &(String, String, String),
                what: String,
                old: Option<&Timestamp>,
                new: Option<&Timestamp>| {
        let (target, reason, destinations) = key;
        let message = format!("the exception of {target} for {destinations} ({reason:?}) {what}");
        let text = |time: Option<&Timestamp>| time.map(ToString::to_string);
        EventRecord::note(kind, message, now).changed(text(old), text(new))
    };
    let started = after
        .iter()
        .filter_map(|(key, until)| match before.get(key) {
            None => Some(note(
                EventKind::ExceptionStarted,
                key,
                format!("is in force until {until}"),
                None,
                Some(until),
            )),
            Some(old) if old != until => {
                let what = format!("ends {until} in the place of {old}");
                Some(note(
                    EventKind::ExceptionChanged,
                    key,
                    what,
                    Some(old),
                    Some(until),
                ))
            }
            Some(_) => None,
        });
    let ended = before.iter().filter(|(key, _)| !after.contains_key(*key));
    let ended = ended.map(|(key, until)| {
        note(
            EventKind::ExceptionEnded,
            key,
            "has ended".to_owned(),
            Some(until),
            None,
        )
    });
    started.chain(ended).collect()
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
