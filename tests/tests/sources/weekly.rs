//! Microsoft's real files replace each other under traffic.

use std::{
    collections::BTreeSet,
    fs,
    net::IpAddr,
    path::{Path, PathBuf},
    time::Instant,
};

use anyhow::{Result, ensure};
use enforcer::{
    azure::tags::{TagSnapshot, import_file},
    config::{Cloud, REGISTRY_TAG, STORAGE_TAG},
};
use ipnet::IpNet;
use lab::replicas::{WatchedFile, Way};
use serde_json::Value;

use crate::stage::Stage;

const NEWEST: &str = "ServiceTags_Public_20251028.json";
const WEEKS_BEFORE: &str = "ServiceTags_Public_20251013.json";
const YEAR_BEFORE: &str = "ServiceTags_Public_20240506.json";
/// Addresses that are tried all the while.
const PROBED: usize = 60;
/// Rounds a second, each with a connection and a datagram to each of them.
const RATE: u32 = 40;

#[test]
fn no_protected_address_opens_while_a_weekly_update_is_taken() -> Result<()> {
    let (Some(old), Some(new)) = (published(WEEKS_BEFORE), published(NEWEST)) else {
        eprintln!("NOT RUN: ../shared/data is not here");
        return Ok(());
    };
    let told = update(&old, &new)?;
    eprintln!("{told}");
    Ok(())
}

#[test]
fn no_protected_address_opens_while_the_changes_of_a_year_and_a_half_are_taken() -> Result<()> {
    let (Some(old), Some(new)) = (published(YEAR_BEFORE), published(NEWEST)) else {
        eprintln!("NOT RUN: ../shared/data is not here");
        return Ok(());
    };
    let told = update(&old, &new)?;
    eprintln!("{told}");
    Ok(())
}

/// Replaces the watched file `old` by `new` under traffic; says how that went.
fn update(old: &Path, new: &Path) -> Result<String> {
    let mut stage = Stage::prepare()?;
    let (before, after) = (read(old)?, read(new)?);
    let probed = closed_by_both(&before, &after)?;
    let file = WatchedFile::new(stage.path("tags"), Way::Rename, &fs::read_to_string(old)?)?;
    let text = fs::read_to_string(new)?;
    stage.configure("regions = [\"eastus\"]", "", "")?;
    let lab_file = format!("service-tags = {:?}", stage.lab.world().service_tags());
    stage
        .enforcer
        .edit(&lab_file, &format!("service-tags = {:?}", file.path()))?;
    stage.run()?;
    stage.await_names()?;
    await_number(&stage, before.change_number)?;

    let stream = stage.stream(&probed, RATE)?;
    let start = Instant::now();
    file.replace(&text)?;
    await_number(&stage, after.change_number)?;
    let took = start.elapsed();
    if let Some(opened) = only_in(&after, &before)? {
        ensure!(!stage.reaches(opened)?, "{opened} is not closed");
    }
    stage.lab.pull()?;
    let refused = stage.end_stream(stream, &probed)?;
    Ok(format!(
        "{} to {}: in force after {took:.0?}; {refused} attempts at {} addresses refused, none let through",
        before.change_number,
        after.change_number,
        probed.len(),
    ))
}

fn await_number(stage: &Stage, number: u32) -> Result<Value> {
    stage.await_told(&format!("change number {number}"), |status| {
        status["tags"]["change-number"] == number
    })
}

/// A published file beside the workspace.
fn published(file: &str) -> Option<PathBuf> {
    let workspace = Path::new(env!("CARGO_MANIFEST_DIR")).parent()?;
    let path = workspace.join("../shared/data/service-tags").join(file);
    path.is_file().then_some(path)
}

fn read(file: &Path) -> Result<TagSnapshot> {
    let wanted = [STORAGE_TAG, REGISTRY_TAG].map(str::to_owned);
    Ok(import_file(file, Cloud::Public, &wanted)?)
}

fn prefixes(tags: &TagSnapshot) -> Result<Vec<IpNet>> {
    let mut all: Vec<IpNet> = Vec::new();
    for tag in [STORAGE_TAG, REGISTRY_TAG] {
        all.extend(tags.family(tag)?.iter());
    }
    Ok(all)
}

/// First addresses of prefixes of `one`, spread over all of them, that `other` closes too; half of each family.
fn closed_by_both(one: &TagSnapshot, other: &TagSnapshot) -> Result<Vec<IpAddr>> {
    let (one, other) = (prefixes(one)?, prefixes(other)?);
    let closed = |address: &IpAddr| other.iter().any(|prefix| prefix.contains(address));
    let mut picked = BTreeSet::new();
    for is_ipv4 in [true, false] {
        let of_family = one
            .iter()
            .map(IpNet::network)
            .filter(|address| address.is_ipv4() == is_ipv4);
        let addresses: Vec<IpAddr> = of_family.filter(closed).collect();
        let step = (addresses.len() / (PROBED / 2)).max(1);
        picked.extend(addresses.into_iter().step_by(step).take(PROBED / 2));
    }
    ensure!(picked.len() == PROBED, "too few: {picked:?}");
    Ok(picked.into_iter().collect())
}

/// An address that `one` closes and `other` does not, where there is one.
fn only_in(one: &TagSnapshot, other: &TagSnapshot) -> Result<Option<IpAddr>> {
    let other = prefixes(other)?;
    let open = |address: &IpAddr| !other.iter().any(|prefix| prefix.contains(address));
    Ok(prefixes(one)?.iter().map(IpNet::network).find(open))
}
