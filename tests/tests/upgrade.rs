//! Upgrade and downgrade between versions: enforcement has no gap, and no pins of the other version remain.

use std::{
    fs::{self, DirBuilder, Permissions},
    os::unix::fs::{DirBuilderExt as _, PermissionsExt as _, symlink},
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result};
use enforcer_common::layout::VERSION;
use lab::{
    clients::stream::Plan,
    fixtures::{
        enforcer::{binary, next_binary},
        fixture::{Fixture, RATE},
        process::{Finished, run},
    },
    servers::dns::Fault,
};

const STREAM: &str = env!("CARGO_BIN_EXE_egress-stream");
const UNTIL: &str = env!("CARGO_BIN_EXE_egress-until");
const LIMIT: Duration = Duration::from_secs(60);
/// Distance between the steps of a take-over before which it is killed.
const STRIDE: usize = 6;

/// A binary and its pin directory.
struct Version {
    binary: PathBuf,
    directory: String,
}

fn both() -> Result<[Version; 2]> {
    let version = |binary, number| Version {
        binary,
        directory: format!("v{number}"),
    };
    Ok([
        version(binary()?, VERSION),
        version(next_binary()?, VERSION + 1),
    ])
}

impl Version {
    /// Starts its daemon; once it answers, no other version has pins.
    fn take_over(&self, fixture: &mut Fixture) -> Result<()> {
        let command = fixture.enforcer.command_of(&self.binary, ["run"]);
        fixture.enforcer.run_as(command)?;
        assert_eq!(layouts(fixture)?, [self.directory.as_str()]);
        Ok(())
    }

    fn ask(&self, fixture: &Fixture, command: &str) -> Result<Finished> {
        run(fixture.enforcer.command_of(&self.binary, [command]), LIMIT)
    }

    /// Starts its daemon and kills it before step `step`, or after all steps. Returns the number of steps reached.
    fn killed_before(&self, fixture: &Fixture, step: usize) -> Result<usize> {
        let step = step.to_string();
        let binary = self.binary.to_str().context("a path in UTF-8")?;
        let command = fixture
            .enforcer
            .command_of(Path::new(UNTIL), [&step, binary, "run"]);
        let made = run(command, LIMIT)?.success()?;
        made.lines()
            .last()
            .context("no number")?
            .parse()
            .context("a number")
    }
}

fn layouts(fixture: &Fixture) -> Result<Vec<String>> {
    let mut found: Vec<String> = fs::read_dir(fixture.pins())?
        .map(|entry| Ok(entry?.file_name().to_string_lossy().into_owned()))
        .collect::<Result<_>>()?;
    found.sort();
    Ok(found)
}

#[test]
fn forty_version_changes_during_a_stream_leak_and_lose_no_packet() -> Result<()> {
    let [present, next] = both()?;
    let mut fixture = Fixture::start(STREAM, "")?;
    let stream = fixture.stream()?;
    let start = Instant::now();
    for start in 0..40 {
        if start % 2 == 0 {
            assert!(fixture.enforcer.end(libc::SIGTERM)?.success());
        } else {
            fixture.enforcer.kill()?;
        }
        // Periods of three and two, so that every combination of version change and kind of end occurs.
        let version = if start % 3 == 0 { &present } else { &next };
        version.take_over(&mut fixture)?;
    }
    let lasted = start.elapsed().as_secs_f64();
    let totals = stream.end()?;
    // Half of the attempts are datagrams.
    let connections = totals.answered + totals.refused / 2;
    eprintln!(
        "{connections} connections in {lasted:.1} s, {} of them to allowed addresses",
        totals.answered
    );
    let status = fixture.enforcer.status()?;
    assert_eq!(status["alarms"].as_array().map(Vec::len), Some(0));
    fixture.check(&totals)
}

#[test]
fn a_take_over_killed_before_any_step_leaves_no_gap_and_either_version_can_continue() -> Result<()>
{
    let [present, next] = both()?;
    let mut fixture = Fixture::start(STREAM, "")?;
    assert!(fixture.enforcer.end(libc::SIGTERM)?.success());
    let stream = fixture.stream()?;
    for (from, to) in [(&present, &next), (&next, &present)] {
        let mut in_force = to;
        let mut kills = 0;
        for step in (1..).step_by(STRIDE) {
            if in_force.directory != from.directory {
                from.take_over(&mut fixture)?;
                fixture.enforcer.kill()?;
            }
            if to.killed_before(&fixture, step)? < step {
                break;
            }
            for version in [&present, &next] {
                let report = version.ask(&fixture, "status")?;
                assert_ne!(
                    report.code(),
                    Some(1),
                    "reported as not enforcing: {report:?}"
                );
            }
            in_force = if kills % 2 == 0 { to } else { from };
            in_force.take_over(&mut fixture)?;
            fixture.enforcer.kill()?;
            kills += 1;
        }
        eprintln!("killed at {kills} points of the take-over");
        assert!(kills > 6, "killed before {kills} steps only");
        assert_eq!(layouts(&fixture)?, [to.directory.as_str()]);
    }
    fixture.check(&stream.end()?)
}

#[test]
fn addresses_in_the_maps_survive_a_change_to_a_version_that_knows_their_layout() -> Result<()> {
    let [present, next] = both()?;
    let mut fixture = Fixture::start(STREAM, "")?;
    let forget = |fixture: &mut Fixture| -> Result<()> {
        fixture.enforcer.kill()?;
        match fs::remove_dir_all(fixture.enforcer.state()) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(error.into()),
            Ok(()) | Err(_) => Ok(()),
        }
    };
    fixture.lab.dns().fail_mode(Fault::Silent)?;
    forget(&mut fixture)?;
    next.take_over(&mut fixture)?;
    fixture.check_for_a_second()?;

    forget(&mut fixture)?;
    present.take_over(&mut fixture)?;
    let closed = fixture.one_second(&fixture.lab.device(), &Plan::lab_default(RATE))?;
    assert!(
        closed.answered == 0 && closed.passed.is_empty() && closed.refused > 100,
        "{closed:?}"
    );
    fixture.lab.dns().clear_faults();
    fixture.enforcer.await_names()?;
    fixture.check_for_a_second()
}

#[test]
fn pins_of_another_version_are_reported_and_unloaded() -> Result<()> {
    let [present, next] = both()?;
    let mut fixture = Fixture::start(STREAM, "")?;
    let refused = next.ask(&fixture, "run")?;
    assert!(
        refused.refusal()?.contains("another egress-enforcer runs"),
        "{refused:?}"
    );
    let refused = next.ask(&fixture, "unload")?;
    assert!(
        refused.refusal()?.contains("the daemon runs"),
        "{refused:?}"
    );
    assert_eq!(layouts(&fixture)?, [present.directory.as_str()]);

    fixture.enforcer.kill()?;
    let says = format!("layout version {VERSION}, which this binary");
    for command in [["status"].as_slice(), &["explain", "203.0.113.66"]] {
        let command = fixture.enforcer.command_of(&next.binary, command);
        let output = run(command, LIMIT)?;
        assert!(output.refusal()?.contains(&says), "{output:?}");
    }
    let output = next.ask(&fixture, "doctor")?.success()?;
    assert!(
        output.contains(&format!("in force, layout version {VERSION};")),
        "{output}"
    );
    let ephemeral = fixture
        .enforcer
        .command_of(&next.binary, ["run", "--ephemeral"]);
    let refused = run(ephemeral, LIMIT)?;
    assert!(
        refused.refusal()?.contains("enforcement is in force"),
        "{refused:?}"
    );

    next.killed_before(&fixture, 20)?;
    assert_eq!(layouts(&fixture)?.len(), 2);
    fixture.check_pull_and_exfiltration()?;
    let ended = present.ask(&fixture, "unload")?.success()?;
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
    let own = |name: &str| fixture.pins().join(&present.directory).join(name);
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
    let [present, next] = both()?;
    let mut fixture = Fixture::start(STREAM, "")?;
    fixture.enforcer.kill()?;
    next.take_over(&mut fixture)?;
    fixture.enforcer.kill()?;
    let pins_of = |version: &Version| fixture.pins().join(&version.directory);
    fs::rename(pins_of(&next), pins_of(&present))?;
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
