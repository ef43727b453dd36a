//! Watched endpoint files.

use std::{
    fs,
    time::{Duration, Instant},
};

use anyhow::Result;
use lab::fixtures::replicas::{Replacement, Replica, WatchedFile, data_endpoint, endpoints};
use serde_json::Value;

use crate::{
    fixture::{Fixture, LIMIT},
    status::hosts,
};

const SECOND: Duration = Duration::from_secs(1);
const TRIES: usize = 3;
/// `dns.linger` in the test's configuration.
const LINGER: Duration = Duration::from_secs(4);

#[test]
fn a_replica_in_the_endpoints_file_is_allowed_within_a_second_for_every_replacement_method()
-> Result<()> {
    let mut fixture = Fixture::prepare()?;
    let mut replicas = (0..).map(Replica::number);
    for replacement in [
        Replacement::Rename,
        Replacement::Symlink,
        Replacement::InPlace,
    ] {
        let mut regions = vec!["eastus"];
        let file = WatchedFile::new(
            fixture.path(&format!("{replacement:?}")),
            replacement,
            &endpoints(&regions),
        )?;
        fixture.start(&by_file(&file), "", "")?;
        let mut times = Vec::new();
        for replica in replicas.by_ref().take(TRIES) {
            replica.appear(&fixture.lab)?;
            regions.push(replica.region.name);
            let replace = || file.replace(&endpoints(&regions));
            times.push(fixture.allowed_after(replica.addresses[0], replace)?);
            fixture.pulls_from(&replica)?;
        }
        eprintln!("{replacement:?}: allowed after {times:.0?}");
        assert!(
            times.iter().min() < Some(&SECOND),
            "{replacement:?}: {times:?}"
        );
        fixture.end()?;
    }
    Ok(())
}

fn by_file(file: &WatchedFile) -> String {
    format!("endpoints-file = {:?}", file.path())
}

#[test]
fn an_invalid_file_changes_nothing_raises_an_alarm_and_a_valid_one_is_applied() -> Result<()> {
    let mut fixture = Fixture::prepare()?;
    let known = Replica::number(0);
    known.appear(&fixture.lab)?;
    let mut regions = vec!["eastus", known.region.name];
    let file = WatchedFile::new(
        fixture.path("watched"),
        Replacement::InPlace,
        &endpoints(&regions),
    )?;
    fixture.start(&by_file(&file), "", "")?;
    let whole = endpoints(&regions);
    let foreign = whole.replace("contoso", "evil");
    let off = whole.replace(&data_endpoint("eastus"), "*.blob.core.windows.net");
    let broken = [
        &whole[..whole.len() / 2],
        "",
        "{}",
        "no JSON",
        &foreign,
        &off,
    ];
    for (number, text) in (1..).zip(broken) {
        let before = hosts(&serde_json::to_value(fixture.enforcer.api_status()?)?);
        file.replace(text)?;
        let failing = fixture.await_source_failures(1)?;
        assert!(failing[0].contains("file.json"), "{failing:?}");
        let after = hosts(&serde_json::to_value(fixture.enforcer.api_status()?)?);
        assert_eq!(before, after, "{text}");
        fixture.pulls_from(&known)?;

        let replica = Replica::number(number);
        replica.appear(&fixture.lab)?;
        regions.push(replica.region.name);
        fixture.allowed_after(replica.addresses[0], || file.replace(&endpoints(&regions)))?;
        fixture.await_sources_recovered()?;
    }
    Ok(())
}

#[test]
fn a_removed_file_raises_an_alarm_and_denies_nothing() -> Result<()> {
    let mut fixture = Fixture::prepare()?;
    let known = Replica::number(0);
    known.appear(&fixture.lab)?;
    let text = endpoints(&["eastus", known.region.name]);
    let file = WatchedFile::new(fixture.path("watched"), Replacement::Rename, &text)?;
    fixture.start(&by_file(&file), "", "")?;
    fs::remove_file(file.path())?;
    fixture.await_source_failures(1)?;
    fixture.pulls_from(&known)?;
    // A restart does not depend on the file either.
    fixture.end()?;
    fixture.run()?;
    fixture.await_source_failures(1)?;
    fixture.await_replica(&known)?;
    fixture.pulls_from(&known)?;
    file.replace(&text)?;
    fixture.await_sources_recovered()
}

#[test]
fn a_removed_replica_stays_allowed_for_the_linger_time_only() -> Result<()> {
    let mut fixture = Fixture::prepare()?;
    let removed_replica = Replica::number(0);
    removed_replica.appear(&fixture.lab)?;
    let both = endpoints(&["eastus", removed_replica.region.name]);
    let file = WatchedFile::new(fixture.path("watched"), Replacement::Rename, &both)?;
    fixture.configure(&by_file(&file), "", "")?;
    fixture
        .enforcer
        .edit("linger = \"15m\"", "linger = \"4s\"")?;
    fixture.run()?;
    fixture.await_replica(&removed_replica)?;
    let removed = Instant::now();
    file.replace(&endpoints(&["eastus"]))?;
    let is_gone = |status: &Value| !hosts(status).contains(&removed_replica.host);
    fixture.await_status("the name is gone", is_gone)?;
    fixture.pulls_from(&removed_replica)?;
    while fixture.reaches(removed_replica.addresses[0])? {
        assert!(removed.elapsed() < LIMIT, "{}", fixture.enforcer.log());
    }
    // Its last resolution was at most one TTL, 1 s, before the removal.
    eprintln!("denied after {:.2?}", removed.elapsed());
    assert!(removed.elapsed() > LINGER - SECOND);
    Ok(())
}
