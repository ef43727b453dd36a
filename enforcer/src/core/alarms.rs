//! Alarms: raised once, reported until the problem is fixed.

use std::collections::BTreeMap;

use jiff::Timestamp;

use super::alarm_kind::AlarmKind;
use super::effect::Effect;
use super::snapshot::Alarm;

/// Raised alarms, by kind and subject.
#[derive(Clone, Debug, Default)]
pub(super) struct Alarms {
    raised: BTreeMap<(AlarmKind, String), Alarm>,
    now: Timestamp,
    /// Transitions not yet logged.
    effects: Vec<Transition>,
}

/// An alarm that was raised or cleared.
#[derive(Clone, Debug)]
struct Transition {
    kind: AlarmKind,
    message: String,
    raised: bool,
}

impl Alarms {
    /// Sets the wall time for alarms raised from now on.
    pub(super) fn set_time(&mut self, now: Timestamp) {
        self.now = now;
    }

    /// Returns log effects for alarms raised and cleared since the last call.
    pub(super) fn take_effects(&mut self) -> impl Iterator<Item = Effect> + use<> {
        let transitions = std::mem::take(&mut self.effects);
        transitions.into_iter().map(|transition| {
            let Transition { kind, message, .. } = transition;
            match transition.raised {
                true => Effect::AlarmRaised(kind, message),
                false => Effect::AlarmCleared(kind, message),
            }
        })
    }

    /// Raises an alarm about `subject`, or updates the message of a raised one; only new alarms are logged.
    pub(super) fn raise(&mut self, kind: AlarmKind, subject: &str, message: impl Into<String>) {
        let message = message.into();
        let alarm = self.raised.entry((kind, subject.to_owned()));
        if let std::collections::btree_map::Entry::Vacant(_) = &alarm {
            self.effects.push(Transition {
                kind,
                message: message.clone(),
                raised: true,
            });
        }
        let alarm = alarm.or_insert_with(|| Alarm {
            kind: kind.word().to_owned(),
            since: self.now,
            message: String::new(),
        });
        alarm.message = message;
    }

    /// Clears the alarm about `subject`, if raised.
    pub(super) fn clear(&mut self, kind: AlarmKind, subject: &str) {
        if let Some(alarm) = self.raised.remove(&(kind, subject.to_owned())) {
            self.effects.push(Transition {
                kind,
                message: alarm.message,
                raised: false,
            });
        }
    }

    /// Returns the subjects of the raised alarms of `kind`.
    pub(super) fn subjects(&self, kind: AlarmKind) -> Vec<String> {
        let of_kind = self.raised.keys().filter(|key| key.0 == kind);
        of_kind.map(|key| key.1.clone()).collect()
    }

    /// Raises the alarm if there is a message, else clears it.
    pub(super) fn set(&mut self, kind: AlarmKind, subject: &str, message: Option<String>) {
        match message {
            Some(message) => self.raise(kind, subject, message),
            None => self.clear(kind, subject),
        }
    }

    /// Replaces all alarms of `kind` with these, by subject and message.
    pub(super) fn replace(&mut self, kind: AlarmKind, now: &BTreeMap<String, String>) {
        for subject in self
            .subjects(kind)
            .iter()
            .filter(|subject| !now.contains_key(*subject))
        {
            self.clear(kind, subject);
        }
        for (subject, message) in now {
            self.raise(kind, subject, message);
        }
    }

    /// Returns all raised alarms, ordered by kind.
    pub(super) fn all(&self) -> Vec<Alarm> {
        self.raised.values().cloned().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_raised_alarm_keeps_its_start_time_and_is_logged_once() {
        let mut alarms = Alarms::default();
        let kind = AlarmKind::NameFailing;
        alarms.raise(kind, "contoso.azurecr.io", "first");
        let since = alarms.all()[0].since;
        alarms.set_time(since + jiff::SignedDuration::from_secs(1));
        alarms.raise(kind, "contoso.azurecr.io", "second");
        assert_eq!(alarms.all().len(), 1);
        assert_eq!(
            (alarms.all()[0].since, alarms.all()[0].message.as_str()),
            (since, "second")
        );
        alarms.clear(kind, "contoso.azurecr.io");
        assert!(alarms.all().is_empty());
        let logged: Vec<Effect> = alarms.take_effects().collect();
        let [
            Effect::AlarmRaised(_, raised),
            Effect::AlarmCleared(_, cleared),
        ] = &logged[..]
        else {
            panic!("{logged:?}");
        };
        assert_eq!((raised.as_str(), cleared.as_str()), ("first", "second"));
    }

    #[test]
    fn replacing_clears_alarms_that_are_not_listed() {
        let mut alarms = Alarms::default();
        alarms.raise(AlarmKind::AnswerRefused, "1", "one");
        alarms.raise(AlarmKind::NameFailing, "1", "other kind");
        let now = BTreeMap::from([("2".to_owned(), "two".to_owned())]);
        alarms.replace(AlarmKind::AnswerRefused, &now);
        let messages: Vec<String> = alarms
            .all()
            .into_iter()
            .map(|alarm| alarm.message)
            .collect();
        assert_eq!(messages, ["two", "other kind"]);
    }
}
