//! Service tags that come while the daemon runs: from a URL, and from the Service Tag Discovery API.

use std::net::IpAddr;

use anyhow::{Context, Result};
use lab::{
    azure::{SUBSCRIPTION, Service},
    replicas::renumbered,
    scene::EVIL,
};
use serde_json::{Value, json};

use crate::{
    stage::{LIMIT, Stage, azure, with_secret},
    told::failing,
};

/// The web server that has nothing to do with registries or storage, until a newer file says so.
const NEWLY_CLOSED: &str = "192.0.2.80";
const POLLED: &str = "service-tags-url = \"https://mirror.example.org/ServiceTags_Public.json\"\nservice-tags-poll = \"1s\"";

/// Closed by every file here.
fn closed_by_all() -> Result<Vec<IpAddr>> {
    let addresses = EVIL.iter().filter_map(|prefix| prefix.split('/').next());
    Ok(addresses.map(str::parse).collect::<Result<_, _>>()?)
}

/// The lab's file with another change number, in which the global tag of storage has [`NEWLY_CLOSED`] too, if `closes`.
fn file(stage: &Stage, change_number: u32, closes: bool) -> Result<Value> {
    let mut tags = renumbered(stage.lab.world().service_tags(), change_number)?;
    if closes {
        prefixes(&mut tags, "Storage")?.push(json!(format!("{NEWLY_CLOSED}/32")));
    }
    Ok(tags)
}

fn prefixes<'a>(tags: &'a mut Value, name: &str) -> Result<&'a mut Vec<Value>> {
    let tags = tags["values"].as_array_mut().context("no tags")?;
    let tag = tags.iter_mut().find(|tag| tag["name"] == name);
    let prefixes = &mut tag.context("no such tag")?["properties"]["addressPrefixes"];
    prefixes.as_array_mut().context("no prefixes")
}

fn await_number(stage: &Stage, number: u32) -> Result<()> {
    stage.await_told(&format!("change number {number}"), |status| {
        status["tags"]["change-number"] == number
    })?;
    Ok(())
}

#[test]
fn a_newer_file_by_url_is_switched_to_and_an_older_or_damaged_one_is_refused() -> Result<()> {
    let mut stage = Stage::prepare()?;
    stage
        .azure
        .set_mirrored(std::fs::read(stage.lab.world().service_tags())?);
    stage.start("regions = [\"eastus\"]", POLLED, "")?;
    let protected = closed_by_all()?;
    let stream = stage.stream(&protected, 100)?;
    stage
        .azure
        .await_requests(Service::Mirror, 2, LIMIT, |request| request.status == 304)?;
    let closed: IpAddr = NEWLY_CLOSED.parse()?;
    assert!(stage.reaches(closed)?);

    stage.azure.set_mirrored(file(&stage, 2, true)?.to_string());
    await_number(&stage, 2)?;
    assert!(!stage.reaches(closed)?);

    let newer = file(&stage, 3, false)?.to_string();
    let mut foreign = file(&stage, 3, false)?;
    foreign["cloud"] = "China".into();
    let mut empty = file(&stage, 3, false)?;
    prefixes(&mut empty, "Storage")?.clear();
    let bad = [
        file(&stage, 1, false)?.to_string(),
        newer[..newer.len() / 2].to_owned(),
        foreign.to_string(),
        empty.to_string(),
    ];
    for text in bad {
        stage.azure.set_mirrored(text);
        stage
            .azure
            .await_requests(Service::Mirror, 1, LIMIT, |request| request.status == 200)?;
        let told = stage.await_failing(1)?;
        assert!(told[0].contains("mirror.example.org"), "{told:?}");
        await_number(&stage, 2)?;
        assert!(!stage.reaches(closed)?);
    }
    stage.azure.set_mirrored(newer);
    await_number(&stage, 3)?;
    stage.await_mended()?;
    assert!(stage.reaches(closed)?);
    let refused = stage.end_stream(stream, &protected)?;
    eprintln!("{refused} attempts refused during the switches");
    stage.lab.pull()?;
    Ok(())
}

#[test]
fn the_discovery_api_adds_prefixes_and_never_removes_any() -> Result<()> {
    let mut stage = Stage::prepare()?;
    let tags = file(&stage, 0, true)?;
    let tag = |name: &str, prefixes: Value| {
        let values = tags["values"].as_array().into_iter().flatten();
        let mut tag = values
            .into_iter()
            .find(|tag| tag["name"] == name)
            .cloned()
            .unwrap_or_default();
        tag["properties"]["addressPrefixes"] = prefixes;
        tag
    };
    // Neither the bad actor's account nor its registry: the API's data is a subset, and can be weeks old.
    let of_storage = json!([format!("{NEWLY_CLOSED}/32"), "203.0.113.128/25"]);
    let of_registries = json!(["198.51.100.128/26", "198.18.0.0/24"]);
    let pages = vec![
        vec![tag("AzureContainerRegistry", of_registries)],
        vec![tag("Storage", of_storage)],
    ];
    stage.azure.set_tag_pages(7, pages);
    let by_api =
        format!("service-tags-subscription = {SUBSCRIPTION:?}\nservice-tags-poll = \"1s\"");
    let with_secret = azure(&with_secret(&stage.azure));
    let (protected, closed) = (closed_by_all()?, NEWLY_CLOSED.parse()?);
    assert!(stage.reaches(closed)?);
    stage.start("regions = [\"eastus\"]", &by_api, &with_secret)?;
    let stream = stage.stream(&protected, 50)?;
    // Of the second page.
    stage
        .azure
        .await_requests(Service::ResourceManager, 2, LIMIT, |request| {
            request.status == 200 && request.target.contains("skiptoken")
        })?;
    let closes = || anyhow::Ok(!stage.reaches(closed)?);
    let deadline = std::time::Instant::now() + LIMIT;
    while !closes()? {
        anyhow::ensure!(
            std::time::Instant::now() < deadline,
            "never closed: {}",
            stage.enforcer.log()
        );
    }

    // What it does not say any more stays closed.
    stage
        .azure
        .set_tag_pages(8, vec![vec![tag("Storage", json!(["203.0.113.0/24"]))]]);
    stage
        .azure
        .await_requests(Service::ResourceManager, 3, LIMIT, |request| {
            request.status == 200
        })?;
    assert!(closes()?);

    // A page that is said to be elsewhere is not asked for with the token.
    stage
        .azure
        .set_next_link(Some("https://mirror.example.org/more"));
    let told = stage.await_failing(1)?;
    assert_eq!(stage.azure.count(Service::Mirror), 0, "{told:?}");
    stage.azure.set_next_link(None);
    stage.await_mended()?;
    assert!(closes()?);
    stage.end_stream(stream, &protected)?;
    stage.lab.pull()?;
    stage.secrets_are_nowhere()
}

#[test]
fn tags_by_url_outlive_the_daemon_and_the_mirror() -> Result<()> {
    let mut stage = Stage::prepare()?;
    stage.azure.set_mirrored(file(&stage, 2, true)?.to_string());
    stage.start("regions = [\"eastus\"]", POLLED, "")?;
    await_number(&stage, 2)?;
    stage
        .azure
        .fail(Service::Mirror, lab::azure::Fault::Refused);
    stage.end()?;
    stage.run_with(&[])?;
    await_number(&stage, 2)?;
    assert!(!stage.reaches(NEWLY_CLOSED.parse()?)?);
    stage.await_failing(1)?;
    stage.azure.mend(Service::Mirror);
    stage.await_told("the mirror is there again", |status| {
        failing(status).is_empty()
    })?;
    Ok(())
}
