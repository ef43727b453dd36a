//! The two binaries between which the tests change.

use std::{
    fmt, fs,
    path::{Path, PathBuf},
    sync::Mutex,
};

use anyhow::{Context as _, Result, ensure};
use enforcer_common::layout::VERSION;
use lab::fixtures::{
    enforcer::{binary, other_binary},
    fixture::Fixture,
    process::{Finished, run},
};

use crate::{LIMIT, STREAM, UNTIL};

/// A binary and the number of its pin directory.
pub(crate) struct Version {
    pub(crate) binary: PathBuf,
    pub(crate) number: u32,
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.write_str(&self.directory())
    }
}

/// Returns the binary under test and the other one.
///
/// # Errors
/// When a variable with a binary's path is not set, or both have the same layout version.
pub(crate) fn both() -> Result<[Version; 2]> {
    let other = other_binary()?;
    let number = layout_of(&other)?;
    ensure!(
        number != VERSION,
        "{} has layout version {VERSION}, as the binary under test",
        other.display()
    );
    let version = |binary, number| Version { binary, number };
    Ok([version(binary()?, VERSION), version(other, number)])
}

/// Returns the layout version of the other binary, read once from the directory in which it pins.
fn layout_of(other: &Path) -> Result<u32> {
    static READ: Mutex<Option<u32>> = Mutex::new(None);
    let mut read = READ.lock().unwrap_or_else(|poison| poison.into_inner());
    if let Some(number) = *read {
        return Ok(number);
    }
    let mut fixture = Fixture::prepare(STREAM, "")?;
    let command = fixture.enforcer.command_of(other, ["run"]);
    fixture.enforcer.run_as(command)?;
    let found = layouts(&fixture)?;
    let [directory] = found.as_slice() else {
        anyhow::bail!("not one directory of pins: {found:?}");
    };
    let number = directory.strip_prefix('v').context("no number")?.parse()?;
    Ok(*read.insert(number))
}

/// Returns the names of the directories of all versions.
pub(crate) fn layouts(fixture: &Fixture) -> Result<Vec<String>> {
    let mut found: Vec<String> = fs::read_dir(fixture.pins())?
        .map(|entry| Ok(entry?.file_name().to_string_lossy().into_owned()))
        .collect::<Result<_>>()?;
    found.sort();
    Ok(found)
}

impl Version {
    pub(crate) fn directory(&self) -> String {
        format!("v{}", self.number)
    }

    /// Starts its daemon; once it answers, no other version has pins.
    pub(crate) fn take_over(&self, fixture: &mut Fixture) -> Result<()> {
        let command = fixture.enforcer.command_of(&self.binary, ["run"]);
        fixture.enforcer.run_as(command)?;
        assert_eq!(layouts(fixture)?, [self.directory()]);
        Ok(())
    }

    pub(crate) fn ask(&self, fixture: &Fixture, command: &str) -> Result<Finished> {
        run(fixture.enforcer.command_of(&self.binary, [command]), LIMIT)
    }

    /// Waits until its daemon has an address for every name.
    pub(crate) fn await_names(&self, fixture: &Fixture) -> Result<()> {
        fixture.enforcer.await_names_of(&self.binary)?;
        Ok(())
    }

    /// Starts its daemon and kills it before step `step`, or after all steps. Returns the number of steps reached.
    pub(crate) fn killed_before(&self, fixture: &Fixture, step: usize) -> Result<usize> {
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
