//! Service tags from the Service Tag Discovery API: a subset, which can be weeks old.

use std::{net::IpAddr, thread, time::Instant};

use anyhow::{Result, ensure};
use lab::{
    azure::{SUBSCRIPTION, Service},
    clients::stream::Stream,
};
use serde_json::{Value, json};

use crate::{
    fixture::{Fixture, LIMIT, LOOK, azure, with_secret},
    service_tags_url::{NEWLY_CLOSED, closed_by_all, file},
};

/// A stage whose daemon asks the API every second, and a stream against what all tags close.
fn polling(pages: impl FnOnce(&Fixture) -> Result<Vec<Vec<Value>>>) -> Result<(Fixture, Stream)> {
    let mut fixture = Fixture::prepare()?;
    fixture.azure.set_tag_pages(7, pages(&fixture)?);
    ensure!(fixture.reaches(NEWLY_CLOSED.parse()?)?, "closed before");
    let by_api =
        format!("service-tags-subscription = {SUBSCRIPTION:?}\nservice-tags-poll = \"1s\"");
    let with_secret = azure(&with_secret(&fixture.azure));
    fixture.start("regions = [\"eastus\"]", &by_api, &with_secret)?;
    let stream = fixture.stream(&closed_by_all()?, 50)?;
    Ok((fixture, stream))
}

/// A tag of the lab's file with other prefixes.
fn tag(fixture: &Fixture, name: &str, prefixes: &[&str]) -> Result<Value> {
    let tags = file(fixture, 0, true)?;
    let mut values = tags["values"].as_array().into_iter().flatten();
    let mut tag = values
        .find(|tag| tag["name"] == name)
        .cloned()
        .unwrap_or_default();
    tag["properties"]["addressPrefixes"] = json!(prefixes);
    Ok(tag)
}

fn await_closed(fixture: &Fixture) -> Result<()> {
    let (address, deadline): (IpAddr, Instant) = (NEWLY_CLOSED.parse()?, Instant::now() + LIMIT);
    while fixture.reaches(address)? {
        ensure!(
            Instant::now() < deadline,
            "never closed: {}",
            fixture.enforcer.log()
        );
        thread::sleep(LOOK);
    }
    Ok(())
}

/// Two pages that lack the bad actor's account and registry.
fn pages(fixture: &Fixture) -> Result<Vec<Vec<Value>>> {
    let closed = format!("{NEWLY_CLOSED}/32");
    let registries = ["198.51.100.128/26", "198.18.0.0/24"];
    Ok(vec![
        vec![tag(fixture, "AzureContainerRegistry", &registries)?],
        vec![tag(fixture, "Storage", &[&closed, "203.0.113.128/25"])?],
    ])
}

#[test]
fn the_discovery_api_adds_prefixes_and_never_removes_any() -> Result<()> {
    let (fixture, stream) = polling(pages)?;
    await_closed(&fixture)?;
    // What it does not say any more stays closed.
    let less = vec![vec![tag(&fixture, "Storage", &["203.0.113.0/24"])?]];
    fixture.azure.set_tag_pages(8, less);
    let good = |status| status == 200;
    fixture
        .azure
        .await_requests(Service::ResourceManager, 3, LIMIT, |request| {
            good(request.status)
        })?;
    assert!(!fixture.reaches(NEWLY_CLOSED.parse()?)?);
    fixture.end_stream(stream, &closed_by_all()?)?;
    fixture.lab.pull()?;
    Ok(())
}

#[test]
fn a_next_page_that_is_said_to_be_elsewhere_gets_no_token_and_changes_nothing() -> Result<()> {
    let (fixture, stream) = polling(pages)?;
    await_closed(&fixture)?;
    fixture
        .azure
        .set_next_link(Some("https://mirror.example.org/more"));
    let told = fixture.await_source_failures(1)?;
    assert_eq!(fixture.azure.count(Service::Mirror), 0, "{told:?}");
    assert!(!fixture.reaches(NEWLY_CLOSED.parse()?)?);
    fixture.azure.set_next_link(None);
    fixture.await_sources_recovered()?;
    fixture.end_stream(stream, &closed_by_all()?)?;
    fixture.secrets_are_nowhere()
}
