//! Events of denials: process, destination, and exact counts.

use std::{collections::BTreeMap, thread, time::Duration};

use anyhow::{Context, Result};
use enforcer::control::EventRecord;
use lab::{
    Lab,
    fixtures::{enforcer::Enforcer, process::Running, process_env::ProcessEnv},
};

use crate::{MINUTE, REGIONS};

/// Longer than the kernel's deduplication window (10 s) and the daemon's subsequent delay.
const REPORTED_WITHIN: Duration = Duration::from_secs(20);
/// The window, and more than the delay.
const WINDOW_AND_DELAY: Duration = Duration::from_secs(12);
const DENIALS: u64 = 200;

#[test]
fn denials_of_one_process_are_deduplicated_counted_and_reported_with_its_name() -> Result<()> {
    let lab = Lab::start()?;
    let enforcer = Enforcer::start(&lab, &REGIONS, "")?;
    let pid = send_many(&lab.device())?;
    let status = enforcer.api_status()?;
    assert_eq!(status.counters.denied(), DENIALS);
    assert_eq!(status.counters.lost_events, 0);
    assert_eq!(denials_in(&enforcer.metrics()?)?, DENIALS);

    enforcer.await_api_status("the duplicates are reported", REPORTED_WITHIN, |_status| {
        enforcer
            .events()
            .is_ok_and(|events| denials_of(&events) == DENIALS)
    })?;
    let events = enforcer.events()?;
    assert!(
        events.len() <= 4,
        "at most two events per window: {events:#?}"
    );
    let scope = lab.device_cgroup().path();
    for event in &events {
        assert_eq!(event.pid, Some(pid), "{event:?}");
        assert_eq!(event.command.as_deref(), Some("leaker"), "{event:?}");
        assert_eq!(event.uid, Some(0));
        assert_eq!(event.destination, Some("203.0.113.66".parse()?));
        assert_eq!((event.port, event.protocol.as_str()), (Some(443), "udp"));
        assert_eq!(
            (event.verdict.as_str(), event.reason.as_str()),
            ("deny", "storage")
        );
        let cgroup = event.cgroup.as_deref().context("no cgroup")?;
        assert!(scope.ends_with(cgroup.strip_prefix("/")?), "{event:?}");
    }

    // A daemon that is held up until the window can be summed up reads the records first.
    let known = events.len();
    send_many(&lab.device())?;
    enforcer.await_api_status("one is reported", REPORTED_WITHIN, |_status| {
        enforcer.events().is_ok_and(|events| events.len() > known)
    })?;
    enforcer.signal(libc::SIGSTOP)?;
    let held_up = send_many(&lab.device())?;
    thread::sleep(WINDOW_AND_DELAY);
    enforcer.signal(libc::SIGCONT)?;
    enforcer.await_api_status("they are reported", REPORTED_WITHIN, |_status| {
        let events = enforcer.events();
        events.is_ok_and(|events| denials_of(&events) == 3 * DENIALS)
    })?;
    let events = enforcer.events()?.into_iter();
    let mut of_it = events.filter(|event| event.pid == Some(held_up));
    assert!(of_it.all(|event| event.command.as_deref() == Some("leaker")));
    Ok(())
}

/// Denials of five processes over TCP, UDP and a protocol without ports; 200 per process.
const MIXED: [[u64; 3]; 5] = [
    [60, 70, 70],
    [62, 69, 69],
    [64, 68, 68],
    [66, 67, 67],
    [68, 66, 66],
];
/// A program that connects datagram sockets, as getaddrinfo and Go do, then causes denials of each protocol, all to one address.
const MIXED_DENIALS: &str = "\
import socket, sys
def refused(act):
    try:
        act()
    except PermissionError:
        return
    sys.exit('not refused')
def opened(kind, protocol=0):
    return socket.socket(socket.AF_INET, kind, protocol)
to = ('203.0.113.66', 443)
tcp, udp, other = map(int, sys.argv[1:])
for _ in range(5):
    refused(lambda: opened(socket.SOCK_DGRAM).connect(to))
for _ in range(tcp):
    refused(lambda: opened(socket.SOCK_STREAM).connect(to))
for _ in range(udp):
    refused(lambda: opened(socket.SOCK_DGRAM).sendto(b'data', to))
for _ in range(other):
    refused(lambda: opened(socket.SOCK_RAW, 253).sendto(b'data', ('203.0.113.66', 0)))
";

#[test]
fn a_thousand_denials_are_reported_by_process_and_protocol_with_exact_counts() -> Result<()> {
    let lab = Lab::start()?;
    let enforcer = Enforcer::start(&lab, &REGIONS, "")?;
    let mut expected = BTreeMap::new();
    let mut processes = Vec::new();
    for counts in MIXED {
        let mut python = lab.device().command("python3");
        python.args(["-S", "-B", "-c", MIXED_DENIALS]);
        python.args(counts.map(|count| count.to_string()));
        let process = Running::start("mixed", python)?;
        for (protocol, count) in ["tcp", "udp", "253"].into_iter().zip(counts) {
            expected.insert((process.pid(), protocol.to_owned()), count);
        }
        processes.push(process);
    }
    for process in &mut processes {
        let status = process.wait(MINUTE)?.context("a process does not end")?;
        assert!(status.success());
    }
    enforcer.await_api_status("all denials are reported", REPORTED_WITHIN, |_status| {
        enforcer
            .events()
            .is_ok_and(|events| denials_of(&events) >= 1000)
    })?;
    let events = enforcer.events()?;
    let mut counts = BTreeMap::new();
    for event in &events {
        let pid = event.pid.context("a process is not known")?;
        let command = event.command.as_deref().unwrap_or_default();
        assert!(command.starts_with("python"), "{event:?}");
        *counts.entry((pid, event.protocol.clone())).or_default() += 1 + event.duplicates;
    }
    assert_eq!(counts, expected);
    let counters = enforcer.api_status()?.counters;
    assert_eq!(counters.attempts("deny"), 1000);
    assert_eq!(
        counters.denied(),
        1000 + 5 * 5,
        "connect() of a datagram socket is a call, but not an attempt"
    );
    let log = enforcer.log();
    assert!(
        log.contains("tcp to 203.0.113.66:443: an Azure storage address"),
        "{log}"
    );
    Ok(())
}

/// Runs a process named `leaker` that sends [`DENIALS`] datagrams to the bad actor's account; returns its id.
fn send_many(env: &ProcessEnv) -> Result<u32> {
    let mut python = env.command("python3");
    python.args(["-S", "-B", "-c"]).arg(format!(
        "import contextlib, socket\n\
         open('/proc/self/comm', 'w').write('leaker')\n\
         for _ in range({DENIALS}):\n\
         \x20with contextlib.suppress(PermissionError):\n\
         \x20 socket.socket(type=socket.SOCK_DGRAM).sendto(b'data', ('203.0.113.66', 443))"
    ));
    let mut running = Running::start("leaker", python)?;
    running.wait(MINUTE)?.context("leaker does not end")?;
    Ok(running.pid())
}

/// Returns the number of denials that the events represent.
fn denials_of(events: &[EventRecord]) -> u64 {
    events.iter().map(|event| 1 + event.duplicates).sum()
}

/// Returns the number of denials in the metrics, and checks the syntax of every line.
fn denials_in(metrics: &str) -> Result<u64> {
    let mut denials = 0;
    assert_eq!(metrics.lines().last(), Some("# EOF"), "{metrics}");
    for line in metrics.lines().filter(|line| !line.starts_with("# ")) {
        let (series, value) = line.rsplit_once(' ').with_context(|| line.to_owned())?;
        let value: f64 = value.parse().with_context(|| line.to_owned())?;
        let (name, labels) = series.split_once('{').unwrap_or((series, "}"));
        assert!(name.starts_with("egress_enforcer"), "{line}");
        assert!(labels.ends_with('}'), "{line}");
        if name == "egress_enforcer_decisions_total" && labels.contains("verdict=\"deny\"") {
            denials += value as u64;
        }
    }
    Ok(denials)
}
