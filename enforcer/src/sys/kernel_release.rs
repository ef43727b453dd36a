//! The release of the running kernel.

use std::fs;

/// The release of the running kernel, for example "6.12.43"; "unknown" if it cannot be read.
pub(crate) fn kernel_release() -> String {
    let release = fs::read_to_string("/proc/sys/kernel/osrelease");
    release.map_or_else(|_| "unknown".to_owned(), |text| text.trim().to_owned())
}
