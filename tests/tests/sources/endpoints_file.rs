//! Endpoint files, which are watched.

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
/// As the configuration of the test has it.
const LINGER: Duration = Duration::from_secs(4);

#[test]
fn a_replica_in_the_endpoints_file_is_open_within_a_second_however_the_file_is_replaced()
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
            times.push(fixture.open_after(replica.addresses[0], replace)?);
            fixture.pulls_from(&replica)?;
        }
        eprintln!("{replacement:?}: open after {times:.0?}");
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
fn a_file_that_is_not_whole_changes_nothing_is_told_and_is_taken_when_it_is() -> Result<()> {
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
        fixture.open_after(replica.addresses[0], || file.replace(&endpoints(&regions)))?;
        fixture.await_sources_recovered()?;
    }
    Ok(())
}

#[test]
fn a_file_that_goes_away_is_told_and_closes_nothing() -> Result<()> {
    let mut fixture = Fixture::prepare()?;
    let known = Replica::number(0);
    known.appear(&fixture.lab)?;
    let text = endpoints(&["eastus", known.region.name]);
    let file = WatchedFile::new(fixture.path("watched"), Replacement::Rename, &text)?;
    fixture.start(&by_file(&file), "", "")?;
    fs::remove_file(file.path())?;
    fixture.await_source_failures(1)?;
    fixture.pulls_from(&known)?;
    // The daemon's next life does not depend on the file either.
    fixture.end()?;
    fixture.run()?;
    fixture.await_source_failures(1)?;
    fixture.await_replica(&known)?;
    fixture.pulls_from(&known)?;
    file.replace(&text)?;
    fixture.await_sources_recovered()
}

#[test]
fn a_replica_that_leaves_the_file_stays_open_for_the_time_of_linger_and_not_longer() -> Result<()> {
    let mut fixture = Fixture::prepare()?;
    let leaving = Replica::number(0);
    leaving.appear(&fixture.lab)?;
    let both = endpoints(&["eastus", leaving.region.name]);
    let file = WatchedFile::new(fixture.path("watched"), Replacement::Rename, &both)?;
    fixture.configure(&by_file(&file), "", "")?;
    fixture
        .enforcer
        .edit("linger = \"15m\"", "linger = \"4s\"")?;
    fixture.run()?;
    fixture.await_replica(&leaving)?;
    let left = Instant::now();
    file.replace(&endpoints(&["eastus"]))?;
    let is_gone = |status: &Value| !hosts(status).contains(&leaving.host);
    fixture.await_status("the name is gone", is_gone)?;
    fixture.pulls_from(&leaving)?;
    while fixture.reaches(leaving.addresses[0])? {
        assert!(left.elapsed() < LIMIT, "{}", fixture.enforcer.log());
    }
    // It was last seen a lifetime, 1 s, before it left at most.
    eprintln!("closed after {:.2?}", left.elapsed());
    assert!(left.elapsed() > LINGER - SECOND);
    Ok(())
}
