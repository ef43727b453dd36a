//! A program that replaces the daemon's: a version from before the filters would leave them with the policy of today.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use lab::fixtures::{enforcer::binary, fixture::Fixture};

use crate::scene::{await_state, netns, own, prepare, programs};

const FILTERED: Option<&str> = Some("filtered");
/// An address of the bad actor's account.
const EVIL: &str = "203.0.113.66";
/// As in the program.
const MARK: &[u8] = b"egress-enforcer: knows filters of network devices 1";

/// Starts the daemon from a copy of the program.
fn start() -> Result<(Fixture, PathBuf)> {
    let mut fixture = prepare("mode = \"on\"")?;
    let program = fixture.lab.dir().join("program");
    fs::copy(binary()?, &program)?;
    run(&mut fixture, &program)?;
    Ok((fixture, program))
}

fn run(fixture: &mut Fixture, program: &Path) -> Result<()> {
    let command = fixture.enforcer.command_of(program, ["run"]);
    fixture.enforcer.run_as(command)?;
    fixture.enforcer.await_names()?;
    await_state(fixture, "eth0", FILTERED)?;
    Ok(())
}

/// Replaces a program as a package manager does.
fn replace(program: &Path, bytes: &[u8]) -> Result<()> {
    let new = program.with_extension("new");
    fs::write(&new, bytes)?;
    fs::set_permissions(&new, fs::metadata(program)?.permissions())?;
    fs::rename(&new, program).context("replace the program")
}

/// The program without its mark.
fn earlier() -> Result<Vec<u8>> {
    let mut bytes = fs::read(binary()?)?;
    let at = bytes.windows(MARK.len()).position(|found| found == MARK);
    let at = at.context("the program has no mark")?;
    bytes[at..at + MARK.len()].fill(b'-');
    Ok(bytes)
}

#[test]
fn an_earlier_version_finds_no_filters_and_a_later_one_finds_them() -> Result<()> {
    let (mut fixture, program) = start()?;
    let first = programs(netns(&fixture), "eth0")?;
    replace(&program, &fs::read(binary()?)?)?;
    fixture.enforcer.end(libc::SIGTERM)?;
    assert_eq!(programs(netns(&fixture), "eth0")?, first);

    run(&mut fixture, &program)?;
    replace(&program, &earlier()?)?;
    assert!(!own(netns(&fixture), "eth0")?.is_empty());
    fixture.enforcer.end(libc::SIGTERM)?;
    assert_eq!(own(netns(&fixture), "eth0")?, []);
    // Sockets are judged as before.
    assert!(!fixture.reaches(EVIL)?);

    replace(&program, &fs::read(binary()?)?)?;
    run(&mut fixture, &program)
}

#[test]
fn unload_removes_filters_alone_where_no_daemon_runs() -> Result<()> {
    let (mut fixture, _) = start()?;
    let refused = fixture.enforcer.cli(["unload", "--devices"])?;
    assert_eq!(refused.code(), Some(2), "{refused:?}");
    assert!(refused.stderr.contains("the daemon runs"), "{refused:?}");
    assert!(!own(netns(&fixture), "eth0")?.is_empty());

    fixture.enforcer.end(libc::SIGTERM)?;
    assert!(!own(netns(&fixture), "eth0")?.is_empty());
    for sentence in ["are removed; sockets are judged", "no network device has"] {
        let done = fixture.enforcer.cli(["unload", "--devices"])?;
        assert!(done.stdout.contains(sentence), "{done:?}");
        assert_eq!(own(netns(&fixture), "eth0")?, []);
        assert!(fixture.pins().exists() && !fixture.reaches(EVIL)?);
    }
    fixture.enforcer.run()?;
    await_state(&fixture, "eth0", FILTERED)?;
    fixture.enforcer.end(libc::SIGTERM)?;
    fixture.enforcer.cli(["unload"])?.success()?;
    let done = fixture.enforcer.cli(["unload", "--devices"])?;
    assert!(done.stdout.contains("nothing is loaded"), "{done:?}");
    // doctor tries whether the kernel can run filters.
    let report = fixture.enforcer.json(["doctor"])?.to_string();
    assert!(report.contains("without filters: eth0"), "{report}");
    Ok(())
}
