//! Service tags from the Service Tag Discovery API, a possibly outdated subset.

use std::{net::IpAddr, thread, time::Instant};

use anyhow::{Result, ensure};
use lab::{
    azure::{SUBSCRIPTION, Service},
    clients::stream::Stream,
};
use serde_json::{Value, json};

use crate::{
    fixture::{Fixture, LIMIT, POLL, azure, with_secret},
    service_tags_url::{NEWLY_PROTECTED, file, protected_by_all},
};

/// Starts a daemon that polls the API every second, and a stream to addresses that all tags protect.
fn polling(pages: impl FnOnce(&Fixture) -> Result<Vec<Vec<Value>>>) -> Result<(Fixture, Stream)> {
    let mut fixture = Fixture::prepare()?;
    fixture.azure.set_tag_pages(7, pages(&fixture)?);
    ensure!(
        fixture.reaches(NEWLY_PROTECTED.parse()?)?,
        "protected before"
    );
    let by_api =
        format!("service-tags-subscription = {SUBSCRIPTION:?}\nservice-tags-poll = \"1s\"");
    let with_secret = azure(&with_secret(&fixture.azure));
    fixture.start("regions = [\"eastus\"]", &by_api, &with_secret)?;
    let stream = fixture.stream(&protected_by_all()?, 50)?;
    Ok((fixture, stream))
}

/// Returns a tag of the lab's file with other prefixes.
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

fn await_protected(fixture: &Fixture) -> Result<()> {
    let (address, deadline): (IpAddr, Instant) = (NEWLY_PROTECTED.parse()?, Instant::now() + LIMIT);
    while fixture.reaches(address)? {
        ensure!(
            Instant::now() < deadline,
            "not protected in time: {}",
            fixture.enforcer.log()
        );
        thread::sleep(POLL);
    }
    Ok(())
}

/// Returns two pages without the bad actor's account and registry.
fn pages(fixture: &Fixture) -> Result<Vec<Vec<Value>>> {
    let closed = format!("{NEWLY_PROTECTED}/32");
    let registries = ["198.51.100.128/26", "198.18.0.0/24"];
    Ok(vec![
        vec![tag(fixture, "AzureContainerRegistry", &registries)?],
        vec![tag(fixture, "Storage", &[&closed, "203.0.113.128/25"])?],
    ])
}

#[test]
fn the_discovery_api_adds_prefixes_and_never_removes_any() -> Result<()> {
    let (fixture, stream) = polling(pages)?;
    await_protected(&fixture)?;
    // A prefix that is no longer listed stays protected.
    let less = vec![vec![tag(&fixture, "Storage", &["203.0.113.0/24"])?]];
    fixture.azure.set_tag_pages(8, less);
    let good = |status| status == 200;
    fixture
        .azure
        .await_requests(Service::ResourceManager, 3, LIMIT, |request| {
            good(request.status)
        })?;
    assert!(!fixture.reaches(NEWLY_PROTECTED.parse()?)?);
    fixture.end_stream(stream, &protected_by_all()?)?;
    fixture.lab.pull()?;
    Ok(())
}

#[test]
fn a_next_link_to_another_host_gets_no_token_and_changes_nothing() -> Result<()> {
    let (fixture, stream) = polling(pages)?;
    await_protected(&fixture)?;
    fixture
        .azure
        .set_next_link(Some("https://mirror.example.org/more"));
    let messages = fixture.await_source_failures(1)?;
    assert_eq!(fixture.azure.count(Service::Mirror), 0, "{messages:?}");
    assert!(!fixture.reaches(NEWLY_PROTECTED.parse()?)?);
    fixture.azure.set_next_link(None);
    fixture.await_sources_recovered()?;
    fixture.end_stream(stream, &protected_by_all()?)?;
    fixture.check_no_secret_leaks()
}
