//! Watches the files that the configuration names.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use nix::sys::inotify::{AddWatchFlags, InotifyEvent, WatchDescriptor};
use tokio::time::{Instant, sleep_until, timeout_at};

use crate::sources::{Inode, Stamp};
use crate::sys::{DirectoryWatch, KernelError};

/// How long the rest of a change is waited for: tools write in several steps.
const QUIET: Duration = Duration::from_millis(100);
/// Fallback interval between checks of the files: inotify reports nothing where a directory is missing, on a network file system, or under a
/// mount.
const LOOK: Duration = Duration::from_secs(60);
/// Buffers of events that are taken in one go, so that a flood of them holds nothing up.
const EVENT_BUFFERS: usize = 64;
/// Symbolic links that are followed from a file's name to the file; the kernel follows as many (path_resolution(7)).
const MAX_LINKS: usize = 40;
/// What is reported of a directory: what takes the right to write to it or to a file in it. Anybody may read, so reads are not reported.
const EVENTS: AddWatchFlags = AddWatchFlags::IN_CLOSE_WRITE
    .union(AddWatchFlags::IN_CREATE)
    .union(AddWatchFlags::IN_DELETE)
    .union(AddWatchFlags::IN_MOVED_FROM)
    .union(AddWatchFlags::IN_MOVED_TO)
    .union(AddWatchFlags::IN_DELETE_SELF)
    .union(AddWatchFlags::IN_MOVE_SELF);

/// Reports when one of some files may have changed. Their directories are watched, so that it does not matter whether a file is written, renamed
/// into place, or reached through a symbolic link that now leads elsewhere.
pub(super) struct FileWatch {
    directories: DirectoryWatch,
    watched: BTreeMap<Inode, WatchDescriptor>,
    quiet_at: Option<Instant>,
    look_at: Instant,
    seen: BTreeMap<PathBuf, Stamp>,
}

impl FileWatch {
    /// Watches the files of `seen`, each with its state from before it was read.
    ///
    /// # Errors
    /// Where the system has no inotify instance left (`fs.inotify.max_user_instances`).
    pub(super) fn new(seen: BTreeMap<PathBuf, Stamp>) -> Result<Self, KernelError> {
        let mut watch = Self {
            directories: DirectoryWatch::new("watch files")?,
            watched: BTreeMap::new(),
            quiet_at: None,
            look_at: Instant::now() + LOOK,
            seen,
        };
        watch.follow();
        Ok(watch)
    }

    /// Waits until something changes in the directories, and then for the rest of it, or until it is time to look all the same. Nothing is
    /// lost where the waiting is given up.
    ///
    /// # Errors
    /// Where the kernel does not report.
    pub(super) async fn changed(&mut self) -> Result<(), KernelError> {
        let quiet_at = match self.quiet_at {
            Some(quiet_at) => quiet_at,
            None => {
                match timeout_at(self.look_at, self.directories.next()).await {
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

    /// Forgets the directories that the kernel watches no longer, and all of them where it may have failed to say so.
    fn note(&mut self, events: &[InotifyEvent]) {
        for event in events {
            if event.mask.contains(AddWatchFlags::IN_Q_OVERFLOW) {
                self.watched.clear();
            } else if event.mask.contains(AddWatchFlags::IN_IGNORED) {
                self.watched.retain(|_, watch| *watch != event.wd);
            }
        }
    }

    /// The files that are not what they were when this was last asked, or before they were read.
    pub(super) fn take(&mut self) -> Vec<PathBuf> {
        self.look_at = Instant::now() + LOOK;
        self.follow();
        let mut changed = Vec::new();
        for (file, seen) in &mut self.seen {
            let now = Stamp::of(file);
            if now != *seen {
                *seen = now;
                changed.push(file.clone());
            }
        }
        changed
    }

    /// Watches the directories that lead to the files now, and no others. One that is missing is looked for again with the next change, and
    /// in time.
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
            // A directory that was replaced as it was looked at may stand under two inodes.
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
        let Ok(target) = fs::read_link(&file) else {
            break;
        };
        file = directory.join(target);
    }
    directories
}

#[cfg(test)]
mod tests;
