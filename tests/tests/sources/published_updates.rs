//! Updates between Microsoft's published files during traffic.

use std::{
    collections::BTreeSet,
    ffi::OsString,
    fs,
    net::IpAddr,
    path::{Path, PathBuf},
    time::Instant,
};

use anyhow::{Context, Result, ensure};
use enforcer::{
    azure::{
        bundle,
        tags::{TagSnapshot, import_file},
    },
    config::{Cloud, REGISTRY_TAG, STORAGE_TAG},
};
use ipnet::IpNet;
use lab::fixtures::replicas::{Replacement, WatchedFile};
use serde_json::Value;

use crate::fixture::Fixture;

/// The file of the bundle.
const NEWEST: &str = "ServiceTags_Public_20260622.json";
const MONTHS_BEFORE: &str = "ServiceTags_Public_20251028.json";
const YEARS_BEFORE: &str = "ServiceTags_Public_20240506.json";
/// Number of probed addresses.
const PROBED: usize = 60;
/// Rounds per second; each sends a connection and a datagram to every probed address.
const RATE: u32 = 40;

#[test]
fn no_protected_address_is_allowed_during_an_update_over_eight_months() -> Result<()> {
    let (Some(old), Some(new)) = (published(MONTHS_BEFORE), published(NEWEST)) else {
        eprintln!("NOT RUN: ../shared/data is not here");
        return Ok(());
    };
    let message = update(&old, &new)?;
    eprintln!("{message}");
    Ok(())
}

#[test]
fn no_protected_address_is_allowed_during_an_update_over_two_years() -> Result<()> {
    let (Some(old), Some(new)) = (published(YEARS_BEFORE), published(NEWEST)) else {
        eprintln!("NOT RUN: ../shared/data is not here");
        return Ok(());
    };
    let message = update(&old, &new)?;
    eprintln!("{message}");
    Ok(())
}

/// A file that is years old, but recently written under the manual's example name: the bundle is in force instead, until the file is forced.
#[test]
fn the_bundle_replaces_older_tags_and_reports_them() -> Result<()> {
    let Some(old) = published(YEARS_BEFORE) else {
        eprintln!("NOT RUN: ../shared/data is not here");
        return Ok(());
    };
    let mut fixture = Fixture::prepare()?;
    let tags_file = fixture.path("ServiceTags_Public.json");
    let others = read(&old)?;
    use_file(&fixture, &tags_file)?;
    let refused = fixture.enforcer.cli(import(&old))?;
    assert_eq!(refused.code(), Some(2), "{refused:?}");
    assert!(
        refused.stderr.contains("tags import FILE --force"),
        "{refused:?}"
    );
    fs::copy(&old, &tags_file)?;
    fixture.run()?;
    let message = alarm(&await_number(&fixture, 403)?, "tags-replaced");
    for words in [
        "ServiceTags_Public.json: change 305, published about 2024-05-06",
        "change 403 or later, published 2026-06-22",
    ] {
        assert!(message.contains(words), "no {words:?} in: {message}");
    }
    let only_bundled = only_in(&bundle::load(Cloud::Public)?, &others)?.context("no difference")?;
    assert!(!fixture.reaches(only_bundled)?, "{only_bundled} is allowed");

    fixture.end()?;
    fixture
        .enforcer
        .cli(import(&old).chain(["--force".into()]))?
        .success()?;
    fixture.run()?;
    let message = alarm(&await_number(&fixture, 305)?, "tags-forced");
    assert!(
        message.contains("change 305, published about 2024-05-06"),
        "{message}"
    );
    Ok(())
}

fn import(file: &Path) -> impl Iterator<Item = OsString> {
    ["tags".into(), "import".into(), file.into()].into_iter()
}

fn alarm(status: &Value, kind: &str) -> String {
    let alarms = status["alarms"].as_array().into_iter().flatten();
    let mut of_kind = alarms.filter(|alarm| alarm["kind"] == kind);
    let message = of_kind.next().map(|alarm| alarm["message"].to_string());
    message.unwrap_or_else(|| format!("no {kind} in {status}"))
}

/// Configures `tags_file` as the daemon's service tags.
fn use_file(fixture: &Fixture, tags_file: &Path) -> Result<()> {
    fixture.configure("regions = [\"eastus\"]", "", "")?;
    let lab_file = format!("service-tags = {:?}", fixture.lab.network().service_tags());
    fixture
        .enforcer
        .edit(&lab_file, &format!("service-tags = {tags_file:?}"))
}

/// Replaces the watched file `old` with `new` during traffic and returns a summary. `old` is older than the bundle and therefore forced.
fn update(old: &Path, new: &Path) -> Result<String> {
    let mut fixture = Fixture::prepare()?;
    let (before, after) = (read(old)?, read(new)?);
    let probed = protected_by_both(&before, &after)?;
    let file = WatchedFile::new(
        fixture.path("tags"),
        Replacement::Rename,
        &fs::read_to_string(old)?,
    )?;
    let text = fs::read_to_string(new)?;
    use_file(&fixture, &file.path())?;
    fixture
        .enforcer
        .cli(import(old).chain(["--force".into()]))?
        .success()?;
    fixture.run()?;
    fixture.await_names()?;
    await_number(&fixture, before.change_number)?;

    let stream = fixture.stream(&probed, RATE)?;
    let start = Instant::now();
    file.replace(&text)?;
    await_number(&fixture, after.change_number)?;
    let took = start.elapsed();
    if let Some(opened) = only_in(&after, &before)? {
        ensure!(!fixture.reaches(opened)?, "{opened} is not closed");
    }
    fixture.lab.pull()?;
    let refused = fixture.end_stream(stream, &probed)?;
    Ok(format!(
        "{} to {}: in force after {took:.0?}; {refused} attempts to reach {} addresses denied, none allowed",
        before.change_number,
        after.change_number,
        probed.len(),
    ))
}

fn await_number(fixture: &Fixture, number: u32) -> Result<Value> {
    fixture.await_status(&format!("change number {number}"), |status| {
        status["tags"]["change-number"] == number
    })
}

/// Returns the path of a published file outside the workspace, if it exists.
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

/// Returns first addresses of prefixes of `one`, evenly spread, that `other` also protects; half of each family.
fn protected_by_both(one: &TagSnapshot, other: &TagSnapshot) -> Result<Vec<IpAddr>> {
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

/// Returns an address that `one` protects and `other` does not, if there is one.
fn only_in(one: &TagSnapshot, other: &TagSnapshot) -> Result<Option<IpAddr>> {
    let other = prefixes(other)?;
    let open = |address: &IpAddr| !other.iter().any(|prefix| prefix.contains(address));
    Ok(prefixes(one)?.iter().map(IpNet::network).find(open))
}
