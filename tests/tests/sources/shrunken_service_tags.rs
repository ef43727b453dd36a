//! A watched service-tags file that lacks much of what is in force.

use std::fs;

use anyhow::{Context as _, Result};
use lab::fixtures::{
    replicas::{Replacement, WatchedFile, renumbered},
    service_tags::change_number,
};
use serde_json::{Value, json};

use crate::{fixture::Fixture, service_tags_url::NEWLY_CLOSED};

/// A fifth more of storage's addresses than the bundle has, and one of them.
const MORE: [&str; 3] = ["45.64.0.0/16", "45.65.0.0/16", "192.0.2.80/32"];
const ONE: &str = NEWLY_CLOSED;

/// The lab's file as another publication, in which the global tag of storage has `more` prefixes too.
fn file(fixture: &Fixture, publication: u32, more: &[&str]) -> Result<String> {
    let mut tags = renumbered(fixture.lab.network().service_tags(), publication)?;
    let mut all = tags["values"].as_array_mut().into_iter().flatten();
    let storage = all.find(|tag| tag["name"] == "Storage").context("no tag")?;
    let prefixes = storage["properties"]["addressPrefixes"].as_array_mut();
    let prefixes = prefixes.context("no prefixes")?;
    prefixes.extend(more.iter().map(|prefix| json!(prefix)));
    Ok(tags.to_string())
}

/// Waits until `status` shows the change number of publication 2, and a source that fails for what it lacks.
fn await_refused(fixture: &Fixture) -> Result<Value> {
    fixture.await_status("the file is refused", |status| {
        let lacks = "lacks 131073 of the";
        status["tags"]["change-number"] == change_number(2) && status.to_string().contains(lacks)
    })
}

#[test]
fn what_a_file_lacks_stays_closed_also_over_a_restart() -> Result<()> {
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
    await_refused(&fixture)?;
    assert!(!fixture.reaches(ONE.parse()?)?);
    fixture.end()?;
    fixture.run()?;
    await_refused(&fixture)?;
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
    let status = fixture.await_status("it is taken", |status| {
        status["tags"]["change-number"] == change_number(3)
    })?;
    assert!(status.to_string().contains("tags-forced"), "{status}");
    assert!(fixture.reaches(ONE.parse()?)?);
    Ok(())
}
