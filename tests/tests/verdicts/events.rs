//! Denials are told, and telling them changes no verdict.

use std::net::{IpAddr, Ipv4Addr};

use anyhow::{Context, Result};
use enforcer::{
    kernel::{Counters, EventReader},
    policy::Inputs,
};
use enforcer_common::{
    Event, Hook, Reason, Record,
    layout::{FoldKey, MAX_RECENT},
};
use lab::{
    craft::{Packet, protocol},
    loaded::{self, Loaded},
    wire::Wire,
};
use tokio::{
    runtime::{Builder, Runtime},
    time::{Duration, timeout},
};

use crate::stage::{EPERM, Stage, Try, await_true, protected};

/// More than the ring buffer holds, and than there are folds.
const MANY: u32 = 10_000;
const _: () = assert!(MANY > 2 * MAX_RECENT);

fn runtime() -> Result<Runtime> {
    Ok(Builder::new_current_thread().enable_all().build()?)
}

fn reader(runtime: &Runtime, stage: &Stage) -> Result<EventReader> {
    let _inside = runtime.enter();
    stage.loaded.events()
}

/// What is in the ring buffer by now.
fn drain(runtime: &Runtime, reader: &mut EventReader) -> Result<Vec<Event>> {
    runtime.block_on(async {
        let mut events = Vec::new();
        while let Ok(more) = timeout(Duration::from_millis(200), reader.next(512)).await {
            events.extend(more?.into_iter().filter_map(|record| match record {
                Record::Denial(event) => Some(event),
                Record::Named(_) | Record::Lesson(_) | Record::Unlearned(_) => None,
            }));
        }
        Ok(events)
    })
}

fn stage(audit: bool) -> Result<Stage> {
    let mut stage = Stage::new()?;
    let inputs = Inputs {
        audit,
        default_allow: true,
        ..Inputs::default()
    };
    stage.loaded.apply(&protected(), &inputs)?;
    stage.attach()?;
    Ok(stage)
}

fn mapped(address: &str) -> Result<[u8; 16]> {
    Ok(match address.parse()? {
        IpAddr::V4(address) => address.to_ipv6_mapped().octets(),
        IpAddr::V6(address) => address.octets(),
    })
}

fn count(counters: &Counters, hook: Hook, reason: Reason) -> u64 {
    let mut rows = counters.counts.iter();
    let row = rows.find(|row| row.hook == hook.word() && row.reason == reason.word());
    row.map_or(0, |row| row.count)
}

#[test]
fn a_denial_tells_who_where_how_and_why() -> Result<()> {
    let stage = stage(false)?;
    let runtime = runtime()?;
    let mut reader = reader(&runtime, &stage)?;
    let device = loaded::open(&stage.device)?.id;
    for (way, to, hook, protocol, port) in [
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
        let outcome = stage.run(&stage.device, &[Try::plain(way, to.parse()?)])?;
        assert_eq!(outcome[0].errno, EPERM);
        let events = drain(&runtime, &mut reader)?;
        let [event] = events.as_slice() else {
            panic!("{way}: one event, not {events:?}");
        };
        let command = String::from_utf8_lossy(&event.command);
        assert!(command.starts_with("python3"), "{way}: {command}");
        assert_ne!(event.pid, 0, "{way}");
        assert_eq!((event.uid, event.cgroup), (0, device), "{way}");
        assert_eq!(event.destination, mapped(to)?, "{way}");
        assert_eq!(
            (event.hook, event.reason),
            (hook as u8, Reason::Storage as u8),
            "{way}"
        );
        assert_eq!((event.protocol, event.port), (protocol, port), "{way}");
        assert_eq!((event.audited, event.folded), (0, 0), "{way}");
        assert!(count(&stage.loaded.counters()?, hook, Reason::Storage) > 0);
    }
    Ok(())
}

#[test]
fn like_denials_are_told_once_and_counted() -> Result<()> {
    let mut stage = stage(false)?;
    let runtime = runtime()?;
    let mut reader = reader(&runtime, &stage)?;
    let to = "203.0.113.110";
    let tries = vec![Try::plain("udp-sendto", to.parse()?); 6];
    stage.run(&stage.device, &tries)?;
    let other = vec![Try::plain("udp-sendto", "203.0.113.111".parse()?); 3];
    stage.run(&stage.device, &other)?;
    let events = drain(&runtime, &mut reader)?;
    let told: Vec<[u8; 16]> = events.iter().map(|event| event.destination).collect();
    assert_eq!(told, [mapped(to)?, mapped("203.0.113.111")?]);
    let key = FoldKey {
        cgroup: loaded::open(&stage.device)?.id,
        destination: mapped(to)?,
        reason: Reason::Storage as u32,
        name: 0,
    };
    assert_eq!(stage.loaded.kernel.maps.take_fold(&key)?, 5);
    assert_eq!(stage.loaded.kernel.maps.take_fold(&key)?, 0);
    let counters = stage.loaded.counters()?;
    assert_eq!(count(&counters, Hook::Sendmsg4, Reason::Storage), 9);
    assert_eq!(counters.denied(), 9);
    Ok(())
}

#[test]
fn audit_tells_the_denial_and_lets_it_pass() -> Result<()> {
    let stage = stage(true)?;
    let runtime = runtime()?;
    let mut reader = reader(&runtime, &stage)?;
    let wire = Wire::watch(&stage.world)?;
    let tries = [
        Try::plain("udp-sendto", "203.0.113.120".parse()?),
        Try::plain("raw", "203.0.113.121".parse()?),
        Try::plain("loose-source-route", "203.0.113.122".parse()?),
    ];
    let outcomes = stage.run(&stage.device, &tries)?;
    assert!(
        outcomes.iter().all(|outcome| outcome.errno.is_none()),
        "{outcomes:?}"
    );
    let arrived = |prefix: &str| Ok(wire.packets_to(&[prefix])? > 0);
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

/// A storage address for each number.
fn storage(number: u32) -> IpAddr {
    let [_, _, high, low] = number.to_be_bytes();
    Ipv4Addr::new(20, 38, high, low).into()
}

/// Denies a packet to each storage address of `numbers`; how many passed all the same.
fn deny(loaded: &Loaded, numbers: std::ops::Range<u32>) -> Result<usize> {
    let mut passed = 0;
    for number in numbers {
        let packet = Packet::new(storage(number), protocol::TCP, 443).bytes();
        passed += usize::from(loaded.kernel.passes(&packet)?);
    }
    Ok(passed)
}

#[test]
fn a_full_ring_buffer_changes_no_verdict_and_counts_what_it_lost() -> Result<()> {
    let stage = stage(false)?;
    let loaded = &stage.loaded;
    assert_eq!(deny(loaded, 0..MANY)?, 0);
    let lost = loaded.counters()?.lost_events;
    assert!(lost > 0);
    let outcome = stage.run(
        &stage.device,
        &[Try::plain("udp-sendto", "203.0.113.130".parse()?)],
    )?;
    assert_eq!(outcome[0].errno, EPERM);
    assert!(loaded.counters()?.lost_events > lost);
    let allowed = stage.run(
        &stage.device,
        &[Try::plain("udp-sendto", "192.0.2.80".parse()?)],
    )?;
    assert_eq!(allowed[0].errno, None);

    let runtime = runtime()?;
    let mut reader = reader(&runtime, &stage)?;
    let told = drain(&runtime, &mut reader)?.len() as u64;
    eprintln!("{MANY} denials: {told} told, {lost} lost");
    assert_eq!(told + lost, u64::from(MANY));
    assert_eq!(deny(loaded, MANY..MANY + 1)?, 0);
    let next = drain(&runtime, &mut reader)?;
    assert_eq!(next.len(), 1, "with room again, denials are told again");
    Ok(())
}

#[test]
fn denials_that_fell_out_of_the_folds_are_told_anew() -> Result<()> {
    let stage = stage(false)?;
    let runtime = runtime()?;
    let mut reader = reader(&runtime, &stage)?;
    let mut told = 0;
    for start in (0..MANY).step_by(1000) {
        assert_eq!(deny(&stage.loaded, start..start + 1000)?, 0);
        told += drain(&runtime, &mut reader)?.len();
    }
    assert_eq!(told, MANY as usize, "each destination is new");
    assert_eq!(deny(&stage.loaded, 0..100)?, 0);
    let again = drain(&runtime, &mut reader)?;
    let first = again.first().context("some are told anew")?;
    assert_eq!(first.reason, Reason::Storage as u8);
    assert_eq!(stage.loaded.counters()?.lost_events, 0);
    Ok(())
}
