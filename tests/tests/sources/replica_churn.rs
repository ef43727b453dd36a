//! Addition and removal of replicas during continuous pulls, without a failed pull.

use std::{
    collections::BTreeSet,
    net::IpAddr,
    sync::atomic::{AtomicBool, AtomicU64, Ordering},
    thread,
    time::Duration,
};

use anyhow::{Result, anyhow, ensure};
use lab::{
    azure::{Fault, Service},
    fixtures::{
        fixture::EVIL,
        replicas::{Replacement, Replica, WatchedFile, endpoints},
    },
    topology::addresses::{REGISTRIES, REPLICA_REGISTRIES},
};

use crate::fixture::{Fixture, LIMIT, azure, by_resource, with_secret};

/// Number of replicas that are added and removed.
const REPLICAS: u16 = 50;
/// Number of replicas for which a removed replica's name stays in DNS, so that redirected clients still resolve it.
const KEPT_NAMES: usize = 4;

/// Progress of the pulls.
#[derive(Default)]
struct Pulls {
    done: AtomicU64,
    ended: AtomicBool,
}

/// Resource Manager does not answer meanwhile, which raises an alarm and blocks nothing.
#[test]
fn no_pull_fails_while_fifty_replicas_are_added_and_removed_and_resource_manager_hangs()
-> Result<()> {
    let mut fixture = Fixture::prepare()?;
    let file = WatchedFile::new(
        fixture.path("watched"),
        Replacement::Rename,
        &endpoints(&["eastus"]),
    )?;
    let registry = format!("endpoints-file = {:?}\n{}", file.path(), by_resource());
    let with_secret = with_secret(&fixture.azure);
    fixture.start(&registry, "", &azure(&with_secret))?;
    fixture.await_sources_recovered()?;
    fixture.azure.fail(
        Service::ResourceManager,
        Fault::Slow(Duration::from_secs(600)),
    );

    let protected = protected()?;
    let stream = fixture.stream(&protected, 20)?;
    let pulls = Pulls::default();
    let (churned, pulled) = thread::scope(|scope| {
        let pulling = scope.spawn(|| pull(&fixture, &pulls));
        let churned = churn(&fixture, &file, &pulls);
        pulls.ended.store(true, Ordering::Relaxed);
        (churned, pulling.join())
    });
    let (failed, slowest) = pulled.map_err(|_panic| anyhow!("the pulls panicked"))?;
    let refused = fixture.end_stream(stream, &protected)?;
    eprintln!(
        "{} pulls, {} failed, the slowest took {slowest:.0?}; {refused} attempts at other addresses refused",
        pulls.done.load(Ordering::Relaxed),
        failed.len()
    );
    assert_eq!(failed, Vec::<String>::new());
    churned?;
    let used = served_by(&fixture)?;
    assert_eq!(used.len(), usize::from(REPLICAS), "{used:?}");
    assert_eq!(to_other_registries(&fixture)?, 0);

    fixture.await_source_failures(1)?;
    fixture.azure.recover(Service::ResourceManager);
    fixture.await_sources_recovered()
}

/// Pulls until the end; returns the errors of failed pulls, and the duration of the slowest.
fn pull(fixture: &Fixture, pulls: &Pulls) -> (Vec<String>, Duration) {
    let (mut failed, mut slowest) = (Vec::new(), Duration::ZERO);
    while !pulls.ended.load(Ordering::Relaxed) {
        match fixture.lab.pull() {
            Ok(report) => slowest = slowest.max(report.duration),
            Err(error) => failed.push(format!("{error:#}")),
        }
        pulls.done.fetch_add(1, Ordering::Relaxed);
    }
    (failed, slowest)
}

/// Adds and removes replicas as Microsoft advises: clients are routed to a replica only while its name is allowed here.
fn churn(fixture: &Fixture, file: &WatchedFile, pulls: &Pulls) -> Result<()> {
    let mut gone: Vec<Replica> = Vec::new();
    for number in 0..REPLICAS {
        let replica = Replica::number(number);
        replica.appear(&fixture.lab)?;
        file.replace(&endpoints(&["eastus", replica.region.name]))?;
        fixture.await_replica(&replica)?;
        fixture.lab.serve_from(Some(replica.region.name))?;
        await_more(pulls, 2)?;
        fixture.lab.serve_from(None)?;
        file.replace(&endpoints(&["eastus"]))?;
        gone.push(replica);
        if gone.len() > KEPT_NAMES {
            gone.remove(0).disappear(&fixture.lab)?;
        }
    }
    await_more(pulls, 1)
}

/// Waits until `more` pulls have ended.
fn await_more(pulls: &Pulls, more: u64) -> Result<()> {
    let enough = pulls.done.load(Ordering::Relaxed) + more;
    let deadline = std::time::Instant::now() + LIMIT;
    while pulls.done.load(Ordering::Relaxed) < enough {
        ensure!(
            std::time::Instant::now() < deadline,
            "the pulls do not progress"
        );
        thread::sleep(Duration::from_millis(5));
    }
    Ok(())
}

/// Returns the bad actor's addresses, and unused ones in the regions of the replicas.
fn protected() -> Result<Vec<IpAddr>> {
    let of_evil = EVIL.iter().filter_map(|prefix| prefix.split('/').next());
    let beside = ["198.18.0.200", "198.18.3.200", "2001:db8:acc:92::200"];
    Ok(of_evil
        .chain(beside)
        .map(str::parse)
        .collect::<Result<_, _>>()?)
}

fn replicas() -> BTreeSet<IpAddr> {
    (0..REPLICAS)
        .flat_map(|number| Replica::number(number).addresses)
        .collect()
}

/// Returns the replicas that served layers.
fn served_by(fixture: &Fixture) -> Result<BTreeSet<(String, u8)>> {
    let replicas = replicas();
    let requests = fixture.lab.requests()?.into_iter();
    let served =
        requests.filter(|request| replicas.contains(&request.address) && request.status == 200);
    let last = |address: IpAddr| match address {
        IpAddr::V4(v4) => v4.octets()[3],
        IpAddr::V6(v6) => v6.octets()[15],
    };
    Ok(served
        .map(|request| (request.host, last(request.address)))
        .collect())
}

/// Returns the number of packets to registries of others.
fn to_other_registries(fixture: &Fixture) -> Result<u64> {
    let all = fixture
        .counter
        .packets_to(&[REGISTRIES.as_slice(), &REPLICA_REGISTRIES].concat())?;
    let of_contoso = [
        "198.51.100.10",
        "198.51.100.130",
        "2001:db8:acc::10",
        "2001:db8:acc:80::1",
    ];
    let mut contoso: Vec<String> = of_contoso.map(str::to_owned).to_vec();
    contoso.extend(replicas().iter().map(IpAddr::to_string));
    let contoso: Vec<&str> = contoso.iter().map(String::as_str).collect();
    let prefixes: Vec<String> = contoso
        .iter()
        .map(|address| format!("{address}/{}", if address.contains(':') { 128 } else { 32 }))
        .collect();
    let own = fixture
        .counter
        .packets_to(&prefixes.iter().map(String::as_str).collect::<Vec<_>>())?;
    ensure!(own > 1000, "too few packets for a result: {own}");
    Ok(all - own)
}
