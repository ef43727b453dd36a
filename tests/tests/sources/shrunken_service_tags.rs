//! A watched service-tags file that lacks many prefixes of the set in force.

use std::fs;

use anyhow::{Context as _, Result};
use lab::fixtures::{
    replicas::{Replacement, WatchedFile, renumbered},
    service_tags::change_number,
};
use serde_json::{Value, json};

use crate::{fixture::Fixture, service_tags_url::NEWLY_PROTECTED};

/// Additional prefixes, a fifth of the bundle's storage addresses, and one address in them.
const MORE: [&str; 3] = ["45.64.0.0/16", "45.65.0.0/16", "192.0.2.80/32"];
const ONE: &str = NEWLY_PROTECTED;

/// Returns the lab's file as another publication, with `more` prefixes in the global tag of storage.
fn file(fixture: &Fixture, publication: u32, more: &[&str]) -> Result<String> {
    let mut tags = renumbered(fixture.lab.network().service_tags(), publication)?;
    let mut all = tags["values"].as_array_mut().into_iter().flatten();
    let storage = all.find(|tag| tag["name"] == "Storage").context("no tag")?;
    let prefixes = storage["properties"]["addressPrefixes"].as_array_mut();
    let prefixes = prefixes.context("no prefixes")?;
    prefixes.extend(more.iter().map(|prefix| json!(prefix)));
    Ok(tags.to_string())
}

/// Waits until `status` shows the change number of publication 2, and a source failure for the missing prefixes.
fn await_rejection(fixture: &Fixture) -> Result<Value> {
    fixture.await_status("the file is rejected", |status| {
        let lacks = "lacks 131073 of the";
        status["tags"]["change-number"] == change_number(2) && status.to_string().contains(lacks)
    })
}

#[test]
fn prefixes_missing_in_a_file_stay_protected_also_after_a_restart() -> Result<()> {
    let mut fixture = Fixture::prepare()?;
    let watched = WatchedFile::new(
        fixture.path("tags"),
        Replacement::Rename,
        &file(&fixture, 2, &MORE)?,
    )?;
    fixture.configure("regions = [\"eastus\"]", "", "")?;
    let lab_file = format!("service-tags = {:?}", fixture.lab.network().service_tags());
    fixture
        .enforcer
        .edit(&lab_file, &format!("service-tags = {:?}", watched.path()))?;
    fixture.run()?;
    assert!(!fixture.reaches(ONE.parse()?)?);

    watched.replace(&file(&fixture, 3, &[])?)?;
    await_rejection(&fixture)?;
    assert!(!fixture.reaches(ONE.parse()?)?);
    fixture.end()?;
    fixture.run()?;
    await_rejection(&fixture)?;
    assert!(!fixture.reaches(ONE.parse()?)?);

    let new = fixture.path("new.json");
    fs::write(&new, file(&fixture, 3, &[])?)?;
    let import = |more: &[&str]| {
        let new = new.display().to_string();
        let arguments = ["tags", "import", &new];
        fixture.enforcer.cli([&arguments, more].concat())
    };
    let refused = import(&[])?;
    assert_eq!(refused.code(), Some(2), "{refused:?}");
    assert!(
        refused.stderr.contains("lacks 131073 of the"),
        "{refused:?}"
    );
    import(&["--force"])?.success()?;
    let status = fixture.await_status("the file is applied", |status| {
        status["tags"]["change-number"] == change_number(3)
    })?;
    assert!(status.to_string().contains("tags-forced"), "{status}");
    assert!(fixture.reaches(ONE.parse()?)?);
    Ok(())
}
