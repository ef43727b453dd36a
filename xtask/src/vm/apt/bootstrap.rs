//! Whole systems of Debian, made with mmdebstrap(1).

use std::{fs, path::Path};

use anyhow::{Context as _, Result};

use crate::{env, step::Step};

/// What nothing reads there is not unpacked.
const LEFT_OUT: [&str; 4] = [
    "/usr/share/man/*",
    "/usr/share/doc/*",
    "/usr/share/locale/*",
    "/usr/lib/udev/hwdb.d/*",
];

/// A system to make.
pub(crate) struct Bootstrap<'a> {
    /// `bookworm`, say.
    pub(crate) suite: &'a str,
    /// mmdebstrap's name for what is installed in any case.
    pub(crate) variant: &'a str,
    /// What is installed besides, joined by commas.
    pub(crate) packages: &'a str,
    /// More options of mmdebstrap.
    pub(crate) options: &'a [String],
    /// The lines of a sources.list(5) that it is read from.
    pub(crate) sources: &'a str,
}

impl Bootstrap<'_> {
    /// Makes it in the directory `tree`, in place of what is there.
    ///
    /// # Errors
    /// When mmdebstrap fails.
    pub(crate) fn make(&self, tree: &Path, step: &Step) -> Result<()> {
        if tree.exists() {
            fs::remove_dir_all(tree)
                .with_context(|| format!("cannot remove {}", tree.display()))?;
        }
        let sources = tree.with_extension("list");
        fs::write(&sources, self.sources)
            .with_context(|| format!("cannot write {}", sources.display()))?;
        let mut mmdebstrap = env::command("mmdebstrap");
        mmdebstrap
            .arg(format!("--variant={}", self.variant))
            .arg("--dpkgopt=force-unsafe-io")
            .args(LEFT_OUT.map(|path| format!("--dpkgopt=path-exclude={path}")))
            .arg(format!("--include={}", self.packages))
            .args(self.options)
            .arg(self.suite)
            .args([tree, &sources]);
        step.run(&mut mmdebstrap).map(drop)
    }
}
