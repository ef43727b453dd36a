//! A wall clock that only one program sees, and that a test can set. The machine's own clock is left alone.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

use anyhow::{Context, Result};

use crate::{
    place::Place,
    process::{Finished, run},
};

const SOURCE: &str = include_str!("../lab/shifted_clock.c");

/// The clock of the programs that were started with it.
#[derive(Debug)]
pub struct ShiftedClock {
    library: PathBuf,
    shift: PathBuf,
}

impl ShiftedClock {
    /// Compiles it into `directory`, with the C compiler that links Rust programs too.
    ///
    /// # Errors
    /// When there is none.
    pub fn new(directory: &Path) -> Result<Self> {
        let source = directory.join("shifted_clock.c");
        let clock = Self {
            library: directory.join("shifted_clock.so"),
            shift: directory.join("shifted_clock"),
        };
        fs::write(&source, SOURCE).context("write the clock's source")?;
        let mut compile = Place::default().command("cc");
        compile.args(["-shared", "-fPIC", "-o"]);
        compile.arg(&clock.library).arg(&source);
        run(compile, Duration::from_secs(60)).and_then(Finished::success)?;
        clock.set(0)?;
        Ok(clock)
    }

    /// Has `command` see this clock.
    pub fn wind(&self, command: &mut Command) {
        command
            .env("LD_PRELOAD", &self.library)
            .env("SHIFTED_CLOCK", &self.shift);
    }

    /// Whether the process sees this clock: one that is linked statically does not.
    ///
    /// # Errors
    /// When there is no such process.
    pub fn is_seen_by(&self, pid: u32) -> Result<bool> {
        let maps = fs::read_to_string(format!("/proc/{pid}/maps"))?;
        Ok(maps.contains("shifted_clock.so"))
    }

    /// Shows the machine's time and `shift` seconds from here on.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn set(&self, shift: i64) -> Result<()> {
        // Renamed, so that no look finds it empty.
        let next = self.shift.with_extension("next");
        fs::write(&next, shift.to_string())
            .and_then(|()| fs::rename(&next, &self.shift))
            .context("set a clock")
    }
}
