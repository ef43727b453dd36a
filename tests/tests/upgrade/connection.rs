//! One verified TLS connection outlives every change of versions: requests and answers pass before, between and after.

use std::{
    fs,
    sync::atomic::{AtomicBool, Ordering},
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, ensure};
use enforcer_common::layout::{FLOWS, VERSION, pin_name};
use lab::{
    clients::keepalive_client::{Counters, KeepaliveClient},
    fixtures::fixture::Fixture,
};

use crate::{
    STREAM, numbers, report,
    version::{Version, both},
};

/// Contoso's login server.
const LOGIN_V4: &str = "198.51.100.10";
const LOGIN_V6: &str = "2001:db8:acc::10";
/// Changes of versions: each direction with each kind of end, three times.
const CHANGES: usize = 12;
/// Interval between the requests of a connection that never waits for a change.
const PAUSE: Duration = Duration::from_millis(5);

#[test]
fn a_verified_connection_survives_every_version_change() -> Result<()> {
    let [present, other] = both()?;
    let mut fixture = Fixture::start(STREAM, "")?;
    fixture.enforcer.end(libc::SIGTERM)?;
    other.take_over(&mut fixture)?;
    let stream = fixture.stream()?;
    let start = Instant::now();
    let mut steady = KeepaliveClient::connect(&fixture.lab, LOGIN_V4)?;
    let mut connections = vec![
        Connection::open(&fixture, LOGIN_V4)?,
        Connection::open(&fixture, LOGIN_V6)?,
    ];
    let requests = while_requesting(&mut steady, || {
        for change in 0..CHANGES {
            let to = [&present, &other][change % 2];
            let end = [libc::SIGTERM, libc::SIGTERM, libc::SIGKILL, libc::SIGKILL][change % 4];
            change_to(to, end, &mut fixture, &mut connections)?;
            if change == 0 {
                // These are verified by the binary under test, the first by the other one.
                connections.push(Connection::open(&fixture, LOGIN_V4)?);
                connections.push(Connection::open(&fixture, LOGIN_V6)?);
            }
        }
        Ok(())
    })?;
    let lasted = start.elapsed().as_secs_f64();
    ensure!(requests > CHANGES as u64, "{requests} requests only");
    report_connections(&mut steady, requests, &mut connections)?;
    let totals = stream.end()?;
    report(&format!(
        "{CHANGES} changes between {present} and {other} in {lasted:.1} s: {}",
        numbers(&totals)
    ));
    fixture.check(&totals)
}

#[test]
fn a_verified_connection_whose_state_is_lost_in_a_change_is_denied() -> Result<()> {
    let [present, other] = both()?;
    let mut fixture = Fixture::start(STREAM, "")?;
    for (from, to) in [(&present, &other), (&other, &present)] {
        let mut connection = Connection::open(&fixture, LOGIN_V4)?;
        fixture.enforcer.kill()?;
        connection.exchange("without a daemon")?;
        let flows = fixture.pins().join(from.directory()).join(pin_name(FLOWS));
        fs::remove_file(&flows).with_context(|| format!("remove {}", flows.display()))?;
        to.take_over(&mut fixture)?;

        let result = connection.client.request()?;
        assert!(result.contains("timed out"), "{from} to {to}: {result}");
        if to.number == VERSION {
            let events = fixture.enforcer.events()?;
            assert!(
                events.iter().any(|event| event.reason == "no-syn-seen"),
                "{events:?}"
            );
        }
        Connection::open(&fixture, LOGIN_V4)?;
        report(&format!(
            "{from} to {to} without {FLOWS}: the verified connection is denied"
        ));
    }
    Ok(())
}

/// A connection of which each exchange is checked.
struct Connection {
    client: KeepaliveClient,
    before: Counters,
    exchanges: u64,
}

impl Connection {
    fn open(fixture: &Fixture, address: &str) -> Result<Self> {
        let mut client = KeepaliveClient::connect(&fixture.lab, address)?;
        let mut connection = Self {
            before: client.counters()?,
            client,
            exchanges: 0,
        };
        connection.exchange("at first")?;
        Ok(connection)
    }

    /// Makes a request, and checks that this connection carried data both ways.
    fn exchange(&mut self, when: &str) -> Result<()> {
        let result = self.client.request()?;
        ensure!(result == "200", "{when}: {result}");
        let now = self.client.counters()?;
        let before = self.before;
        ensure!(
            now.sent > before.sent && now.received > before.received,
            "{when}: {before:?}, then {now:?}"
        );
        self.before = now;
        self.exchanges += 1;
        Ok(())
    }
}

fn change_to(
    to: &Version,
    end: libc::c_int,
    fixture: &mut Fixture,
    connections: &mut [Connection],
) -> Result<()> {
    let mut exchange = |when: &str| -> Result<()> {
        let mut each = connections.iter_mut();
        each.try_for_each(|connection| connection.exchange(&format!("{when} {to}")))
    };
    exchange("before the change to")?;
    fixture.enforcer.end(end)?;
    exchange("without a daemon, before")?;
    to.take_over(fixture)?;
    exchange("right after the change to")?;
    to.await_names(fixture)?;
    exchange("under")
}

/// Makes requests on one connection until `changes` ends. Returns their number.
fn while_requesting(
    client: &mut KeepaliveClient,
    changes: impl FnOnce() -> Result<()>,
) -> Result<u64> {
    let ended = AtomicBool::new(false);
    thread::scope(|scope| {
        let requests = scope.spawn(|| {
            let mut requests = 0;
            while !ended.load(Ordering::Relaxed) {
                let result = client.request()?;
                ensure!(result == "200", "after {requests} requests: {result}");
                requests += 1;
                thread::sleep(PAUSE);
            }
            Ok(requests)
        });
        let changed = changes();
        ended.store(true, Ordering::Relaxed);
        let requests = requests.join();
        changed?;
        requests.unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    })
}

/// Reports the connections' counters, and checks that no packet was sent twice.
fn report_connections(
    steady: &mut KeepaliveClient,
    requests: u64,
    connections: &mut [Connection],
) -> Result<()> {
    let mut all = vec![("steady", requests, steady.counters()?)];
    let stepwise = connections.iter();
    all.extend(stepwise.map(|each| ("stepwise", each.exchanges, each.before)));
    for (kind, exchanges, counters) in all {
        let Counters {
            sent,
            received,
            retransmitted,
        } = counters;
        report(&format!(
            "one {kind} verified connection: {exchanges} of {exchanges} requests answered, {sent} bytes sent, {received} received, {retransmitted} packets retransmitted"
        ));
        ensure!(retransmitted == 0, "{kind}: {counters:?}");
    }
    Ok(())
}
