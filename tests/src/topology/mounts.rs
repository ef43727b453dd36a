//! The mount table of this process, `/proc/self/mountinfo` (proc_pid_mountinfo(5)).

use std::{fs, path::PathBuf};

use anyhow::{Context, Result};

/// One line of the mount table.
pub(crate) struct Mount {
    pub(crate) point: PathBuf,
    pub(crate) fs_type: String,
}

/// Returns all mounts in the order of the table.
pub(crate) fn all() -> Result<Vec<Mount>> {
    let table = fs::read_to_string("/proc/self/mountinfo").context("read /proc/self/mountinfo")?;
    Ok(table.lines().filter_map(parse).collect())
}

/// Parses a line. Fields: id, parent, device, root, mount point, options, optional fields, `-`, type, source, …
fn parse(line: &str) -> Option<Mount> {
    let (fixed, typed) = line.split_once(" - ")?;
    Some(Mount {
        point: PathBuf::from(fixed.split(' ').nth(4)?),
        fs_type: typed.split(' ').next()?.to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parse_returns_mount_point_and_file_system_type() {
        let line = "31 24 0:27 / /sys/fs/cgroup rw,nosuid shared:9 - cgroup2 cgroup2 rw,nsdelegate";
        let mount = parse(line).unwrap();
        assert_eq!(mount.point, PathBuf::from("/sys/fs/cgroup"));
        assert_eq!(mount.fs_type, "cgroup2");
    }
}
