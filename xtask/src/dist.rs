//! Packages for those who run egress-enforcer, in `target/dist`: the same bytes wherever they are made.

mod binary;
mod content;
mod deb;
mod image;
mod notices;
mod rpm;
mod sbom;
mod tags;
mod tarball;
mod twice;

use std::{
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context as _, Result, ensure};
use clap::Args;

use crate::{arch::Arch, build, env, setup, step::output_of};

/// What the packages are called.
const NAME: &str = "egress-enforcer";

/// What to make.
#[derive(Args, Clone, Debug, Default)]
pub(crate) struct Options {
    /// Only for this machine [default: both]
    #[arg(long, value_enum)]
    pub(crate) arch: Option<Arch>,
    /// Where to put what is made [default: target/dist]
    #[arg(long, value_name = "DIR")]
    pub(crate) out: Option<PathBuf>,
    /// Only the Debian package
    #[arg(long)]
    pub(crate) deb_only: bool,
    /// Then make everything again in another directory and compare
    #[arg(long)]
    pub(crate) twice: bool,
    /// Append this to the version: "~1" sorts before it, "+1" after it
    #[arg(long, value_name = "SUFFIX", default_value = "")]
    pub(crate) version_suffix: String,
}

/// One set of packages to make.
struct Job {
    arch: Arch,
    /// As the packages have it.
    version: String,
    /// The static binary.
    binary: PathBuf,
    /// The notices and licence texts of what is linked into it.
    notices: PathBuf,
    /// Where packages go.
    out: PathBuf,
    /// The time of every file in them, in seconds since 1970 (<https://reproducible-builds.org/specs/source-date-epoch/>).
    epoch: u64,
}

/// Sets up, builds, packs and checks what was packed.
///
/// # Errors
/// When set-up, a build or a packager fails, a package does not hold what it should, or newer service tags than the bundle's are at hand.
pub(crate) fn task(options: &Options) -> Result<()> {
    tags::check()?;
    let arches = options.arch.map_or(Arch::ALL.to_vec(), |arch| vec![arch]);
    let mut made = Vec::new();
    for arch in arches {
        if options.deb_only {
            made.push(debian_package(arch, options)?);
        } else {
            made.extend(all_packages(arch, options)?);
        }
    }
    made.push(sums(&made)?);
    if options.twice {
        twice::check(options, &made)?;
    }
    Ok(())
}

/// Sets up, builds for `arch` unless that is done, and makes the Debian package. Returns its path.
///
/// # Errors
/// As [`task`].
pub(crate) fn debian_package(arch: Arch, options: &Options) -> Result<PathBuf> {
    setup::for_deb()?;
    deb::make(&Job::new(arch, options)?)
}

fn all_packages(arch: Arch, options: &Options) -> Result<[PathBuf; 4]> {
    setup::for_dist()?;
    let job = Job::new(arch, options)?;
    let image = image::make(&job)?;
    Ok([
        deb::make(&job)?,
        rpm::make(&job, &image)?,
        tarball::make(&job, &image)?,
        sbom::make(&job)?,
    ])
}

impl Job {
    /// Builds and checks the binary.
    fn new(arch: Arch, options: &Options) -> Result<Self> {
        let out = match &options.out {
            Some(dir) => std::path::absolute(dir)?,
            None => env::target().join("dist"),
        };
        fs::create_dir_all(&out).with_context(|| format!("cannot make {}", out.display()))?;
        let binary = build::release(arch.kernel())?.binary;
        binary::check(&binary, env::root(), arch)?;
        Ok(Self {
            arch,
            version: version(&options.version_suffix)?,
            binary,
            notices: notices::make(arch)?,
            out,
            epoch: epoch()?,
        })
    }

    /// An empty directory for a packager to work in.
    fn scratch(&self, name: &str) -> Result<PathBuf> {
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

    /// Copies what a packager made to the other packages, and says so.
    fn take(&self, file: &Path, name: &str) -> Result<PathBuf> {
        let place = self.out.join(name);
        let size =
            fs::copy(file, &place).with_context(|| format!("cannot copy {}", file.display()))?;
        println!("    {}: {size} bytes", place.display());
        Ok(place)
    }
}

/// Writes `SHA256SUMS` beside the files, for `sha256sum --check`.
fn sums(made: &[PathBuf]) -> Result<PathBuf> {
    let dir = made
        .first()
        .and_then(|file| file.parent())
        .context("nothing was made")?;
    let mut names: Vec<_> = made.iter().filter_map(|file| file.file_name()).collect();
    names.sort_unstable();
    let text = output_of(env::command("sha256sum").current_dir(dir).args(names))?;
    let file = dir.join("SHA256SUMS");
    fs::write(&file, &text).with_context(|| format!("cannot write {}", file.display()))?;
    print!("{text}");
    Ok(file)
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
fn epoch() -> Result<u64> {
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
    time.and_then(|text| text.trim().parse().ok()).context(
        "no commit tells the time of this version: set SOURCE_DATE_EPOCH to seconds since 1970",
    )
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
