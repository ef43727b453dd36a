//! Arguments and results of system calls.

use std::{ffi::CString, io, os::unix::ffi::OsStrExt, path::Path};

use anyhow::{Context, Result};

/// Converts a path to a NUL-terminated string.
pub(crate) fn c_path(path: &Path) -> Result<CString> {
    CString::new(path.as_os_str().as_bytes())
        .with_context(|| format!("{} contains a NUL byte", path.display()))
}

/// Converts the result of a system call that returns -1 on error.
pub(crate) fn check(result: libc::c_int) -> io::Result<()> {
    if result == -1 {
        Err(io::Error::last_os_error())
    } else {
        Ok(())
    }
}
