//! Systems of Debian, made with mmdebstrap(1) and kept in `.cache/debian`.

mod mirror;

use std::{
    fs::{self, File},
    path::{Path, PathBuf},
    time::{Duration, SystemTime},
};

use anyhow::{Context as _, Result};

use crate::{arch::Arch, env, step::Step};

/// Age at which a system is made again, with Debian's updates.
const MAX_AGE: Duration = Duration::from_secs(14 * 24 * 60 * 60);
/// Files that nothing reads in any of the systems.
const LEFT_OUT: [&str; 4] = [
    "/usr/share/man/*",
    "/usr/share/doc/*",
    "/usr/share/locale/*",
    "/usr/lib/udev/hwdb.d/*",
];
/// Suites whose updates ended let their lists expire, and clocks differ.
const APT_OPTIONS: [&str; 3] = [
    "Acquire::Check-Valid-Until \"false\"",
    "Acquire::Check-Date \"false\"",
    "Acquire::Retries \"3\"",
];

/// A system to make.
pub(crate) struct System<'a> {
    /// Its name in the cache.
    pub(crate) name: &'a str,
    /// `bookworm`, say.
    pub(crate) suite: &'a str,
    pub(crate) arch: Arch,
    /// mmdebstrap's name for what is installed in any case.
    pub(crate) variant: &'a str,
    /// More options of mmdebstrap.
    pub(crate) options: &'a [String],
    /// How long it usually takes.
    pub(crate) usual: &'a str,
}

impl System<'_> {
    /// Returns the system's directory. Makes it when the cache has none of these options, or an old one; an old one will do where
    /// the mirror cannot be reached.
    ///
    /// # Errors
    /// When apt's sources name no mirror, or mmdebstrap fails.
    pub(crate) fn tree(&self) -> Result<PathBuf> {
        let tree = made(env::cache().join("debian"))?.join(self.name);
        let _lock = lock(&tree.with_added_extension("lock"))?;
        let stamp = tree.with_added_extension("stamp");
        let options = self.options().join("\n");
        let is_there = fs::read_to_string(&stamp).is_ok_and(|made_with| made_with == options);
        if is_there && is_younger(&stamp, MAX_AGE) {
            return Ok(tree);
        }
        match self.make(&tree) {
            Err(error) if is_there => println!("    an older {} is used: {error:#}", self.name),
            other => {
                other?;
                fs::write(&stamp, options)
                    .with_context(|| format!("cannot write {}", stamp.display()))?;
            }
        }
        Ok(tree)
    }

    fn make(&self, tree: &Path) -> Result<()> {
        let partial = tree.with_added_extension("partial");
        remove(&partial)?;
        let sources = tree.with_added_extension("list");
        fs::write(&sources, mirror::sources(self.suite)?)
            .with_context(|| format!("cannot write {}", sources.display()))?;
        let title = format!("mmdebstrap makes {} of Debian {}", self.name, self.suite);
        Step {
            title: &title,
            usual: self.usual,
            log: &format!("debian-{}", self.name),
        }
        .run(env::command("mmdebstrap").args(self.options()).args([
            self.suite.as_ref(),
            partial.as_path(),
            &sources,
        ]))?;
        remove(tree)?;
        fs::rename(&partial, tree).with_context(|| format!("cannot make {}", tree.display()))
    }

    fn options(&self) -> Vec<String> {
        let mut options = vec![
            format!("--variant={}", self.variant),
            format!("--architectures={}", self.arch.debian()),
            "--dpkgopt=force-unsafe-io".to_owned(),
        ];
        options.extend(APT_OPTIONS.map(|option| format!("--aptopt={option}")));
        options.extend(LEFT_OUT.map(left_out));
        options.extend_from_slice(self.options);
        options
    }
}

/// The option that leaves out the files that match a pattern.
pub(crate) fn left_out(pattern: &str) -> String {
    format!("--dpkgopt=path-exclude={pattern}")
}

/// Makes a directory where it is missing, and returns it.
///
/// # Errors
/// When it cannot be made.
pub(crate) fn made(dir: PathBuf) -> Result<PathBuf> {
    fs::create_dir_all(&dir).with_context(|| format!("cannot make {}", dir.display()))?;
    Ok(dir)
}

/// Removes a directory, if it is there.
///
/// # Errors
/// When it cannot be removed.
pub(crate) fn remove(dir: &Path) -> Result<()> {
    if dir.exists() {
        fs::remove_dir_all(dir).with_context(|| format!("cannot remove {}", dir.display()))?;
    }
    Ok(())
}

/// Waits for another run that makes the same.
fn lock(path: &Path) -> Result<File> {
    let cannot = || format!("cannot lock {}", path.display());
    let file = File::create(path).with_context(cannot)?;
    file.lock().with_context(cannot)?;
    Ok(file)
}

fn is_younger(path: &Path, age: Duration) -> bool {
    let written = fs::metadata(path).and_then(|meta| meta.modified());
    let old = written.map(|time| SystemTime::now().duration_since(time));
    old.is_ok_and(|old| old.is_ok_and(|old| old < age))
}
