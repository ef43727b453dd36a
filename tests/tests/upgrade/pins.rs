//! Pins of other versions: reported, not trusted, and removed.

use std::{
    fs::{self, DirBuilder, Permissions},
    os::unix::fs::{DirBuilderExt as _, PermissionsExt as _, symlink},
    time::Instant,
};

use anyhow::Result;
use lab::fixtures::fixture::Fixture;

use crate::{
    LIMIT, STREAM,
    version::{Version, both, killed_before, layouts},
};

#[test]
fn pins_of_another_version_are_reported_and_unloaded() -> Result<()> {
    let [present, other] = both()?;
    let mut fixture = Fixture::start(STREAM, "")?;
    fixture.enforcer.kill()?;
    other.take_over(&mut fixture)?;
    let refused = present.ask(&fixture, "run")?;
    assert!(
        refused.refusal()?.contains("another egress-enforcer runs"),
        "{refused:?}"
    );
    let refused = present.ask(&fixture, "unload")?;
    assert!(
        refused.refusal()?.contains("the daemon runs"),
        "{refused:?}"
    );
    assert_eq!(layouts(&fixture)?, [other.directory()]);

    fixture.enforcer.kill()?;
    let number = other.number;
    let says = format!("layout version {number}, which this binary");
    for command in [["status"].as_slice(), &["explain", "203.0.113.66"]] {
        let output = fixture.enforcer.cli(command)?;
        assert!(output.refusal()?.contains(&says), "{output:?}");
    }
    let output = present.ask(&fixture, "doctor")?.success()?;
    assert!(
        output.contains(&format!("in force, layout version {number};")),
        "{output}"
    );
    let refused = fixture.enforcer.cli(["run", "--ephemeral"])?;
    assert!(
        refused.refusal()?.contains("enforcement is in force"),
        "{refused:?}"
    );

    killed_before(&present, &fixture, 20)?;
    assert_eq!(layouts(&fixture)?.len(), 2);
    fixture.check_pull_and_exfiltration()?;
    let ended = other.ask(&fixture, "unload")?.success()?;
    assert!(ended.contains("enforcement has ended"), "{ended}");
    assert!(!fixture.pins().exists());
    assert!(fixture.lab.exfiltrate_curl(&fixture.lab.device())?.ok);
    Ok(())
}

#[test]
fn pin_directories_of_other_versions_are_not_trusted() -> Result<()> {
    const NOT_ROOTS: &str = "is accessible to users other than root";
    let [present, _] = both()?;
    let mut fixture = Fixture::start(STREAM, "")?;
    let stream = fixture.stream()?;
    fixture.enforcer.kill()?;
    let foreign = fixture.pins().join("v4294967295");
    let own = |name: &str| fixture.pins().join(present.directory()).join(name);
    let elsewhere = fixture.lab.dir().join("elsewhere");
    fs::write(&elsewhere, "unchanged")?;

    DirBuilder::new().mode(0o755).create(&foreign)?;
    fs::set_permissions(&foreign, Permissions::from_mode(0o755))?;
    let refused = present.ask(&fixture, "run")?;
    let error = refused.refusal()?;
    assert!(error.contains(NOT_ROOTS), "{error}");
    fs::remove_dir(&foreign)?;
    symlink(fixture.lab.dir(), &foreign)?;
    let refused = present.ask(&fixture, "run")?;
    let error = refused.refusal()?;
    assert!(error.contains(NOT_ROOTS), "{error}");
    fs::remove_file(&foreign)?;

    DirBuilder::new().mode(0o700).create(&foreign)?;
    symlink(&elsewhere, foreign.join("ALLOWED"))?;
    symlink(&elsewhere, foreign.join("link_egress"))?;
    fs::rename(own("DENIAL_DEDUP"), foreign.join("SETTINGS"))?;
    fs::rename(own("link_connect4"), foreign.join("link_of_old"))?;
    present.take_over(&mut fixture)?;
    assert_eq!(fs::read_to_string(&elsewhere)?, "unchanged");

    fixture.enforcer.kill()?;
    DirBuilder::new().mode(0o700).create(&foreign)?;
    fs::create_dir(foreign.join("no pin"))?;
    fixture.enforcer.run()?;
    let status = fixture.enforcer.status()?;
    assert_eq!(status["alarms"][0]["kind"], "other-version", "{status}");
    fixture.check(&stream.end()?)
}

#[test]
fn unexpected_layouts_in_a_versions_directory_are_rejected_and_stay_in_force() -> Result<()> {
    let [present, other] = both()?;
    let mut fixture = Fixture::start(STREAM, "")?;
    fixture.enforcer.kill()?;
    other.take_over(&mut fixture)?;
    fixture.enforcer.kill()?;
    let pins_of = |version: &Version| fixture.pins().join(version.directory());
    fs::rename(pins_of(&other), pins_of(&present))?;
    let refused = present.ask(&fixture, "run")?;
    assert!(refused.refusal()?.contains("other layouts"), "{refused:?}");
    fixture.check_pull_and_exfiltration()?;
    present.ask(&fixture, "unload")?.success()?;
    assert!(!fixture.pins().exists());
    Ok(())
}

#[test]
fn links_without_a_cgroup_are_not_reported_as_enforcing() -> Result<()> {
    let mut fixture = Fixture::start(STREAM, "")?;
    fixture.enforcer.kill()?;
    assert_eq!(fixture.enforcer.cli(["status"])?.code(), Some(0));
    let scope = fixture.lab.device_cgroup().path();
    fs::remove_dir(scope)?;
    fs::create_dir(scope)?;
    let deadline = Instant::now() + LIMIT;
    while fixture.enforcer.cli(["status"])?.code() != Some(1) {
        assert!(Instant::now() < deadline, "reported as enforcing");
    }
    assert_eq!(fixture.enforcer.json(["status"])?["enforcing"], false);
    fixture.enforcer.run()?;
    fixture.check_pull_and_exfiltration()
}
