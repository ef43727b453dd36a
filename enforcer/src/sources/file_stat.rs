//! State of a file, to detect changes.

use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

/// Device and inode, which distinguish two files of one name.
pub(crate) type Inode = (u64, u64);

/// Attributes that change with a file: device, inode, length, mtime and ctime; `None` if there is no file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct FileStat(Option<(Inode, u64, [i64; 4])>);

impl FileStat {
    /// Returns the current state of `file`. If taken before the file is read, no change is lost: a later state differs.
    pub(crate) fn of(file: &Path) -> Self {
        let Ok(found) = fs::metadata(file) else {
            return Self(None);
        };
        let times = [
            found.mtime(),
            found.mtime_nsec(),
            found.ctime(),
            found.ctime_nsec(),
        ];
        Self(Some(((found.dev(), found.ino()), found.len(), times)))
    }
}
