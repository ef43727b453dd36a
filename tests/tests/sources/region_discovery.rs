//! Unconfigured replicas, discovered through DNS (`regions = "discover"`).

use std::{
    net::IpAddr,
    thread,
    time::{Duration, Instant},
};

use anyhow::Result;
use lab::{
    fixtures::replicas::{Replica, data_endpoint},
    topology::addresses::{RESOLVER_V4, RESOLVER_V6},
};

use crate::{fixture::Fixture, status::hosts};

/// Budget of queries per second.
const MAX_QUERIES: u64 = 20;
/// Measuring interval, slightly less than a second.
const WINDOW: Duration = Duration::from_millis(950);

#[test]
fn replicas_are_discovered_by_dns_if_their_addresses_belong_to_their_region() -> Result<()> {
    let mut fixture = Fixture::prepare()?;
    let (first, later) = (Replica::number(0), Replica::number(1));
    first.appear(&fixture.lab)?;
    // A name with an address of another region, and one with the address of the bad actor's account.
    let misdirected = [data_endpoint("swedencentral"), data_endpoint("southindia")];
    let elsewhere: [IpAddr; 2] = [Replica::number(2).addresses[0], "203.0.113.66".parse()?];
    for (name, address) in misdirected.iter().zip(elsewhere) {
        fixture.lab.dns().set_addresses(name, &[address], 10)?;
    }
    fixture.configure(
        "regions = \"discover\"",
        "",
        "[discovery]\ninterval = \"10s\"\n",
    )?;
    fixture.run()?;
    let busiest = busiest_second(&fixture, 8)?;
    eprintln!("at most {busiest} queries in a second");
    assert!(busiest <= MAX_QUERIES, "{busiest} queries in a second");
    for region in ["eastus", "westus"] {
        fixture.await_name(&data_endpoint(region))?;
    }
    fixture.await_replica(&first)?;
    fixture.pulls_from(&first)?;
    assert!(!fixture.reaches(elsewhere[0])? && !fixture.reaches(elsewhere[1])?);

    let began = Instant::now();
    later.appear(&fixture.lab)?;
    fixture.await_replica(&later)?;
    eprintln!("a new replica was discovered after {:.0?}", began.elapsed());
    fixture.pulls_from(&later)?;
    let status = serde_json::to_value(fixture.enforcer.api_status()?)?;
    assert!(
        misdirected
            .iter()
            .all(|name| !hosts(&status).contains(name)),
        "{status:#}"
    );
    Ok(())
}

/// Returns the maximum number of queries to the resolver in one of `seconds`.
fn busiest_second(fixture: &Fixture, seconds: usize) -> Result<u64> {
    let resolvers = [format!("{RESOLVER_V4}/32"), format!("{RESOLVER_V6}/128")];
    let queries = || {
        fixture
            .counter
            .packets_to(&resolvers.each_ref().map(String::as_str))
    };
    let mut most = 0;
    for _ in 0..seconds {
        let (before, start) = (queries()?, Instant::now());
        thread::sleep(WINDOW);
        let seen = queries()? - before;
        if start.elapsed() < Duration::from_secs(1) {
            most = most.max(seen);
        }
    }
    Ok(most)
}
