//! Service tags from a URL.

use std::net::IpAddr;

use anyhow::{Context, Result};
use lab::{
    azure::{Fault, Service},
    fixtures::{fixture::EVIL, replicas::renumbered, service_tags::change_number},
};
use serde_json::{Value, json};

use crate::{
    fixture::{Fixture, LIMIT},
    status::failing,
};

/// The unrelated web server, which a newer file protects.
pub(crate) const NEWLY_PROTECTED: &str = "192.0.2.80";
const POLLED: &str = "service-tags-url = \"https://mirror.example.org/ServiceTags_Public.json\"\nservice-tags-poll = \"1s\"";

/// Returns addresses that every file protects.
pub(crate) fn protected_by_all() -> Result<Vec<IpAddr>> {
    let addresses = EVIL.iter().filter_map(|prefix| prefix.split('/').next());
    Ok(addresses.map(str::parse).collect::<Result<_, _>>()?)
}

/// Returns the lab's file as another publication; with `protects`, the global tag of storage includes [`NEWLY_PROTECTED`].
pub(crate) fn file(fixture: &Fixture, publication: u32, protects: bool) -> Result<Value> {
    let mut tags = renumbered(fixture.lab.network().service_tags(), publication)?;
    if protects {
        prefixes(&mut tags, "Storage")?.push(json!(format!("{NEWLY_PROTECTED}/32")));
    }
    Ok(tags)
}

fn prefixes<'a>(tags: &'a mut Value, name: &str) -> Result<&'a mut Vec<Value>> {
    let tags = tags["values"].as_array_mut().context("no tags")?;
    let tag = tags.iter_mut().find(|tag| tag["name"] == name);
    let prefixes = &mut tag.context("no such tag")?["properties"]["addressPrefixes"];
    prefixes.as_array_mut().context("no prefixes")
}

fn await_publication(fixture: &Fixture, publication: u32) -> Result<()> {
    let number = change_number(publication);
    fixture.await_status(&format!("change number {number}"), |status| {
        status["tags"]["change-number"] == number
    })?;
    Ok(())
}

#[test]
fn a_newer_file_from_the_url_is_applied_and_an_older_or_damaged_one_is_rejected() -> Result<()> {
    let mut fixture = Fixture::prepare()?;
    fixture
        .azure
        .set_mirrored(std::fs::read(fixture.lab.network().service_tags())?);
    fixture.start("regions = [\"eastus\"]", POLLED, "")?;
    let protected = protected_by_all()?;
    let stream = fixture.stream(&protected, 100)?;
    fixture
        .azure
        .await_requests(Service::Mirror, 2, LIMIT, |request| request.status == 304)?;
    let closed: IpAddr = NEWLY_PROTECTED.parse()?;
    assert!(fixture.reaches(closed)?);

    fixture
        .azure
        .set_mirrored(file(&fixture, 2, true)?.to_string());
    await_publication(&fixture, 2)?;
    assert!(!fixture.reaches(closed)?);

    for text in bad_files(&fixture)? {
        fixture.azure.set_mirrored(text);
        fixture
            .azure
            .await_requests(Service::Mirror, 1, LIMIT, |request| request.status == 200)?;
        let messages = fixture.await_source_failures(1)?;
        assert!(messages[0].contains("mirror.example.org"), "{messages:?}");
        await_publication(&fixture, 2)?;
        assert!(!fixture.reaches(closed)?);
    }
    fixture
        .azure
        .set_mirrored(file(&fixture, 3, false)?.to_string());
    await_publication(&fixture, 3)?;
    fixture.await_sources_recovered()?;
    assert!(fixture.reaches(closed)?);
    let refused = fixture.end_stream(stream, &protected)?;
    eprintln!("{refused} attempts refused during the switches");
    fixture.lab.pull()?;
    Ok(())
}

/// Returns an older file, a truncated one, one of another cloud, and one without prefixes.
fn bad_files(fixture: &Fixture) -> Result<[String; 4]> {
    let newer = file(fixture, 3, false)?;
    let (mut foreign, mut empty) = (newer.clone(), newer.clone());
    foreign["cloud"] = "China".into();
    prefixes(&mut empty, "Storage")?.clear();
    let whole = newer.to_string();
    Ok([
        file(fixture, 1, false)?.to_string(),
        whole[..whole.len() / 2].to_owned(),
        foreign.to_string(),
        empty.to_string(),
    ])
}

#[test]
fn tags_from_the_url_survive_a_restart_and_an_outage_of_the_mirror() -> Result<()> {
    let mut fixture = Fixture::prepare()?;
    fixture
        .azure
        .set_mirrored(file(&fixture, 2, true)?.to_string());
    fixture.start("regions = [\"eastus\"]", POLLED, "")?;
    await_publication(&fixture, 2)?;
    fixture.azure.fail(Service::Mirror, Fault::Refused);
    fixture.end()?;
    fixture.run()?;
    await_publication(&fixture, 2)?;
    assert!(!fixture.reaches(NEWLY_PROTECTED.parse()?)?);
    fixture.await_source_failures(1)?;
    fixture.azure.recover(Service::Mirror);
    fixture.await_status("the mirror has recovered", |status| {
        failing(status).is_empty()
    })?;
    Ok(())
}
