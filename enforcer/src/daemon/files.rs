//! Watches the files that the configuration names.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::future::pending;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, Result};
use notify::event::{AccessKind, AccessMode};
use notify::{EventKind, RecommendedWatcher, RecursiveMode, Watcher as _, recommended_watcher};
use tokio::sync::mpsc::{Receiver, channel};
use tokio::time::{Instant, sleep_until};

/// How long the rest of a change is waited for: tools write in several steps.
const QUIET: Duration = Duration::from_millis(100);
/// Symbolic links that are followed from a file's name to the file; the kernel follows as many (path_resolution(7)).
const MAX_LINKS: usize = 40;

/// Tells when one of some files may have changed. Their directories are watched, so that it does not matter whether a file is written, renamed
/// into place, or reached through a symbolic link that now leads elsewhere.
pub(super) struct FileWatch {
    watcher: RecommendedWatcher,
    changed: Receiver<()>,
    quiet_at: Option<Instant>,
    seen: BTreeMap<PathBuf, Option<Stamp>>,
}

/// What tells one state of a file from the next: device, inode, length, and the times of the last write and the last change.
type Stamp = (u64, u64, u64, [i64; 4]);

impl FileWatch {
    /// Watches `files` as they are now.
    ///
    /// # Errors
    /// Where the system has no watch left (`fs.inotify.max_user_instances`, `fs.inotify.max_user_watches`).
    pub(super) fn new<'a>(files: impl Iterator<Item = &'a Path>) -> Result<Self> {
        let (tell, changed) = channel(1);
        let watcher = recommended_watcher(move |event: notify::Result<notify::Event>| {
            if event.is_ok_and(|event| !is_reading(event.kind)) {
                // Where there is no room, a change is waiting to be told already.
                tell.try_send(()).unwrap_or_default();
            }
        });
        let mut watch = Self {
            watcher: watcher.context("cannot watch files")?,
            changed,
            quiet_at: None,
            seen: files.map(|file| (file.to_owned(), stamp(file))).collect(),
        };
        watch.follow();
        Ok(watch)
    }

    /// Waits until something changes in the directories, and then for the rest of it. Nothing is lost where the waiting is given up.
    pub(super) async fn changed(&mut self) {
        let quiet_at = match self.quiet_at {
            Some(quiet_at) => quiet_at,
            None if self.changed.recv().await.is_none() => return pending().await,
            None => *self.quiet_at.insert(Instant::now() + QUIET),
        };
        sleep_until(quiet_at).await;
        self.quiet_at = None;
    }

    /// The files that are not what they were when this was last asked.
    pub(super) fn take(&mut self) -> Vec<PathBuf> {
        self.follow();
        let mut changed = Vec::new();
        for (file, seen) in &mut self.seen {
            let now = stamp(file);
            if now != *seen {
                *seen = now;
                changed.push(file.clone());
            }
        }
        changed
    }

    /// Watches the directories that lead to the files now. One that is missing is looked for again with the next change, and in time.
    fn follow(&mut self) {
        let directories: BTreeSet<PathBuf> = self
            .seen
            .keys()
            .flat_map(|file| directories(file))
            .collect();
        for directory in directories {
            let watched = self.watcher.watch(&directory, RecursiveMode::NonRecursive);
            if let Err(error) = watched {
                tracing::debug!(directory = %directory.display(), "not watched: {error}");
            }
        }
    }
}

/// Whether somebody, the daemon itself perhaps, only read.
fn is_reading(kind: EventKind) -> bool {
    matches!(kind, EventKind::Access(access) if access != AccessKind::Close(AccessMode::Write))
}

/// The directories in which a change can make another file of this name: its own, and those of the links that it leads through.
fn directories(file: &Path) -> Vec<PathBuf> {
    let mut directories = Vec::new();
    let mut file = file.to_owned();
    for _ in 0..MAX_LINKS {
        let Some(directory) = file.parent() else {
            break;
        };
        let directory = match directory.as_os_str().is_empty() {
            true => Path::new("."),
            false => directory,
        };
        directories.push(directory.to_owned());
        directories.extend(directory.canonicalize());
        let Ok(target) = fs::read_link(&file) else {
            break;
        };
        file = directory.join(target);
    }
    directories
}

fn stamp(file: &Path) -> Option<Stamp> {
    let found = fs::metadata(file).ok()?;
    let times = [
        found.mtime(),
        found.mtime_nsec(),
        found.ctime(),
        found.ctime_nsec(),
    ];
    Some((found.dev(), found.ino(), found.len(), times))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use tokio::time::timeout;

    use super::*;

    /// Makes a change and says which files are told, which may take a while on a busy machine.
    async fn told(watch: &mut FileWatch, change: impl FnOnce()) -> Vec<PathBuf> {
        change();
        loop {
            let long = Duration::from_secs(20);
            timeout(long, watch.changed()).await.expect("it is told");
            let changed = watch.take();
            if !changed.is_empty() {
                return changed;
            }
        }
    }

    #[tokio::test]
    async fn a_file_is_told_however_it_is_replaced() {
        let directory = tempfile::tempdir().unwrap();
        let at = |name: &str| directory.path().join(name);
        let (file, other) = (at("contoso.json"), at("other.json"));
        fs::write(&file, "1").unwrap();
        let mut watch = FileWatch::new([file.as_path(), other.as_path()].into_iter()).unwrap();
        assert!(watch.take().is_empty());
        assert_eq!(
            told(&mut watch, || fs::write(&file, "22").unwrap()).await,
            [&*file]
        );
        let renamed = || {
            fs::write(at("new"), "333").unwrap();
            fs::rename(at("new"), &file).unwrap();
        };
        assert_eq!(told(&mut watch, renamed).await, [&*file]);
        assert_eq!(
            told(&mut watch, || fs::remove_file(&file).unwrap()).await,
            [&*file]
        );
        assert_eq!(
            told(&mut watch, || fs::write(&other, "4").unwrap()).await,
            [&*other]
        );
    }

    /// Kubernetes keeps each version in a directory of its own, and moves one link.
    #[tokio::test]
    async fn a_file_behind_a_link_that_moves_is_told() {
        let directory = tempfile::tempdir().unwrap();
        let at = |name: &str| directory.path().join(name);
        for version in ["..1", "..2"] {
            fs::create_dir(at(version)).unwrap();
            fs::write(at(version).join("contoso.json"), version).unwrap();
        }
        symlink("..1", at("..data")).unwrap();
        symlink("..data/contoso.json", at("contoso.json")).unwrap();
        let file = at("contoso.json");
        let mut watch = FileWatch::new([file.as_path()].into_iter()).unwrap();
        let moved = || {
            symlink("..2", at("..new")).unwrap();
            fs::rename(at("..new"), at("..data")).unwrap();
        };
        assert_eq!(told(&mut watch, moved).await, [&*file]);
        let in_place = || fs::write(at("..2/contoso.json"), "more").unwrap();
        assert_eq!(told(&mut watch, in_place).await, [&*file]);
    }
}
