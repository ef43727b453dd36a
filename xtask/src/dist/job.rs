//! Input of the packagers: the options of the task and, for each architecture, the program and the output directory.

use std::{
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context as _, Result, ensure};
use clap::Args;

use super::{
    binary,
    content::{CONSOLE, PROGRAM},
    notices,
};
use crate::{arch::Arch, build, env};

/// Name of the packages.
pub(super) const NAME: &str = "egress-enforcer";

/// Maximum size of each program in bytes (CONTRIBUTING.md, budgets).
const MAX_PROGRAM: usize = 8 << 20;
const MAX_CONSOLE: usize = 3 << 20;

/// Options of `./x dist`.
#[derive(Args, Clone, Debug, Default)]
pub(crate) struct Options {
    /// Make packages for this architecture only [default: both]
    #[arg(long, value_enum)]
    pub(crate) arch: Option<Arch>,
    /// Directory for the packages [default: target/dist]
    #[arg(long, value_name = "DIR")]
    pub(crate) out: Option<PathBuf>,
    /// Make only the Debian package
    #[arg(long)]
    pub(crate) deb_only: bool,
    /// Build a second time in another directory and compare
    #[arg(long)]
    pub(crate) twice: bool,
    /// Append this to the version: "~1" sorts before it, "+1" after it
    #[arg(long, value_name = "SUFFIX", default_value = "")]
    pub(crate) version_suffix: String,
}

/// One set of packages to make.
pub(super) struct Job {
    pub(super) arch: Arch,
    /// Version of the packages.
    pub(super) version: String,
    /// The directory of the static programs.
    pub(super) programs: PathBuf,
    /// The notices and licence texts of what is linked into it.
    pub(super) notices: PathBuf,
    /// Output directory.
    pub(super) out: PathBuf,
    /// The time of every file in them, in seconds since 1970 (<https://reproducible-builds.org/specs/source-date-epoch/>).
    pub(super) epoch: u64,
}

impl Job {
    /// Builds and checks the programs.
    pub(super) fn new(arch: Arch, options: &Options) -> Result<Self> {
        let out = match &options.out {
            Some(dir) => std::path::absolute(dir)?,
            None => env::target().join("dist"),
        };
        fs::create_dir_all(&out).with_context(|| format!("cannot make {}", out.display()))?;
        let programs = build::release(arch.kernel())?.programs();
        for (name, limit) in [(PROGRAM, MAX_PROGRAM), (CONSOLE, MAX_CONSOLE)] {
            binary::check(&programs.join(name), env::root(), arch, limit)?;
        }
        Ok(Self {
            arch,
            version: version(&options.version_suffix)?,
            programs,
            notices: notices::make(arch)?,
            out,
            epoch: epoch()?,
        })
    }

    /// An empty directory for a packager to work in.
    pub(super) fn scratch(&self, name: &str) -> Result<PathBuf> {
        let dir = env::target()
            .join("dist-work")
            .join(self.arch.debian())
            .join(name);
        if dir.exists() {
            fs::remove_dir_all(&dir).with_context(|| format!("cannot remove {}", dir.display()))?;
        }
        fs::create_dir_all(&dir).with_context(|| format!("cannot make {}", dir.display()))?;
        Ok(dir)
    }

    /// Copies a package to the output directory and prints its size.
    pub(super) fn take(&self, file: &Path, name: &str) -> Result<PathBuf> {
        let place = self.out.join(name);
        let size =
            fs::copy(file, &place).with_context(|| format!("cannot copy {}", file.display()))?;
        println!("    {}: {size} bytes", place.display());
        Ok(place)
    }
}

/// The version of the workspace, with `suffix`.
fn version(suffix: &str) -> Result<String> {
    let fits = |c: char| c.is_ascii_alphanumeric() || "+~.".contains(c);
    ensure!(
        suffix.chars().all(fits),
        "--version-suffix {suffix}: write letters, digits, \"+\", \"~\" and \".\" only"
    );
    Ok(format!("{}{suffix}", env!("CARGO_PKG_VERSION")))
}

/// `SOURCE_DATE_EPOCH`, or the time of the last commit.
pub(super) fn epoch() -> Result<u64> {
    if let Ok(set) = std::env::var("SOURCE_DATE_EPOCH") {
        return set
            .parse()
            .context("SOURCE_DATE_EPOCH is no number of seconds");
    }
    let log = env::command("git")
        .args(["log", "-1", "--format=%ct"])
        .output();
    let time = log
        .ok()
        .and_then(|output| String::from_utf8(output.stdout).ok());
    time.and_then(|text| text.trim().parse().ok())
        .context("git reports no commit time: set SOURCE_DATE_EPOCH to seconds since 1970")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_suffix_that_a_package_version_cannot_hold_is_refused() {
        assert_eq!(version("").unwrap(), env!("CARGO_PKG_VERSION"));
        assert!(version("~prev.1").unwrap().ends_with("~prev.1"));
        for suffix in ["-1", "_1", " 1", "/../x"] {
            assert!(version(suffix).is_err(), "{suffix}");
        }
    }
}
