//! The state of a file, to notice that it changed.

use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

/// Device and inode: what distinguishes two files of one name.
pub(crate) type Inode = (u64, u64);

/// What differs from one state of a file to the next: device, inode, length, and the times of the last write and the last change; nothing where
/// there is no file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Stamp(Option<(Inode, u64, [i64; 4])>);

impl Stamp {
    /// The state that `file` is in now. Where it is read after this, no change is lost: it shows in the next state.
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
