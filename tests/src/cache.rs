//! Where `tests/lab/fetch.sh` put the lab's programs.

use std::{
    env,
    ffi::OsString,
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context, Result, ensure};

use crate::place::Place;

/// The lab's programs: `$LAB_CACHE`, by default `.cache/lab` in the workspace.
#[derive(Clone, Debug)]
pub struct Cache {
    dir: PathBuf,
    library_path: OsString,
}

impl Cache {
    /// Finds the programs.
    ///
    /// # Errors
    /// When they have not been fetched.
    pub fn open() -> Result<Self> {
        let dir = env::var_os("LAB_CACHE").map_or_else(
            || Path::new(env!("CARGO_MANIFEST_DIR")).join("../.cache/lab"),
            PathBuf::from,
        );
        ensure!(
            dir.join("stamp").exists(),
            "the lab's programs are not in {}: run tests/lab/fetch.sh",
            dir.display()
        );
        let dir = dir.canonicalize().context("find the lab's programs")?;
        let library_path = library_path(&dir.join("root"))?;
        Ok(Self { dir, library_path })
    }

    /// A command for a Debian program, named as in its package (`usr/sbin/nginx`), in `place`.
    #[must_use]
    pub fn debian(&self, place: &Place, program: &str) -> Command {
        let mut command = place.command(self.path("root").join(program));
        command.env("LD_LIBRARY_PATH", &self.library_path);
        command
    }

    /// A path below the cache.
    #[must_use]
    pub fn path(&self, path: &str) -> PathBuf {
        self.dir.join(path)
    }

    /// PowerDNS's back ends.
    ///
    /// # Errors
    /// When the package is not there.
    pub fn pdns_modules(&self) -> Result<PathBuf> {
        let dirs = env::split_paths(&self.library_path).map(|dir| dir.join("pdns"));
        dirs.into_iter()
            .find(|dir| dir.exists())
            .context("find PowerDNS's back ends")
    }
}

/// Debian keeps libraries in `lib/<architecture>-linux-gnu` and `usr/lib/<architecture>-linux-gnu`, and systemd's below.
fn library_path(root: &Path) -> Result<OsString> {
    let mut dirs = Vec::new();
    for lib in [root.join("lib"), root.join("usr/lib")] {
        for entry in fs::read_dir(&lib).into_iter().flatten() {
            let entry = entry.with_context(|| format!("list {}", lib.display()))?;
            if entry.file_name().to_string_lossy().contains("-linux-gnu") {
                dirs.extend([entry.path(), entry.path().join("systemd")]);
            }
        }
    }
    env::join_paths(dirs).context("name the library directories")
}
