//! Notification of cgroups that appear or disappear, by inotify.

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::path::{Component, Path, PathBuf};

use nix::sys::inotify::{AddWatchFlags, InotifyEvent};

use super::KernelError;
use super::cgroup::each_slice;
use super::inotify::DirectoryWatch;

const WHAT: &str = "watch the cgroup tree";

/// The cgroups that a policy names, whether they exist or not.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Awaited {
    /// Units, as for [`super::unit_cgroups`].
    pub units: BTreeSet<String>,
    /// Directories in the tree: absolute, or below its root.
    pub paths: BTreeSet<PathBuf>,
}

impl Awaited {
    /// Whether a directory of this name may be one of them, or a parent of one.
    fn concerns(&self, name: &OsStr) -> bool {
        let leads_to_unit = Path::new(name).extension() == Some(OsStr::new("slice"));
        let is_unit = || {
            name.to_str()
                .is_some_and(|name| self.units.contains(name) || leads_to_unit)
        };
        let is_part = |path: &PathBuf| path.components().any(|part| part.as_os_str() == name);
        (!self.units.is_empty() && is_unit()) || self.paths.iter().any(is_part)
    }
}

/// Reports when one of the awaited cgroups may have appeared or disappeared.
#[derive(Debug)]
pub struct CgroupWatch {
    root: PathBuf,
    awaited: Awaited,
    directories: DirectoryWatch,
}

impl CgroupWatch {
    /// Watches for `awaited` in the tree mounted at `root`: every directory that may contain one of them.
    ///
    /// # Errors
    /// If the system has no watch left (`fs.inotify.max_user_instances`, `fs.inotify.max_user_watches`).
    pub fn new(root: &Path, awaited: Awaited) -> Result<Self, KernelError> {
        let watch = Self {
            root: root.to_owned(),
            awaited,
            directories: DirectoryWatch::new(WHAT)?,
        };
        watch.follow()?;
        Ok(watch)
    }

    /// Adds directories that were created since, and drops removed ones. Changes after this call are reported; earlier ones can be found by a scan.
    ///
    /// # Errors
    /// As [`CgroupWatch::new`].
    pub fn follow(&self) -> Result<(), KernelError> {
        if !self.awaited.units.is_empty() {
            each_slice(&self.root, &mut |slice| self.add(slice).map(|_found| ()))?;
        }
        for path in &self.awaited.paths {
            self.follow_path(path)?;
        }
        Ok(())
    }

    fn follow_path(&self, path: &Path) -> Result<(), KernelError> {
        let below = path.strip_prefix(&self.root).unwrap_or(path);
        let mut directory = self.root.clone();
        for part in below.components() {
            if !self.add(&directory)? {
                break;
            }
            if let Component::Normal(name) = part {
                directory.push(name);
            }
        }
        Ok(())
    }

    /// Watches a directory; returns whether it exists.
    fn add(&self, directory: &Path) -> Result<bool, KernelError> {
        let mask = AddWatchFlags::IN_CREATE | AddWatchFlags::IN_DELETE;
        let mask = mask | AddWatchFlags::IN_DONT_FOLLOW;
        Ok(self.directories.add(directory, mask)?.is_some())
    }

    /// Waits until one of the awaited cgroups may have appeared or disappeared. The caller then calls [`CgroupWatch::follow`] and scans the tree.
    ///
    /// # Errors
    /// If the kernel reports an error.
    pub async fn changed(&self) -> Result<(), KernelError> {
        loop {
            let events = self.directories.next().await?;
            if events.iter().any(|event| self.concerns(event)) {
                return Ok(());
            }
        }
    }

    fn concerns(&self, event: &InotifyEvent) -> bool {
        let lost = event.mask.contains(AddWatchFlags::IN_Q_OVERFLOW);
        let named = event.name.as_deref();
        lost || named.is_some_and(|name| self.awaited.concerns(name))
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::time::Duration;

    use tokio::time::timeout;

    use super::*;

    fn awaited(units: &[&str], paths: &[&Path]) -> Awaited {
        Awaited {
            units: units.iter().map(|unit| (*unit).to_owned()).collect(),
            paths: paths.iter().map(|path| (*path).to_owned()).collect(),
        }
    }

    #[test]
    fn only_names_on_the_path_of_an_awaited_cgroup_concern_it() {
        let awaited = awaited(&["agent.service"], &[Path::new("/plant/line")]);
        let concerns = |name: &str| awaited.concerns(OsStr::new(name));
        for name in ["agent.service", "system.slice", "plant", "line"] {
            assert!(concerns(name), "{name}");
        }
        for name in ["other.service", "session-3.scope", "cgroup.procs"] {
            assert!(!concerns(name), "{name}");
        }
        let no_units = self::awaited(&[], &[Path::new("/plant")]);
        assert!(!no_units.concerns(OsStr::new("system.slice")));
    }

    /// Makes a change, and waits until it is reported.
    async fn reported(watch: &CgroupWatch, change: impl FnOnce() -> std::io::Result<()>) {
        change().unwrap();
        let long = Duration::from_secs(20);
        let event = timeout(long, watch.changed()).await;
        event.expect("it is reported").unwrap();
        watch.follow().unwrap();
    }

    #[tokio::test]
    async fn a_unit_is_reported_in_slices_that_are_created_later_or_again() {
        let tree = tempfile::tempdir().unwrap();
        let slice = tree.path().join("plant.slice");
        let nested = slice.join("plant-line.slice");
        let unit = nested.join("agent.service");
        let watch = CgroupWatch::new(tree.path(), awaited(&["agent.service"], &[])).unwrap();
        for _ in 0..2 {
            reported(&watch, || fs::create_dir(&slice)).await;
            reported(&watch, || fs::create_dir(&nested)).await;
            fs::create_dir(nested.join("other.service")).unwrap();
            reported(&watch, || fs::create_dir(&unit)).await;
            reported(&watch, || fs::remove_dir(&unit)).await;
            fs::remove_dir(nested.join("other.service")).unwrap();
            reported(&watch, || fs::remove_dir(&nested)).await;
            reported(&watch, || fs::remove_dir(&slice)).await;
        }
    }

    #[tokio::test]
    async fn a_path_is_reported_from_its_first_missing_part_on() {
        let tree = tempfile::tempdir().unwrap();
        let (outer, inner) = (tree.path().join("plant"), tree.path().join("plant/line"));
        let below = Path::new("/plant/line");
        let watch = CgroupWatch::new(tree.path(), awaited(&[], &[below])).unwrap();
        reported(&watch, || fs::create_dir(&outer)).await;
        reported(&watch, || fs::create_dir(&inner)).await;
        reported(&watch, || fs::remove_dir(&inner)).await;
    }
}
