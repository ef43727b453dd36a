//! What needs somebody's attention: raised once, told until it is mended.

use std::collections::BTreeMap;

use jiff::Timestamp;

use crate::control::Alarm;
use crate::control::event_kinds::{ALARM_CLEARED, ALARM_RAISED};

/// The kind of the alarm that the configuration's file is not in force.
pub(super) const CONFIG_REFUSED: &str = "config-refused";

/// The alarms that stand, by kind and what they are about.
#[derive(Clone, Debug, Default)]
pub(super) struct Alarms {
    standing: BTreeMap<(&'static str, String), Alarm>,
}

impl Alarms {
    /// Raises an alarm about `subject`, or renews the message of one that stands; only a new one is logged.
    pub(super) fn raise(&mut self, kind: &'static str, subject: &str, message: impl Into<String>) {
        let message = message.into();
        if !self.stands(kind, subject) {
            tracing::warn!(
                message_id = ALARM_RAISED,
                egress_alarm = kind,
                "alarm {kind}: {message}"
            );
        }
        self.put(kind, subject, message);
    }

    fn put(&mut self, kind: &'static str, subject: &str, message: String) {
        let alarm = self.standing.entry((kind, subject.to_owned()));
        let alarm = alarm.or_insert_with(|| Alarm {
            kind: kind.to_owned(),
            since: Timestamp::now(),
            message: String::new(),
        });
        alarm.message = message;
    }

    /// Has the alarm about nothing in particular stand or not, without a log line: for a copy that is shown.
    pub(super) fn show(&mut self, kind: &'static str, message: Option<String>) {
        match message {
            Some(message) => self.put(kind, "", message),
            None => drop(self.standing.remove(&(kind, String::new()))),
        }
    }

    /// Ends the alarm about `subject`, if one stands.
    pub(super) fn clear(&mut self, kind: &'static str, subject: &str) {
        if let Some(alarm) = self.standing.remove(&(kind, subject.to_owned())) {
            tracing::info!(
                message_id = ALARM_CLEARED,
                egress_alarm = kind,
                "alarm {kind} ended: {}",
                alarm.message
            );
        }
    }

    /// Whether an alarm about `subject` stands.
    pub(super) fn stands(&self, kind: &'static str, subject: &str) -> bool {
        self.standing.contains_key(&(kind, subject.to_owned()))
    }

    /// What the standing alarms of `kind` are about.
    pub(super) fn subjects(&self, kind: &'static str) -> Vec<String> {
        let of_kind = self.standing.keys().filter(|key| key.0 == kind);
        of_kind.map(|key| key.1.clone()).collect()
    }

    /// Raises the alarm where there is a message, else ends it.
    pub(super) fn set(&mut self, kind: &'static str, subject: &str, message: Option<String>) {
        match message {
            Some(message) => self.raise(kind, subject, message),
            None => self.clear(kind, subject),
        }
    }

    /// Makes the alarms of `kind` exactly these, by subject and message.
    pub(super) fn replace(&mut self, kind: &'static str, now: &BTreeMap<String, String>) {
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

    /// All of them.
    pub(super) fn all(&self) -> Vec<Alarm> {
        self.standing.values().cloned().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_alarm_keeps_its_start_while_it_stands() {
        let mut alarms = Alarms::default();
        alarms.raise("name-failing", "contoso.azurecr.io", "first");
        let since = alarms.all()[0].since;
        alarms.raise("name-failing", "contoso.azurecr.io", "second");
        assert_eq!(alarms.all().len(), 1);
        assert_eq!(
            (alarms.all()[0].since, alarms.all()[0].message.as_str()),
            (since, "second")
        );
        alarms.clear("name-failing", "contoso.azurecr.io");
        assert!(alarms.all().is_empty());
    }

    #[test]
    fn replacing_ends_what_is_not_named() {
        let mut alarms = Alarms::default();
        alarms.raise("a", "1", "one");
        alarms.raise("b", "1", "other kind");
        alarms.replace("a", &BTreeMap::from([("2".to_owned(), "two".to_owned())]));
        let standing: Vec<String> = alarms
            .all()
            .into_iter()
            .map(|alarm| alarm.message)
            .collect();
        assert_eq!(standing, ["two", "other kind"]);
    }
}
