//! Endpoint files, which are watched.

use std::{
    fs,
    time::{Duration, Instant},
};

use anyhow::Result;
use lab::fixtures::replicas::{Replica, WatchedFile, Way, data_endpoint, endpoints};
use serde_json::Value;

use crate::{
    fixture::{LIMIT, Stage},
    status::hosts,
};

const SECOND: Duration = Duration::from_secs(1);
const TRIES: usize = 3;
/// As the configuration of the test has it.
const LINGER: Duration = Duration::from_secs(4);

#[test]
fn a_replica_in_the_endpoints_file_is_open_within_a_second_however_the_file_is_replaced()
-> Result<()> {
    let mut stage = Stage::prepare()?;
    let mut replicas = (0..).map(Replica::number);
    for way in [Way::Rename, Way::Symlink, Way::InPlace] {
        let mut regions = vec!["eastus"];
        let file = WatchedFile::new(stage.path(&format!("{way:?}")), way, &endpoints(&regions))?;
        stage.start(&by_file(&file), "", "")?;
        let mut times = Vec::new();
        for replica in replicas.by_ref().take(TRIES) {
            replica.appear(&stage.lab)?;
            regions.push(replica.region.name);
            let replace = || file.replace(&endpoints(&regions));
            times.push(stage.open_after(replica.addresses[0], replace)?);
            stage.pulls_from(&replica)?;
        }
        eprintln!("{way:?}: open after {times:.0?}");
        assert!(times.iter().min() < Some(&SECOND), "{way:?}: {times:?}");
        stage.end()?;
    }
    Ok(())
}

fn by_file(file: &WatchedFile) -> String {
    format!("endpoints-file = {:?}", file.path())
}

#[test]
fn a_file_that_is_not_whole_changes_nothing_is_told_and_is_taken_when_it_is() -> Result<()> {
    let mut stage = Stage::prepare()?;
    let known = Replica::number(0);
    known.appear(&stage.lab)?;
    let mut regions = vec!["eastus", known.region.name];
    let file = WatchedFile::new(stage.path("watched"), Way::InPlace, &endpoints(&regions))?;
    stage.start(&by_file(&file), "", "")?;
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
        let before = hosts(&serde_json::to_value(stage.enforcer.told()?)?);
        file.replace(text)?;
        let failing = stage.await_failing(1)?;
        assert!(failing[0].contains("file.json"), "{failing:?}");
        let after = hosts(&serde_json::to_value(stage.enforcer.told()?)?);
        assert_eq!(before, after, "{text}");
        stage.pulls_from(&known)?;

        let replica = Replica::number(number);
        replica.appear(&stage.lab)?;
        regions.push(replica.region.name);
        stage.open_after(replica.addresses[0], || file.replace(&endpoints(&regions)))?;
        stage.await_mended()?;
    }
    Ok(())
}

#[test]
fn a_file_that_goes_away_is_told_and_closes_nothing() -> Result<()> {
    let mut stage = Stage::prepare()?;
    let known = Replica::number(0);
    known.appear(&stage.lab)?;
    let text = endpoints(&["eastus", known.region.name]);
    let file = WatchedFile::new(stage.path("watched"), Way::Rename, &text)?;
    stage.start(&by_file(&file), "", "")?;
    fs::remove_file(file.path())?;
    stage.await_failing(1)?;
    stage.pulls_from(&known)?;
    // The daemon's next life does not depend on the file either.
    stage.end()?;
    stage.run()?;
    stage.await_failing(1)?;
    stage.await_replica(&known)?;
    stage.pulls_from(&known)?;
    file.replace(&text)?;
    stage.await_mended()
}

#[test]
fn a_replica_that_leaves_the_file_stays_open_for_the_time_of_linger_and_not_longer() -> Result<()> {
    let mut stage = Stage::prepare()?;
    let leaving = Replica::number(0);
    leaving.appear(&stage.lab)?;
    let both = endpoints(&["eastus", leaving.region.name]);
    let file = WatchedFile::new(stage.path("watched"), Way::Rename, &both)?;
    stage.configure(&by_file(&file), "", "")?;
    stage.enforcer.edit("linger = \"15m\"", "linger = \"4s\"")?;
    stage.run()?;
    stage.await_replica(&leaving)?;
    let left = Instant::now();
    file.replace(&endpoints(&["eastus"]))?;
    let is_gone = |status: &Value| !hosts(status).contains(&leaving.host);
    stage.await_told("the name is gone", is_gone)?;
    stage.pulls_from(&leaving)?;
    while stage.reaches(leaving.addresses[0])? {
        assert!(left.elapsed() < LIMIT, "{}", stage.enforcer.log());
    }
    // It was last seen a lifetime, 1 s, before it left at most.
    eprintln!("closed after {:.2?}", left.elapsed());
    assert!(left.elapsed() > LINGER - SECOND);
    Ok(())
}
