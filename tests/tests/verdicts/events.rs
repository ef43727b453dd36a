//! Reporting of denials, which changes no verdict.

use std::net::IpAddr;

use anyhow::Result;
use enforcer::{bpf::EventReader, core::Counters, policy::Inputs};
use enforcer_common::{Event, Hook, Reason, Record};
use lab::{bpf::loaded_policy, topology::packet_counter::PacketCounter};
use test_data::packet::protocol;
use tokio::{
    runtime::{Builder, Runtime},
    time::{Duration, timeout},
};

use crate::{
    fixture::{EPERM, Fixture, Probe, await_true, protected},
    sockets::listen,
};

pub(crate) fn runtime() -> Result<Runtime> {
    Ok(Builder::new_current_thread().enable_all().build()?)
}

pub(crate) fn reader(runtime: &Runtime, fixture: &Fixture) -> Result<EventReader> {
    let _inside = runtime.enter();
    fixture.loaded.events()
}

/// Reads the events in the ring buffer.
pub(crate) fn drain(runtime: &Runtime, reader: &mut EventReader) -> Result<Vec<Event>> {
    runtime.block_on(async {
        let mut events = Vec::new();
        while let Ok(more) = timeout(Duration::from_millis(200), reader.next(512)).await {
            events.extend(more?.into_iter().filter_map(|record| match record {
                Record::Denial(event) => Some(event),
                Record::Named(_) | Record::DnsObservation(_) | Record::NamedDnsObservation(_) => {
                    None
                }
            }));
        }
        Ok(events)
    })
}

pub(crate) fn fixture(audit: bool) -> Result<Fixture> {
    let mut fixture = Fixture::new()?;
    let inputs = Inputs {
        audit,
        default_allow: true,
        ..Inputs::default()
    };
    fixture.loaded.apply(&protected(), &inputs)?;
    fixture.attach()?;
    Ok(fixture)
}

fn mapped(address: &str) -> Result<[u8; 16]> {
    Ok(match address.parse()? {
        IpAddr::V4(address) => address.to_ipv6_mapped().octets(),
        IpAddr::V6(address) => address.octets(),
    })
}

fn count(counters: &Counters, hook: Hook, reason: Reason) -> u64 {
    counted(counters, hook, reason).0
}

/// Returns the numbers of packets or calls, and of attempts.
fn counted(counters: &Counters, hook: Hook, reason: Reason) -> (u64, u64) {
    let mut rows = counters.counts.iter();
    let row = rows.find(|row| row.hook == hook.word() && row.reason == reason.word());
    row.map_or((0, 0), |row| (row.count, row.attempts))
}

#[test]
fn an_event_reports_process_destination_hook_and_reason() -> Result<()> {
    let fixture = fixture(false)?;
    let runtime = runtime()?;
    let mut reader = reader(&runtime, &fixture)?;
    let device = loaded_policy::open(&fixture.device)?.id;
    for (method, to, hook, protocol, port) in [
        ("tcp", "203.0.113.100", Hook::Connect4, 6, 443),
        (
            "tcp-other-port",
            "2001:db8:b10b::100",
            Hook::Connect6,
            6,
            80,
        ),
        ("udp-sendto", "203.0.113.101", Hook::Sendmsg4, 17, 443),
        ("udp-sendto", "2001:db8:b10b::101", Hook::Sendmsg6, 17, 443),
        ("raw", "203.0.113.102", Hook::Egress, 253, 0),
        ("raw", "2001:db8:b10b::102", Hook::Egress, 253, 0),
        ("raw-udp", "203.0.113.103", Hook::Egress, 17, 443),
    ] {
        let outcome = fixture.run(&fixture.device, &[Probe::plain(method, to.parse()?)])?;
        assert_eq!(outcome[0].errno, EPERM);
        let events = drain(&runtime, &mut reader)?;
        let [event] = events.as_slice() else {
            panic!("{method}: expected one event, got {events:?}");
        };
        let command = String::from_utf8_lossy(&event.command);
        assert!(command.starts_with("python3"), "{method}: {command}");
        assert_ne!(event.pid, 0, "{method}");
        assert_eq!((event.uid, event.cgroup), (0, device), "{method}");
        assert_eq!(event.destination, mapped(to)?, "{method}");
        assert_eq!(
            (event.hook, event.reason),
            (hook as u8, Reason::Storage as u8),
            "{method}"
        );
        assert_eq!((event.protocol, event.port), (protocol, port), "{method}");
        assert_eq!(event.audited, 0, "{method}");
        assert!(count(&fixture.loaded.counters()?, hook, Reason::Storage) > 0);
    }
    Ok(())
}

#[test]
fn identical_denials_are_reported_once_and_counted() -> Result<()> {
    let mut fixture = fixture(false)?;
    let runtime = runtime()?;
    let mut reader = reader(&runtime, &fixture)?;
    let to = "203.0.113.110";
    let probes = vec![Probe::plain("udp-sendto", to.parse()?); 6];
    fixture.run(&fixture.device, &probes)?;
    let other = vec![Probe::plain("udp-sendto", "203.0.113.111".parse()?); 3];
    fixture.run(&fixture.device, &other)?;
    let events = drain(&runtime, &mut reader)?;
    let counted = fixture.loaded.kernel.maps.take_counted(u32::MAX)?;
    assert_eq!(counted.suppressed, []);
    for (to, denials) in [(to, 6), ("203.0.113.111", 3)] {
        let to = mapped(to)?;
        let reported = events.iter().filter(|event| event.destination == to);
        // One event per deduplication window during the process.
        assert!((1..=2).contains(&reported.count()), "{events:?}");
        let deduplicated = counted.deduplicated.iter();
        let deduplicated = deduplicated.filter(|(key, _)| key.destination == to);
        assert_eq!(
            deduplicated.map(|(_, entry)| entry.denials).sum::<u64>(),
            denials
        );
    }
    let again = fixture.loaded.kernel.maps.take_counted(u32::MAX)?;
    assert_eq!(
        (again.deduplicated, again.suppressed),
        (Vec::new(), Vec::new())
    );
    let counters = fixture.loaded.counters()?;
    assert_eq!(count(&counters, Hook::Sendmsg4, Reason::Storage), 9);
    assert_eq!(counters.denied(), 9);
    Ok(())
}

#[test]
fn a_refused_connect_of_a_datagram_socket_is_no_attempt_and_masks_no_later_event() -> Result<()> {
    let fixture = fixture(false)?;
    let runtime = runtime()?;
    let mut reader = reader(&runtime, &fixture)?;
    for (to, hook) in [
        ("203.0.113.140", Hook::Connect4),
        ("2001:db8:b10b::140", Hook::Connect6),
    ] {
        let ways = ["udp-connect-only", "udp-connect-only", "tcp"];
        let probes = ways.map(|method| Ok(Probe::plain(method, to.parse()?)));
        let probes: Result<Vec<Probe>> = probes.into_iter().collect();
        let outcomes = fixture.run(&fixture.device, &probes?)?;
        assert!(outcomes.iter().all(|outcome| outcome.errno == EPERM));
        let events = drain(&runtime, &mut reader)?;
        let protocols: Vec<u8> = events.iter().map(|event| event.protocol).collect();
        assert_eq!(protocols, [protocol::TCP], "{events:?}");
        let counters = fixture.loaded.counters()?;
        assert_eq!(counted(&counters, hook, Reason::Storage), (3, 1));
    }
    Ok(())
}

#[test]
fn retransmissions_of_a_denied_connection_count_as_one_attempt() -> Result<()> {
    let mut fixture = Fixture::new()?;
    let inputs = Inputs {
        default_allow: true,
        ..Inputs::default()
    };
    fixture.loaded.apply(&protected(), &inputs)?;
    let _server = listen(&fixture)?;
    let probes = [Probe::plain("early-connection", "203.0.113.150".parse()?)];
    let pending = fixture.start(&fixture.device, &probes)?;
    fixture.attach()?;
    pending.go(|| Ok(()))?;
    await_true("TCP retransmits the denied segment", || {
        Ok(count(&fixture.loaded.counters()?, Hook::Egress, Reason::Storage) >= 3)
    })?;
    let counters = fixture.loaded.counters()?;
    assert_eq!(counted(&counters, Hook::Egress, Reason::Storage).1, 1);
    Ok(())
}

#[test]
fn in_audit_mode_an_attempt_counts_once_with_verdict_audit() -> Result<()> {
    let fixture = fixture(true)?;
    let to: IpAddr = "203.0.113.160".parse()?;
    let sent = vec![Probe::plain("udp-sendto", to); 3];
    fixture.run(&fixture.device, &sent)?;
    let counters = fixture.loaded.counters()?;
    assert_eq!(counted(&counters, Hook::Sendmsg4, Reason::Storage), (3, 3));
    assert_eq!(counted(&counters, Hook::Egress, Reason::Storage), (3, 0));

    fixture.run(&fixture.device, &[Probe::plain("udp-connected", to)])?;
    let counters = fixture.loaded.counters()?;
    assert_eq!(counted(&counters, Hook::Connect4, Reason::Storage), (1, 0));
    assert_eq!(counted(&counters, Hook::Egress, Reason::Storage), (4, 1));
    assert_eq!((counters.denied(), counters.attempts("deny")), (0, 0));
    assert_eq!(
        (counters.judged("audit"), counters.attempts("audit")),
        (8, 4)
    );
    Ok(())
}

#[test]
fn audit_mode_reports_denials_and_allows_the_packets() -> Result<()> {
    let fixture = fixture(true)?;
    let runtime = runtime()?;
    let mut reader = reader(&runtime, &fixture)?;
    let counter = PacketCounter::watch(&fixture.network)?;
    let probes = [
        Probe::plain("udp-sendto", "203.0.113.120".parse()?),
        Probe::plain("raw", "203.0.113.121".parse()?),
        Probe::plain("loose-source-route", "203.0.113.122".parse()?),
    ];
    let outcomes = fixture.run(&fixture.device, &probes)?;
    assert!(
        outcomes.iter().all(|outcome| outcome.errno.is_none()),
        "{outcomes:?}"
    );
    let arrived = |prefix: &str| Ok(counter.packets_to(&[prefix])? > 0);
    await_true("the datagram arrives", || arrived("203.0.113.120/32"))?;
    await_true("the raw packet arrives", || arrived("203.0.113.121/32"))?;
    await_true("the source-routed packet arrives", || {
        arrived("198.18.0.1/32")
    })?;
    let events = drain(&runtime, &mut reader)?;
    assert!(events.iter().all(|event| event.audited == 1), "{events:?}");
    for reason in [Reason::Storage, Reason::SourceRouted] {
        assert!(
            events.iter().any(|event| event.reason == reason as u8),
            "{reason:?}"
        );
    }
    Ok(())
}
