//! Debian's kernels: which there are, and what is taken out of their packages.

mod modules;

use std::{
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context as _, Result, bail};

pub(crate) use self::modules::Module;
use super::apt::{self, Package, Suite};
use crate::arch::Arch;

/// A kernel to boot.
#[derive(Debug)]
pub(crate) struct Kernel {
    /// As `./x vm` takes it.
    pub(crate) name: &'static str,
    pub(crate) arch: Arch,
    pub(crate) suite: &'static str,
    /// Matches the release in the names of its packages: a suite may carry several series.
    release: &'static str,
}

/// Oldest first. The flavours for clouds have all that a virtual machine needs, and are small.
pub(crate) const ALL: [Kernel; 6] = [
    Kernel::new("5.10", Arch::Amd64, "bullseye", "5\\.10\\.[^ ]+"),
    Kernel::new("6.1", Arch::Amd64, "bookworm", "6\\.1\\.[^ ]+"),
    Kernel::new("6.12", Arch::Amd64, "trixie", "6\\.12\\.[^ ]+"),
    Kernel::new("newest", Arch::Amd64, "sid", "[0-9][^ ]+"),
    Kernel::new("6.1-arm64", Arch::Arm64, "bookworm", "6\\.1\\.[^ ]+"),
    Kernel::new("6.12-arm64", Arch::Arm64, "trixie", "6\\.12\\.[^ ]+"),
];

/// A kernel's files, unpacked.
#[derive(Debug)]
pub(crate) struct Unpacked {
    /// As `uname -r` prints it.
    pub(crate) release: String,
    /// Of the package.
    pub(crate) version: String,
    pub(crate) image: PathBuf,
    modules: PathBuf,
}

impl Kernel {
    const fn new(
        name: &'static str,
        arch: Arch,
        suite: &'static str,
        release: &'static str,
    ) -> Self {
        Self {
            name,
            arch,
            suite,
            release,
        }
    }

    /// The kernel that `./x vm` calls `name`.
    ///
    /// # Errors
    /// When there is none: the error lists those that there are.
    pub(crate) fn named(name: &str) -> Result<&'static Self> {
        if let Some(kernel) = ALL.iter().find(|kernel| kernel.name == name) {
            return Ok(kernel);
        }
        let names: Vec<&str> = ALL.iter().map(|kernel| kernel.name).collect();
        bail!("no kernel {name}: there are {}", names.join(", "))
    }

    /// Brings and unpacks the newest of its packages, unless the cache has that version.
    ///
    /// # Errors
    /// When it cannot be brought.
    pub(crate) fn bring(&self) -> Result<Unpacked> {
        let suite = Suite::open(self.suite, self.arch)?;
        let debian = self.arch.debian();
        let image = suite.newest(&format!("linux-image-{}-cloud-{debian}", self.release))?;
        let release = image
            .name
            .strip_prefix("linux-image-")
            .context("a kernel's package has another name")?
            .to_owned();
        let dir = apt::cache()?
            .join("kernels")
            .join(format!("{}_{}", image.name, image.version));
        if !dir.exists() {
            unpack(&suite, &image, &release, &dir)?;
        }
        Ok(Unpacked {
            image: first_that_exists(&dir, &images(&release))?,
            modules: first_that_exists(
                &dir,
                &["usr/lib/modules", "lib/modules"].map(|at| format!("{at}/{release}/kernel")),
            )?,
            version: image.version,
            release,
        })
    }
}

impl Unpacked {
    /// The modules `names` and those that they need, in an order in which they can be loaded. What the kernel has built in
    /// is left out, and so is what it does not have at all.
    ///
    /// # Errors
    /// When one cannot be read.
    pub(crate) fn modules(&self, names: &[&str]) -> Result<Vec<Module>> {
        modules::in_order(&self.modules, names)
    }
}

/// Newer suites split a kernel into several packages.
fn unpack(suite: &Suite, image: &Package, release: &str, dir: &Path) -> Result<()> {
    let escaped = release.replace('.', "\\.").replace('+', "\\+");
    let parts = suite.matching(&format!("linux-(image|binary|modules)-{escaped}"))?;
    let partial = dir.with_extension("partial");
    if partial.exists() {
        fs::remove_dir_all(&partial)
            .with_context(|| format!("cannot remove {}", partial.display()))?;
    }
    for part in parts.iter().filter(|part| part.version == image.version) {
        apt::unpack(&suite.download(part)?, &partial)?;
    }
    fs::rename(&partial, dir).with_context(|| format!("cannot make {}", dir.display()))
}

fn images(release: &str) -> [String; 2] {
    [
        format!("boot/vmlinuz-{release}"),
        format!("usr/lib/modules/{release}/vmlinuz"),
    ]
}

fn first_that_exists(dir: &Path, candidates: &[String]) -> Result<PathBuf> {
    let mut paths = candidates.iter().map(|path| dir.join(path));
    paths.find(|path| path.exists()).with_context(|| {
        format!(
            "the packages of this kernel hold none of {}",
            candidates.join(", ")
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unknown_kernel_is_an_error_that_names_the_known_ones() {
        let error = Kernel::named("4.19").unwrap_err().to_string();
        assert!(
            error.contains("4.19") && error.contains("6.12-arm64"),
            "{error}"
        );
        assert_eq!(Kernel::named("newest").unwrap().suite, "sid");
    }
}
