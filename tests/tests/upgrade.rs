//! One version takes over from another, upwards and downwards: at no time does neither judge, and in the end nothing of the other is left.

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
/// Between the steps of a take-over before which it is killed.
const STRIDE: usize = 6;

/// A binary, and the directory of its pins.
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
    /// Starts its daemon; when it answers, nobody else has pins.
    fn take_over(&self, fixture: &mut Fixture) -> Result<()> {
        let command = fixture.enforcer.command_of(&self.binary, ["run"]);
        fixture.enforcer.run_as(command)?;
        assert_eq!(layouts(fixture)?, [self.directory.as_str()]);
        Ok(())
    }

    fn ask(&self, fixture: &Fixture, command: &str) -> Result<Finished> {
        run(fixture.enforcer.command_of(&self.binary, [command]), LIMIT)
    }

    /// Starts its daemon and kills it before its step `step`, or past all of them. Returns how many steps it made.
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
fn twenty_upgrades_and_twenty_kills_under_a_stream_let_nothing_out_and_lose_nothing() -> Result<()>
{
    let [present, next] = both()?;
    let mut fixture = Fixture::start(STREAM, "")?;
    let stream = fixture.stream()?;
    let begun = Instant::now();
    for start in 0..40 {
        if start % 2 == 0 {
            assert!(fixture.enforcer.end(libc::SIGTERM)?.success());
        } else {
            fixture.enforcer.kill()?;
        }
        // Three against two: each change of version, and none, comes after an orderly end and after a kill.
        let version = if start % 3 == 0 { &present } else { &next };
        version.take_over(&mut fixture)?;
    }
    let lasted = begun.elapsed().as_secs_f64();
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
fn a_take_over_killed_before_any_step_leaves_no_gap_and_either_version_goes_on() -> Result<()> {
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
                let told = version.ask(&fixture, "status")?;
                assert_ne!(told.code(), Some(1), "told as not enforcing: {told:?}");
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
fn what_only_the_kernel_knew_is_kept_where_its_layout_is_known_and_else_asked_for_again()
-> Result<()> {
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
fn pins_of_another_version_are_told_as_such_and_unloaded_with_the_rest() -> Result<()> {
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
        let told = run(command, LIMIT)?;
        assert!(told.refusal()?.contains(&says), "{told:?}");
    }
    let told = next.ask(&fixture, "doctor")?.success()?;
    assert!(
        told.contains(&format!("in force, layout version {VERSION};")),
        "{told}"
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
fn nothing_in_another_versions_directory_is_trusted() -> Result<()> {
    let [present, _] = both()?;
    let mut fixture = Fixture::start(STREAM, "")?;
    let stream = fixture.stream()?;
    fixture.enforcer.kill()?;
    let strange = fixture.pins().join("v4294967295");
    let own = |name: &str| fixture.pins().join(&present.directory).join(name);
    let elsewhere = fixture.lab.dir().join("elsewhere");
    fs::write(&elsewhere, "kept")?;

    DirBuilder::new().mode(0o755).create(&strange)?;
    fs::set_permissions(&strange, Permissions::from_mode(0o755))?;
    let refused = present.ask(&fixture, "run")?;
    assert!(
        refused.refusal()?.contains("is not root's alone"),
        "{refused:?}"
    );
    fs::remove_dir(&strange)?;
    symlink(fixture.lab.dir(), &strange)?;
    let refused = present.ask(&fixture, "run")?;
    assert!(
        refused.refusal()?.contains("is not root's alone"),
        "{refused:?}"
    );
    fs::remove_file(&strange)?;

    DirBuilder::new().mode(0o700).create(&strange)?;
    symlink(&elsewhere, strange.join("ALLOWED"))?;
    symlink(&elsewhere, strange.join("link_egress"))?;
    fs::rename(own("DENIAL_DEDUP"), strange.join("SETTINGS"))?;
    fs::rename(own("link_connect4"), strange.join("link_of_old"))?;
    present.take_over(&mut fixture)?;
    assert_eq!(fs::read_to_string(&elsewhere)?, "kept");

    fixture.enforcer.kill()?;
    DirBuilder::new().mode(0o700).create(&strange)?;
    fs::create_dir(strange.join("no pin"))?;
    fixture.enforcer.run()?;
    let status = fixture.enforcer.status()?;
    assert_eq!(status["alarms"][0]["kind"], "other-version", "{status}");
    fixture.check(&stream.end()?)
}

#[test]
fn other_layouts_under_the_name_of_a_version_are_refused_and_stay_in_force() -> Result<()> {
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
fn links_without_a_cgroup_are_not_told_as_enforcing() -> Result<()> {
    let mut fixture = Fixture::start(STREAM, "")?;
    fixture.enforcer.kill()?;
    assert_eq!(fixture.enforcer.cli(["status"])?.code(), Some(0));
    let governed = fixture.lab.device_cgroup().path();
    fs::remove_dir(governed)?;
    fs::create_dir(governed)?;
    let deadline = Instant::now() + LIMIT;
    while fixture.enforcer.cli(["status"])?.code() != Some(1) {
        assert!(Instant::now() < deadline, "told as enforcing");
    }
    assert_eq!(fixture.enforcer.json(["status"])?["enforcing"], false);
    fixture.enforcer.run()?;
    fixture.check_pull_and_exfiltration()
}
