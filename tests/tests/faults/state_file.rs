//! A state file that cannot be read or written.

use std::{
    ffi::OsStr,
    fs,
    path::{Path, PathBuf},
};

use anyhow::Result;
use lab::fixtures::{enforcer::binary, fixture::Fixture};

use crate::{STREAM, WESTUS, has_alarm};

#[test]
fn an_unusable_state_file_is_set_aside_with_an_alarm() -> Result<()> {
    let mut fixture = Fixture::prepare(STREAM, "")?;
    let file = fixture.enforcer.state().join("state.json");
    fs::create_dir_all(fixture.enforcer.state())?;
    let backup = |suffix: &str| {
        fixture
            .enforcer
            .state()
            .join(format!("state.json.{suffix}"))
    };
    let cases = [
        ("{\"version\":1,\"names\":{\"contoso", backup("corrupt")),
        ("{\"version\":7}", backup("v7")),
    ];
    for (broken, preserved) in cases {
        fs::write(&file, broken)?;
        check_start_with_unusable_state(&mut fixture)?;
        assert_eq!(fs::read_to_string(preserved)?, broken);
    }
    fs::remove_file(fixture.enforcer.state().join("state.json.corrupt"))?;
    fs::remove_file(&file)?;
    fs::create_dir(&file)?;
    check_start_with_unusable_state(&mut fixture)
}

fn check_start_with_unusable_state(fixture: &mut Fixture) -> Result<()> {
    fixture.enforcer.run()?;
    fixture
        .enforcer
        .await_status("an alarm", has_alarm("state-unreadable"))?;
    fixture.enforcer.await_names()?;
    fixture.check_for_a_second()?;
    assert!(fixture.enforcer.end(libc::SIGTERM)?.success());
    let saved = fs::read_to_string(fixture.enforcer.state().join("state.json"))?;
    assert!(saved.contains("198.51.100.10"), "{saved}");
    Ok(())
}

#[test]
fn a_full_disk_keeps_the_old_state_until_there_is_free_space() -> Result<()> {
    let mut fixture = Fixture::start(STREAM, "")?;
    fixture.enforcer.end(libc::SIGTERM)?;
    let old = fs::read_to_string(fixture.enforcer.state().join("state.json"))?;
    // A small file system over the state directory, in the daemon's mount namespace only.
    let script = "cp \"$STATE/state.json\" \"$STATE.old\" && mount -t tmpfs -o size=64k none \"$STATE\" && \
        cp \"$STATE.old\" \"$STATE/state.json\" && { cat /dev/zero > \"$STATE/filler\"; exec \"$0\" run \"$@\"; }";
    let binary = binary()?;
    let arguments = [OsStr::new("-c"), OsStr::new(script), binary.as_os_str()];
    let mut command = fixture.enforcer.command_of(Path::new("sh"), arguments);
    command.env("STATE", fixture.enforcer.state());
    fixture.enforcer.run_as(command)?;
    let stream = fixture.stream()?;
    let root = PathBuf::from(format!("/proc/{}/root", fixture.enforcer.pid()?));
    let state = root.join(fixture.enforcer.state().strip_prefix("/")?);
    assert_eq!(fs::read_to_string(state.join("state.json"))?, old);

    let both = fixture.configuration(&["eastus", "westus"], "");
    fixture.reload(&both, has_alarm("state-unsaved"))?;
    assert_eq!(fs::read_to_string(state.join("state.json"))?, old);
    assert!(fixture.reaches(WESTUS)?);

    fs::remove_file(state.join("filler"))?;
    fixture
        .enforcer
        .await_status("the state is saved", |status| {
            !has_alarm("state-unsaved")(status)
        })?;
    let new = fs::read_to_string(state.join("state.json"))?;
    assert!(new.contains(WESTUS) && !old.contains(WESTUS), "{new}");
    fixture.check(&stream.end()?)
}
