//! The sections on events: their fields in JSON and in the journal, and their kinds.

use clap_mangen::roff::{Inline, Roff, bold, roman};

use crate::core::EventRecord;
use crate::core::{ALARM_CLEARED, ALARM_RAISED, EventKind};
use crate::doctor::test_data;

/// Each field of an event: its key in JSON, its name in the journal, and its meaning.
const FIELDS: [(&str, &str, &str); 26] = [
    (
        "sequence",
        "",
        "The number of the event. Numbers rise, over restarts where events are kept on the disk ([log]).",
    ),
    (
        "time",
        "",
        "Time of the event; of several denials, the latest time of the last one. The journal has its own timestamp.",
    ),
    (
        "verdict",
        "EGRESS_VERDICT",
        "deny; audit where audit mode allowed it; note for a change.",
    ),
    (
        "reason",
        "EGRESS_REASON",
        "Of a denial the rule that decided, as in explain, or suppressed in a summary of denials without an event. Of a note the kind of change.",
    ),
    (
        "message",
        "MESSAGE",
        "A sentence, in notes and summaries; in the journal, in each event.",
    ),
    ("old", "EGRESS_OLD", "The value before a change."),
    ("new", "EGRESS_NEW", "The value after a change."),
    (
        "destination",
        "EGRESS_DESTINATION",
        "The destination address; behind a NAT64 prefix the IPv4 address.",
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
        "The server name in the TLS ClientHello, where it is the reason of the denial.",
    ),
    (
        "queried-name",
        "EGRESS_QUERIED_NAME",
        "The name of a storage account or registry that led to the destination: the process's cgroup asked DNS for it in the last day, or else another program of this host, such as its resolver.",
    ),
    (
        "queried-by-other",
        "",
        "true if another program asked for queried-name. Customers share addresses, so the process may have wanted another name; suggest, check --diff and report do not use it.",
    ),
    (
        "hook",
        "EGRESS_HOOK",
        "The kernel program that decided: egress (on a packet), connect4, connect6, sendmsg4, sendmsg6 or setsockopt (on a system call), device (on a frame).",
    ),
    (
        "device",
        "EGRESS_DEVICE",
        "The network device that the frame was to leave by, where the hook is device; its index if it is gone.",
    ),
    (
        "source",
        "EGRESS_SOURCE",
        "The source address of a frame that no socket of this host sends, as of a container behind a bridge, where the hook is device.",
    ),
    (
        "option",
        "EGRESS_OPTION",
        "The socket option, where the hook is setsockopt: there is no destination then.",
    ),
    (
        "pid",
        "EGRESS_PID",
        "The process that made the call or opened the socket.",
    ),
    ("uid", "EGRESS_UID", "Its user."),
    ("command", "EGRESS_COMMAND", "Its command name."),
    (
        "executable",
        "EGRESS_EXECUTABLE",
        "Its executable, where it was still running.",
    ),
    (
        "cgroup",
        "EGRESS_CGROUP",
        "The path of its cgroup below the root of the tree.",
    ),
    (
        "unit",
        "EGRESS_UNIT",
        "The systemd unit that the cgroup belongs to; egress-enforcer-prove for attempts of prove.",
    ),
    (
        "container",
        "EGRESS_CONTAINER",
        "The id of the container that the cgroup belongs to.",
    ),
    (
        "duplicates",
        "EGRESS_COUNT",
        "The number of further denials in this event; EGRESS_COUNT is their total, one more.",
    ),
];

const FEW: &str = "The first denial of a process, destination, port, protocol, server name and reason in each window of ten seconds is an event at once; \
    a second event after the window has the number of further ones. For a cgroup with more than 256 events at once or 10 a second for long, summaries per cgroup (reason \
    suppressed) replace events, so that every denial is counted. Connecting a datagram or raw socket sends nothing: a denied call is counted in the metrics and is no event. \
    The last 1,024 events are kept; beyond that, the unit (else container, else cgroup) with the most events loses its oldest, which leaves a gap in the sequence numbers.";
const JOURNAL: &str = "Where standard error is connected to the journal, each event is one entry with a sentence and these fields. MESSAGE_ID identifies its kind: \
    journalctl MESSAGE_ID=";

/// Writes an entry of a list: a head and a text.
pub(super) fn entry(page: &mut Roff, head: Inline, text: &str) {
    page.control("TP", []);
    page.text([head]);
    page.text([roman(text)]);
}

/// Writes the sections.
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
        bold(EventKind::Denied.message_id()),
        roman(" finds denials."),
    ]);
    for kind in EventKind::ALL {
        let text = format!("EGRESS_KIND={}: {}", kind.word(), kind.about());
        entry(page, bold(kind.message_id()), &text);
    }
    for (id, text) in [
        (
            ALARM_RAISED,
            "An alarm is raised; EGRESS_ALARM is its kind, as in status --json.",
        ),
        (ALARM_CLEARED, "The alarm is cleared."),
    ] {
        entry(page, bold(id), text);
    }
}

#[test]
fn the_manual_has_every_field_of_an_event() {
    use std::net::IpAddr;

    let event = EventRecord {
        message: Some(String::new()),
        old: Some(String::new()),
        new: Some(String::new()),
        server_name: Some(String::new()),
        queried_name: Some("a.b".parse().unwrap()),
        queried_by_other: true,
        device: Some(String::new()),
        source: Some(IpAddr::from([0; 4])),
        option: Some(String::new()),
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
fn the_manual_has_every_field_of_the_journal() {
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
