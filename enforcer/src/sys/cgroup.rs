//! The cgroup v2 tree: its mount point, and the cgroups of units and ids.

use std::collections::{HashMap, VecDeque};
use std::ffi::{OsStr, OsString};
use std::fs::{self, File};
use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::fs::{DirEntryExt as _, MetadataExt as _};
use std::path::{Path, PathBuf};

use super::KernelError;

/// Maximum depth of the search for units; systemd nests slices by the dashes in their names.
const MAX_SLICES: u32 = 8;
/// Limits of one scan of the tree, in cgroups and in bytes of their paths: users can create and name cgroups.
const MAX_CGROUPS: usize = 4096;
const MAX_PATH_BYTES: usize = 1 << 20;

/// An open cgroup.
#[derive(Debug)]
pub struct Cgroup {
    /// Its directory.
    pub path: PathBuf,
    /// Its id as programs see it: the inode number of the directory.
    pub id: u64,
    /// Its level in the tree; the root is 0.
    pub level: u32,
    directory: File,
}

impl Cgroup {
    /// Opens a cgroup by its directory, or by its path below `root` as `/proc/self/cgroup` writes it.
    ///
    /// # Errors
    /// [`KernelError::NotACgroup`].
    pub fn open(root: &Path, path: &Path) -> Result<Self, KernelError> {
        let whole = if path.starts_with(root) {
            path.to_owned()
        } else {
            root.join(path.strip_prefix("/").unwrap_or(path))
        };
        let not_a_cgroup = || KernelError::NotACgroup {
            path: whole.clone(),
            root: root.to_owned(),
        };
        let below = whole
            .strip_prefix(root)
            .map_err(|_outside| not_a_cgroup())?;
        let level = below.components().count();
        let controllers = whole.join("cgroup.controllers");
        let directory = File::open(&whole).map_err(|_missing| not_a_cgroup())?;
        let metadata = directory.metadata().map_err(|_unreadable| not_a_cgroup())?;
        if !controllers.exists() {
            return Err(not_a_cgroup());
        }
        Ok(Self {
            id: metadata.ino(),
            level: u32::try_from(level).unwrap_or(u32::MAX),
            path: whole,
            directory,
        })
    }
}

impl Cgroup {
    /// Whether the directory at its path is still this cgroup, not one that was created again.
    pub fn is_current(&self) -> bool {
        fs::metadata(&self.path).is_ok_and(|found| found.ino() == self.id)
    }
}

impl AsFd for Cgroup {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.directory.as_fd()
    }
}

/// The inode of the root of every cgroup v2 tree; a cgroup namespace shows another directory as the root.
pub(crate) const ROOT_INODE: u64 = 1;

/// The mount point of the whole cgroup v2 tree, from the mount table.
///
/// # Errors
/// [`KernelError::NoCgroup2`], [`KernelError::PartOfTree`].
pub fn cgroup_root() -> Result<PathBuf, KernelError> {
    let what = "read /proc/self/mounts";
    let table = fs::read_to_string("/proc/self/mounts").map_err(KernelError::failed(what))?;
    let root = find_cgroup2(&table).ok_or(KernelError::NoCgroup2)?;
    let inode = fs::metadata(&root)
        .map_err(KernelError::failed("inspect the cgroup tree"))?
        .ino();
    if inode != ROOT_INODE {
        return Err(KernelError::PartOfTree { path: root });
    }
    Ok(root)
}

/// The path of this process's cgroup below the root of the tree.
///
/// # Errors
/// If it has no cgroup of version 2.
pub fn own_cgroup() -> io::Result<PathBuf> {
    let read = fs::read_to_string("/proc/self/cgroup")?;
    let path = read.lines().find_map(|line| line.strip_prefix("0::"));
    let missing = || io::Error::other("it has no cgroup of version 2");
    path.map(PathBuf::from).ok_or_else(missing)
}

/// The first mount of type `cgroup2` in a mount table (proc(5)).
pub(crate) fn find_cgroup2(table: &str) -> Option<PathBuf> {
    let mut rows = table.lines().map(|line| line.split(' '));
    rows.find_map(|mut row| {
        let (_device, path, kind) = (row.next()?, row.next()?, row.next()?);
        (kind == "cgroup2").then(|| PathBuf::from(path))
    })
}

/// The cgroups of a systemd system unit. The search enters only directories that systemd's system manager creates (slices owned by root), so that no user
/// can name a cgroup after a unit with an exception.
///
/// # Errors
/// If a directory of the tree cannot be read.
pub fn unit_cgroups(root: &Path, unit: &str) -> Result<Vec<Cgroup>, KernelError> {
    let mut found = Vec::new();
    each_slice(root, &mut |slice| {
        let candidate = slice.join(unit);
        if is_roots_directory(&candidate) {
            // A cgroup that cannot be opened was removed meanwhile.
            found.extend(Cgroup::open(root, &candidate).ok());
        }
        Ok(())
    })?;
    Ok(found)
}

/// Visits `root` and every slice below it that root owns, each before its contents are listed.
pub(super) fn each_slice(
    root: &Path,
    visit: &mut dyn FnMut(&Path) -> Result<(), KernelError>,
) -> Result<(), KernelError> {
    let mut slices = vec![(root.to_owned(), 0)];
    while let Some((slice, depth)) = slices.pop() {
        visit(&slice)?;
        if depth < MAX_SLICES {
            let below = subslices(&slice).map_err(KernelError::failed("read the cgroup tree"))?;
            slices.extend(below.into_iter().map(|path| (path, depth + 1)));
        }
    }
    Ok(())
}

/// The slices in a directory; none if it was removed.
fn subslices(directory: &Path) -> io::Result<Vec<PathBuf>> {
    let entries = match fs::read_dir(directory) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries?,
    };
    let mut slices = Vec::new();
    for entry in entries {
        let path = entry?.path();
        if path.extension() == Some(OsStr::new("slice")) && is_roots_directory(&path) {
            slices.push(path);
        }
    }
    Ok(slices)
}

fn is_roots_directory(path: &Path) -> bool {
    fs::symlink_metadata(path).is_ok_and(|found| found.is_dir() && found.uid() == 0)
}

/// The cgroups of the tree by id, as paths below its root. Scans level by level, so that the system's cgroups come before those that users nest below,
/// and ends at a limit. (open_by_handle_at(2) would find one directly, but needs `CAP_DAC_READ_SEARCH`, which allows reading every file of the host.)
pub fn paths_by_id(root: &Path) -> HashMap<u64, PathBuf> {
    let mut found = HashMap::new();
    let Ok(top) = fs::metadata(root) else {
        return found;
    };
    found.insert(top.ino(), PathBuf::from("/"));
    let mut bytes = 0;
    let mut level = VecDeque::from([PathBuf::from("/")]);
    while let Some(path) = level.pop_front() {
        // A cgroup that cannot be listed was removed, or is nested too deep for a path.
        for (id, name) in children(&join(root, &path)) {
            let child = path.join(name);
            bytes += child.as_os_str().len();
            if found.len() >= MAX_CGROUPS || bytes > MAX_PATH_BYTES {
                return found;
            }
            found.insert(id, child.clone());
            level.push_back(child);
        }
    }
    found
}

fn join(root: &Path, below: &Path) -> PathBuf {
    root.join(below.strip_prefix("/").unwrap_or(below))
}

fn children(directory: &Path) -> impl Iterator<Item = (u64, OsString)> {
    let entries = fs::read_dir(directory).into_iter().flatten().flatten();
    let directories = entries.filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir()));
    directories.map(|entry| (entry.ino(), entry.file_name()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_root_is_found_on_unified_and_on_hybrid_hosts() {
        let unified = "sysfs /sys sysfs rw 0 0\ncgroup2 /sys/fs/cgroup cgroup2 rw 0 0\n";
        assert_eq!(find_cgroup2(unified), Some("/sys/fs/cgroup".into()));
        let hybrid = "cgroup /sys/fs/cgroup/cpu cgroup rw,cpu 0 0\n\
            cgroup2 /sys/fs/cgroup/unified cgroup2 rw 0 0\n";
        assert_eq!(find_cgroup2(hybrid), Some("/sys/fs/cgroup/unified".into()));
        assert_eq!(
            find_cgroup2("cgroup /sys/fs/cgroup/cpu cgroup rw,cpu 0 0\n"),
            None
        );
    }

    #[test]
    fn existing_cgroups_are_found_by_id() {
        let tree = tempfile::tempdir().unwrap();
        let inner = tree.path().join("system.slice/agent.service");
        fs::create_dir_all(&inner).unwrap();
        fs::create_dir(tree.path().join("user.slice")).unwrap();
        let id = |path: &Path| fs::metadata(path).unwrap().ino();
        let found = paths_by_id(tree.path());
        assert_eq!(found.len(), 4);
        assert_eq!(found[&id(&inner)], Path::new("/system.slice/agent.service"));
        assert_eq!(found[&id(tree.path())], Path::new("/"));
        let gone = id(&inner);
        fs::remove_dir(&inner).unwrap();
        assert!(!paths_by_id(tree.path()).contains_key(&gone));
    }

    #[test]
    fn the_scan_of_a_flooded_tree_ends_at_its_limit() {
        let tree = tempfile::tempdir().unwrap();
        let system = tree.path().join("system.slice");
        fs::create_dir(&system).unwrap();
        let mut users = tree.path().join("user.slice");
        for _ in 0..12 {
            users.push("n".repeat(250));
        }
        fs::create_dir_all(&users).unwrap();
        for number in 0..500 {
            fs::create_dir(users.join(number.to_string())).unwrap();
        }
        let found = paths_by_id(tree.path());
        let bytes: usize = found.values().map(|path| path.as_os_str().len()).sum();
        assert!(bytes <= MAX_PATH_BYTES + 1, "{bytes}");
        assert!(found.len() < 500);
        assert!(
            found
                .values()
                .any(|path| path == Path::new("/system.slice"))
        );
    }
}
