//! The kinds of events and their journal message ids.

use crate::word_enum::word_enum;

/// The verdict of records that are not denials.
pub const NOTE: &str = "note";
/// `MESSAGE_ID` of a raised alarm; EGRESS_ALARM holds its kind.
pub const ALARM_RAISED: &str = "4485649f13674a22bf248b65ff28bb6e";
/// `MESSAGE_ID` of a cleared alarm.
pub const ALARM_CLEARED: &str = "5beb3949dcca446196d7c6c649a8d4b0";

word_enum! {
    /// A kind of event: EGRESS_KIND in the journal, and the reason of records for notes and totals.
    pub enum EventKind {
        /// A packet or call was denied.
        Denied => "denied",
        /// A packet or call that would be denied passed in audit mode.
        Audited => "audited",
        /// The number of denials without a separate event.
        Suppressed => "suppressed",
        /// The mode changed.
        Mode => "mode",
        /// An exception came into force.
        ExceptionStarted => "exception-started",
        /// The end of an exception moved.
        ExceptionChanged => "exception-changed",
        /// An exception ended.
        ExceptionEnded => "exception-ended",
        /// A program, a pin or the settings in the maps were restored.
        HookRestored => "hook-restored",
        /// Names of a registry were added or removed.
        Names => "names",
        /// The service tags changed.
        ServiceTags => "service-tags",
        /// A source began to fail.
        SourceFailing => "source-failing",
        /// A source recovered.
        SourceRecovered => "source-recovered",
        /// Events are missing in the event log on the disk.
        EventLog => "event-log",
        /// A reason unknown to this version.
        Other => "note",
    }
}

impl EventKind {
    /// Whether something was denied, or would have been without audit mode.
    pub const fn is_denial(self) -> bool {
        matches!(self, Self::Denied | Self::Audited | Self::Suppressed)
    }

    /// Returns the `MESSAGE_ID` in the journal (systemd.journal-fields(7)); it never changes.
    pub const fn message_id(self) -> &'static str {
        match self {
            Self::Denied => "99c7316c0a1f4dd68a0f44c26556da5f",
            Self::Audited => "cfcfad71423a4998b5c79081e9e66282",
            Self::Suppressed => "32344d71986243438e5ed90528ad7919",
            Self::Mode => "5d660d323ec74b14a1a989a7e18411f2",
            Self::ExceptionStarted => "8cd4d462355c46d4b3b918ea07497ca9",
            Self::ExceptionChanged => "fffa777b74724597b68f96b157f99a40",
            Self::ExceptionEnded => "21ac8f8121084c1b8d4db50f953552c8",
            Self::HookRestored => "4b9afd45cf4141f5b8d8502367a788f1",
            Self::Names => "c4efb8c4f72a4827a80f443f548e479a",
            Self::ServiceTags => "36e78bb04beb48d1ada1ca6bca96e7b6",
            Self::SourceFailing => "dc3c9a82886b431bba45dd2136a5930b",
            Self::SourceRecovered => "b863eec436874e96a868c61e36976598",
            Self::EventLog => "61de9df0bd6f4cd29e16ba4ac5ea2b3c",
            Self::Other => "d0a966800bf84921ac958bf07bfdb811",
        }
    }

    /// Describes the event, for the manual.
    pub const fn about(self) -> &'static str {
        match self {
            Self::Denied => "A packet or call was denied.",
            Self::Audited => "A packet or call would be denied; in audit mode it passed.",
            Self::Suppressed => {
                "The number of denials of a cgroup that caused too many for an event each."
            }
            Self::Mode => "Enforcement or audit mode began.",
            Self::ExceptionStarted => "An exception is in force; reported at each start, too.",
            Self::ExceptionChanged => "The end of an exception moved.",
            Self::ExceptionEnded => "An exception reached its end, or left the configuration.",
            Self::HookRestored => {
                "A kernel program, a pin or the settings in the maps were removed or changed, and are restored."
            }
            Self::Names => "Names of a registry came or went.",
            Self::ServiceTags => "Other service tags are in force.",
            Self::SourceFailing => "A source of names or service tags began to fail.",
            Self::SourceRecovered => "A source that failed is good again, or no source any more.",
            Self::EventLog => {
                "Events are missing in the event log on the disk; the journal has them."
            }
            Self::Other => "Anything else that changed; EGRESS_REASON names it.",
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::super::test_data::event;
    use super::*;

    #[test]
    fn every_kind_has_a_unique_message_id() {
        let ids: HashSet<_> = EventKind::ALL
            .iter()
            .map(|kind| kind.message_id())
            .collect();
        assert_eq!(ids.len(), EventKind::ALL.len());
        let is_id = |id: &&str| id.len() == 32 && id.bytes().all(|byte| byte.is_ascii_hexdigit());
        assert!(ids.iter().all(is_id));
    }

    #[test]
    fn a_record_derives_its_kind_from_verdict_or_reason() {
        let of = |verdict: &str, reason: &str| {
            let record = crate::core::EventRecord {
                verdict: verdict.to_owned(),
                reason: reason.to_owned(),
                ..event()
            };
            record.kind().word()
        };
        assert_eq!(of("deny", "storage"), "denied");
        assert_eq!(of("audit", "registry"), "audited");
        assert_eq!(of("audit", "suppressed"), "suppressed");
        assert_eq!(of("note", "mode"), "mode");
        assert_eq!(of("note", "of a later version"), "note");
    }
}
