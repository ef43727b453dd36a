//! Watches the files that the configuration names.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use nix::sys::inotify::{AddWatchFlags, InotifyEvent, WatchDescriptor};
use tokio::time::{Instant, sleep_until, timeout_at};

use crate::sources::{FileStat, Inode};
use crate::sys::{DirectoryWatch, KernelError};

/// Delay between the first event of a change and its report, since tools write in several steps.
const QUIET: Duration = Duration::from_millis(100);
/// Fallback interval between checks of the files: inotify reports nothing if a directory is missing, on a network file system, or under a
/// mount.
const CHECK_INTERVAL: Duration = Duration::from_secs(60);
/// Maximum number of event buffers read in one batch, so that a flood of events delays nothing else.
const EVENT_BUFFERS: usize = 64;
/// Maximum number of symbolic links followed from a path to its file, as in the kernel (path_resolution(7)).
const MAX_LINKS: usize = 40;
/// Reported events of a directory: those that require write permission for it or a file in it. Reads, which require none, are not reported.
const EVENTS: AddWatchFlags = AddWatchFlags::IN_CLOSE_WRITE
    .union(AddWatchFlags::IN_CREATE)
    .union(AddWatchFlags::IN_DELETE)
    .union(AddWatchFlags::IN_MOVED_FROM)
    .union(AddWatchFlags::IN_MOVED_TO)
    .union(AddWatchFlags::IN_DELETE_SELF)
    .union(AddWatchFlags::IN_MOVE_SELF);

/// Reports that a file may have changed. Watches the directories of the files, to detect writes, renames into place and symbolic links that
/// now lead elsewhere.
pub(super) struct FileWatch {
    directories: DirectoryWatch,
    watched: BTreeMap<Inode, WatchDescriptor>,
    quiet_at: Option<Instant>,
    check_at: Instant,
    seen: BTreeMap<PathBuf, FileStat>,
}

impl FileWatch {
    /// Watches the files of `seen`, each with its state before it was read.
    ///
    /// # Errors
    /// If the system has no inotify instance left (`fs.inotify.max_user_instances`).
    pub(super) fn new(seen: BTreeMap<PathBuf, FileStat>) -> Result<Self, KernelError> {
        let mut watch = Self {
            directories: DirectoryWatch::new("watch files")?,
            watched: BTreeMap::new(),
            quiet_at: None,
            check_at: Instant::now() + CHECK_INTERVAL,
            seen,
        };
        watch.follow();
        Ok(watch)
    }

    /// Waits for a change in the directories and then [`QUIET`], or until the next fallback check. Cancel-safe: no change is lost if the future
    /// is dropped.
    ///
    /// # Errors
    /// If the kernel reports no events.
    pub(super) async fn changed(&mut self) -> Result<(), KernelError> {
        let quiet_at = match self.quiet_at {
            Some(quiet_at) => quiet_at,
            None => {
                match timeout_at(self.check_at, self.directories.next()).await {
                    Ok(events) => self.note(&events?),
                    Err(_elapsed) => return Ok(()),
                }
                *self.quiet_at.insert(Instant::now() + QUIET)
            }
        };
        sleep_until(quiet_at).await;
        self.quiet_at = None;
        for _ in 0..EVENT_BUFFERS {
            let events = self.directories.waiting();
            if events.is_empty() {
                break;
            }
            self.note(&events);
        }
        Ok(())
    }

    /// Removes the directories that the kernel no longer watches, and all of them if events were lost.
    fn note(&mut self, events: &[InotifyEvent]) {
        for event in events {
            if event.mask.contains(AddWatchFlags::IN_Q_OVERFLOW) {
                self.watched.clear();
            } else if event.mask.contains(AddWatchFlags::IN_IGNORED) {
                self.watched.retain(|_, watch| *watch != event.wd);
            }
        }
    }

    /// Returns the files that changed since the last call, or since they were read.
    pub(super) fn take(&mut self) -> Vec<PathBuf> {
        self.check_at = Instant::now() + CHECK_INTERVAL;
        self.follow();
        let mut changed = Vec::new();
        for (file, seen) in &mut self.seen {
            let now = FileStat::of(file);
            if now != *seen {
                *seen = now;
                changed.push(file.clone());
            }
        }
        changed
    }

    /// Watches exactly the directories that lead to the files now. A missing one is tried again at the next change or fallback check.
    fn follow(&mut self) {
        let files = self.seen.keys();
        let leading: BTreeSet<PathBuf> = files.flat_map(|file| directories(file)).collect();
        let mut before = std::mem::take(&mut self.watched);
        for directory in leading {
            let Some(inode) = inode(&directory) else {
                continue;
            };
            if !self.watched.contains_key(&inode) {
                let watch = before.remove(&inode).or_else(|| self.watch(&directory));
                self.watched.extend(watch.map(|watch| (inode, watch)));
            }
        }
        for watch in before.into_values() {
            // A directory that was replaced during the check may have two entries with different inodes.
            if !self.watched.values().any(|used| *used == watch)
                && let Err(error) = self.directories.remove(watch)
            {
                tracing::debug!("watched no longer: {error}");
            }
        }
    }

    fn watch(&self, directory: &Path) -> Option<WatchDescriptor> {
        let added = self.directories.add(directory, EVENTS);
        added.unwrap_or_else(|error| {
            tracing::debug!(directory = %directory.display(), "not watched: {error}");
            None
        })
    }
}

fn inode(directory: &Path) -> Option<Inode> {
    let found = fs::metadata(directory).ok()?;
    Some((found.dev(), found.ino()))
}

/// Returns the directories in which a change can replace the file: its parent, and those of the symbolic links on its path.
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
        let Ok(target) = fs::read_link(&file) else {
            break;
        };
        file = directory.join(target);
    }
    directories
}

#[cfg(test)]
mod tests;
