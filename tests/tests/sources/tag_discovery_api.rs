//! Service tags from the Service Tag Discovery API: a subset, which can be weeks old.

use std::{net::IpAddr, thread, time::Instant};

use anyhow::{Result, ensure};
use lab::{
    azure::{SUBSCRIPTION, Service},
    clients::stream::Stream,
};
use serde_json::{Value, json};

use crate::{
    fixture::{LIMIT, LOOK, Stage, azure, with_secret},
    service_tags_url::{NEWLY_CLOSED, closed_by_all, file},
};

/// A stage whose daemon asks the API every second, and a stream against what all tags close.
fn polling(pages: impl FnOnce(&Stage) -> Result<Vec<Vec<Value>>>) -> Result<(Stage, Stream)> {
    let mut stage = Stage::prepare()?;
    stage.azure.set_tag_pages(7, pages(&stage)?);
    ensure!(stage.reaches(NEWLY_CLOSED.parse()?)?, "closed before");
    let by_api =
        format!("service-tags-subscription = {SUBSCRIPTION:?}\nservice-tags-poll = \"1s\"");
    let with_secret = azure(&with_secret(&stage.azure));
    stage.start("regions = [\"eastus\"]", &by_api, &with_secret)?;
    let stream = stage.stream(&closed_by_all()?, 50)?;
    Ok((stage, stream))
}

/// A tag of the lab's file with other prefixes.
fn tag(stage: &Stage, name: &str, prefixes: &[&str]) -> Result<Value> {
    let tags = file(stage, 0, true)?;
    let mut values = tags["values"].as_array().into_iter().flatten();
    let mut tag = values
        .find(|tag| tag["name"] == name)
        .cloned()
        .unwrap_or_default();
    tag["properties"]["addressPrefixes"] = json!(prefixes);
    Ok(tag)
}

fn await_closed(stage: &Stage) -> Result<()> {
    let (address, deadline): (IpAddr, Instant) = (NEWLY_CLOSED.parse()?, Instant::now() + LIMIT);
    while stage.reaches(address)? {
        ensure!(
            Instant::now() < deadline,
            "never closed: {}",
            stage.enforcer.log()
        );
        thread::sleep(LOOK);
    }
    Ok(())
}

/// Two pages that lack the bad actor's account and registry.
fn pages(stage: &Stage) -> Result<Vec<Vec<Value>>> {
    let closed = format!("{NEWLY_CLOSED}/32");
    let registries = ["198.51.100.128/26", "198.18.0.0/24"];
    Ok(vec![
        vec![tag(stage, "AzureContainerRegistry", &registries)?],
        vec![tag(stage, "Storage", &[&closed, "203.0.113.128/25"])?],
    ])
}

#[test]
fn the_discovery_api_adds_prefixes_and_never_removes_any() -> Result<()> {
    let (stage, stream) = polling(pages)?;
    await_closed(&stage)?;
    // What it does not say any more stays closed.
    let less = vec![vec![tag(&stage, "Storage", &["203.0.113.0/24"])?]];
    stage.azure.set_tag_pages(8, less);
    let good = |status| status == 200;
    stage
        .azure
        .await_requests(Service::ResourceManager, 3, LIMIT, |request| {
            good(request.status)
        })?;
    assert!(!stage.reaches(NEWLY_CLOSED.parse()?)?);
    stage.end_stream(stream, &closed_by_all()?)?;
    stage.lab.pull()?;
    Ok(())
}

#[test]
fn a_next_page_that_is_said_to_be_elsewhere_gets_no_token_and_changes_nothing() -> Result<()> {
    let (stage, stream) = polling(pages)?;
    await_closed(&stage)?;
    stage
        .azure
        .set_next_link(Some("https://mirror.example.org/more"));
    let told = stage.await_failing(1)?;
    assert_eq!(stage.azure.count(Service::Mirror), 0, "{told:?}");
    assert!(!stage.reaches(NEWLY_CLOSED.parse()?)?);
    stage.azure.set_next_link(None);
    stage.await_mended()?;
    stage.end_stream(stream, &closed_by_all()?)?;
    stage.secrets_are_nowhere()
}
