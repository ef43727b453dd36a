//! The sections about events: their fields in JSON and in the journal, and their kinds.

use clap_mangen::roff::{Roff, bold, roman};

use super::entry;
use crate::control::EventRecord;
use crate::control::event_kinds::{ALARM_CLEARED, ALARM_RAISED, KINDS};
use crate::doctor::test_data;

/// Each field of an event: its name in JSON, in the journal, and what it holds.
const FIELDS: [(&str, &str, &str); 21] = [
    (
        "sequence",
        "",
        "The number of the event, from 1 at each start of the daemon.",
    ),
    (
        "time",
        "",
        "When it happened; of several denials, when the last one may have. The journal has a time of its own.",
    ),
    (
        "verdict",
        "EGRESS_VERDICT",
        "deny; audit where audit mode let it pass; note where something changed.",
    ),
    (
        "reason",
        "EGRESS_REASON",
        "Of a denial the rule that decided, as explain names it; withheld where it sums up denials without an event of their own. Of a note what changed.",
    ),
    (
        "message",
        "MESSAGE",
        "Of notes and sums a sentence; the journal has one for each event.",
    ),
    ("old", "EGRESS_OLD", "Of a change the value before."),
    ("new", "EGRESS_NEW", "Of a change the value since."),
    (
        "destination",
        "EGRESS_DESTINATION",
        "The address that was judged; behind a NAT64 prefix the IPv4 address.",
    ),
    (
        "port",
        "EGRESS_PORT",
        "The destination port, where there is one.",
    ),
    (
        "protocol",
        "EGRESS_PROTOCOL",
        "tcp, udp, icmp, or the IP protocol number.",
    ),
    (
        "names",
        "EGRESS_NAMES",
        "Allowed names that resolve to the destination; in the journal separated by spaces.",
    ),
    (
        "server-name",
        "EGRESS_SERVER_NAME",
        "The server name in the TLS ClientHello, where it was denied for that.",
    ),
    (
        "hook",
        "EGRESS_HOOK",
        "The kernel program that judged: egress (a packet), connect4, connect6, sendmsg4 or sendmsg6 (a call).",
    ),
    (
        "pid",
        "EGRESS_PID",
        "The process that called, or that opened the socket.",
    ),
    ("uid", "EGRESS_UID", "Its user."),
    ("command", "EGRESS_COMMAND", "Its command name."),
    (
        "executable",
        "EGRESS_EXECUTABLE",
        "Its program, where it still ran.",
    ),
    (
        "cgroup",
        "EGRESS_CGROUP",
        "The path of its cgroup below the root of the tree.",
    ),
    (
        "unit",
        "EGRESS_UNIT",
        "The systemd unit that the cgroup belongs to.",
    ),
    (
        "container",
        "EGRESS_CONTAINER",
        "The id of the container that the cgroup belongs to.",
    ),
    (
        "folded",
        "EGRESS_COUNT",
        "How many further denials the event stands for; EGRESS_COUNT has one more: all of them.",
    ),
];

const FEW: &str = "The first denial of a process, destination, port, protocol, server name and reason in each window of ten seconds is an event at once; \
    a second event after the window says how many followed. A cgroup that would make more than 256 events at once or 10 a second for long gets sums by cgroup in their place \
    (reason withheld): no denial is left uncounted. Connecting a datagram or raw socket sends nothing and is no event, but a refused call in the metrics. \
    The last 1,024 events are held; beyond that, the unit (else container, else cgroup) with the most loses its oldest, which leaves a gap in the numbers.";
const JOURNAL: &str = "Where standard error leads to the journal, each event is one entry: a sentence and these fields. MESSAGE_ID says what kind it is: \
    journalctl MESSAGE_ID=";

pub(super) fn sections(page: &mut Roff) {
    page.control("SH", ["EVENTS"]);
    page.text([roman(FEW)]);
    for (json, journal, text) in FIELDS {
        let head = match journal {
            "" => json.to_owned(),
            journal => format!("{json}, {journal}"),
        };
        entry(page, bold(head), text);
    }
    page.control("SH", ["JOURNAL"]);
    page.text([
        roman(JOURNAL),
        bold(KINDS[0].message_id),
        roman(" finds denials."),
    ]);
    for kind in KINDS {
        let text = format!("EGRESS_KIND={}: {}", kind.word, kind.about);
        entry(page, bold(kind.message_id), &text);
    }
    for (id, text) in [
        (
            ALARM_RAISED,
            "An alarm is raised; EGRESS_ALARM holds its kind, as status --json has it.",
        ),
        (ALARM_CLEARED, "The alarm is over."),
    ] {
        entry(page, bold(id), text);
    }
}

#[test]
fn every_field_of_an_event_is_in_the_manual() {
    let event = EventRecord {
        message: Some(String::new()),
        old: Some(String::new()),
        new: Some(String::new()),
        server_name: Some(String::new()),
        ..test_data::event()
    };
    let json = serde_json::to_value(event).unwrap();
    let mut fields: Vec<&String> = json.as_object().unwrap().keys().collect();
    let mut known: Vec<&str> = FIELDS.iter().map(|(json, _, _)| *json).collect();
    fields.sort_unstable();
    known.sort_unstable();
    assert_eq!(fields, known);
}

#[test]
fn every_field_of_the_journal_is_in_the_manual() {
    let log = include_str!("../../daemon/journal.rs");
    let logged = log.lines().filter_map(|line| {
        let name = line.trim().split_once(" = ")?.0;
        name.starts_with("egress_").then(|| name.to_uppercase())
    });
    let logged: Vec<String> = logged.filter(|name| name != "EGRESS_KIND").collect();
    let mut known: Vec<&str> = FIELDS.iter().map(|(_, journal, _)| *journal).collect();
    known.retain(|name| name.starts_with("EGRESS_"));
    assert_eq!(logged, known);
}
