//! The kinds of events, each with the id by which the journal finds it.

use super::EventRecord;

/// The verdict of records that are no denial.
pub const NOTE: &str = "note";
/// The reason of records that stand for denials without an event of their own.
pub const WITHHELD: &str = "withheld";
/// The reason of notes of another mode.
pub const MODE: &str = "mode";
/// The reasons of notes of exceptions.
pub const EXCEPTION_BEGUN: &str = "exception-begun";
/// See [`EXCEPTION_BEGUN`].
pub const EXCEPTION_CHANGED: &str = "exception-changed";
/// See [`EXCEPTION_BEGUN`].
pub const EXCEPTION_ENDED: &str = "exception-ended";
/// The reason of notes of programs and pins that were gone and are there again.
pub const HOOK_RESTORED: &str = "hook-restored";

/// `MESSAGE_ID` of an alarm that is raised; EGRESS_ALARM holds its kind.
pub const ALARM_RAISED: &str = "4485649f13674a22bf248b65ff28bb6e";
/// `MESSAGE_ID` of an alarm that is cleared.
pub const ALARM_CLEARED: &str = "5beb3949dcca446196d7c6c649a8d4b0";

/// A kind of event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EventKind {
    /// "denied", "audited", or the reason of the record.
    pub word: &'static str,
    /// `MESSAGE_ID` in the journal (systemd.journal-fields(7)); never changes.
    pub message_id: &'static str,
    /// What happened, for the manual.
    pub about: &'static str,
}

const fn kind(word: &'static str, message_id: &'static str, about: &'static str) -> EventKind {
    EventKind {
        word,
        message_id,
        about,
    }
}

/// Every kind. The last one is that of notes that are not listed.
pub const KINDS: [EventKind; 13] = [
    kind(
        "denied",
        "99c7316c0a1f4dd68a0f44c26556da5f",
        "A packet or call was denied.",
    ),
    kind(
        "audited",
        "cfcfad71423a4998b5c79081e9e66282",
        "A packet or call would be denied; in audit mode it passed.",
    ),
    kind(
        WITHHELD,
        "32344d71986243438e5ed90528ad7919",
        "The number of denials of a cgroup that made more than an event each would tell.",
    ),
    kind(
        MODE,
        "5d660d323ec74b14a1a989a7e18411f2",
        "Enforcement or audit mode began.",
    ),
    kind(
        EXCEPTION_BEGUN,
        "8cd4d462355c46d4b3b918ea07497ca9",
        "An exception is in force; said at each start, too.",
    ),
    kind(
        EXCEPTION_CHANGED,
        "fffa777b74724597b68f96b157f99a40",
        "The end of an exception moved.",
    ),
    kind(
        EXCEPTION_ENDED,
        "21ac8f8121084c1b8d4db50f953552c8",
        "An exception reached its end, or left the configuration.",
    ),
    kind(
        HOOK_RESTORED,
        "4b9afd45cf4141f5b8d8502367a788f1",
        "A kernel program was detached or lost its pin, and was attached again.",
    ),
    kind(
        "names",
        "c4efb8c4f72a4827a80f443f548e479a",
        "Names of a registry came or went.",
    ),
    kind(
        "service-tags",
        "36e78bb04beb48d1ada1ca6bca96e7b6",
        "Other service tags are in force.",
    ),
    kind(
        "source-failing",
        "dc3c9a82886b431bba45dd2136a5930b",
        "A source of names or service tags began to fail.",
    ),
    kind(
        "source-mended",
        "b863eec436874e96a868c61e36976598",
        "A source that failed is good again, or no source any more.",
    ),
    kind(
        "note",
        "d0a966800bf84921ac958bf07bfdb811",
        "Anything else that changed; EGRESS_REASON names it.",
    ),
];

impl EventRecord {
    /// Whether it is no denial, nor a sum of denials.
    pub fn is_note(&self) -> bool {
        self.verdict == NOTE
    }

    /// What kind of event this is.
    pub fn kind(&self) -> &'static EventKind {
        let word = match self.verdict.as_str() {
            _ if self.reason == WITHHELD => WITHHELD,
            "deny" => "denied",
            "audit" => "audited",
            _ => self.reason.as_str(),
        };
        let [.., other] = &KINDS;
        KINDS.iter().find(|kind| kind.word == word).unwrap_or(other)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::super::test_data::event;
    use super::*;

    #[test]
    fn every_kind_has_a_message_id_of_its_own() {
        let ids: HashSet<_> = KINDS.iter().map(|kind| kind.message_id).collect();
        assert_eq!(ids.len(), KINDS.len());
        let is_id = |id: &&str| id.len() == 32 && id.bytes().all(|byte| byte.is_ascii_hexdigit());
        assert!(ids.iter().all(is_id));
    }

    #[test]
    fn a_record_is_of_the_kind_that_its_verdict_or_reason_says() {
        let of = |verdict: &str, reason: &str| {
            let record = EventRecord {
                verdict: verdict.to_owned(),
                reason: reason.to_owned(),
                ..event()
            };
            record.kind().word
        };
        assert_eq!(of("deny", "storage"), "denied");
        assert_eq!(of("audit", "registry"), "audited");
        assert_eq!(of("audit", "withheld"), "withheld");
        assert_eq!(of("note", "mode"), "mode");
        assert_eq!(of("note", "of a later version"), "note");
    }
}
