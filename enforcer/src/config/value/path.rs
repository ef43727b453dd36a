//! Paths of files and cgroups, and systemd units.

use std::path::{Component, Path, PathBuf};

use enforcer_common::layout::MAX_LEVEL;

use super::FromText;

/// The systemd unit types that have a cgroup (systemd.resource-control(5)).
const UNIT_TYPES: [&str; 6] = [".service", ".scope", ".slice", ".socket", ".mount", ".swap"];

/// The conventional mount points of cgroup v2 (file-hierarchy(7), and beside cgroup v1). A cgroup path may begin with one.
const CGROUP_MOUNTS: [&str; 2] = ["/sys/fs/cgroup/unified", "/sys/fs/cgroup"];
/// The unit of the root cgroup (systemd.special(7)).
const ROOT_SLICE: &str = "-.slice";
/// Why no exception applies to the root cgroup.
const EVERY_PROCESS: &str = "is every process of the host; name one unit or cgroup \
                             (for what all may reach, use [[registry]] and protect.default)";

/// An absolute path without `..`.
pub(in crate::config) struct Absolute(pub(in crate::config) PathBuf);

impl FromText for Absolute {
    const EXPECTED: &'static str = "an absolute path in quotes";

    fn from_text(text: &str) -> Result<Self, String> {
        let path = PathBuf::from(text);
        let climbs = path.components().any(|part| part == Component::ParentDir);
        if !path.is_absolute() || climbs {
            return Err(format!(
                "\"{text}\" is not an absolute path; begin it with / and write it without \"..\""
            ));
        }
        Ok(Self(path))
    }
}

/// The path of a file; a relative one is relative to the configuration file's directory.
pub(in crate::config) struct File(pub(in crate::config) PathBuf);

impl FromText for File {
    const EXPECTED: &'static str = "a file path in quotes";

    fn from_text(text: &str) -> Result<Self, String> {
        if text.is_empty() {
            return Err("the file path is empty; name a file, or remove the key".to_owned());
        }
        Ok(Self(PathBuf::from(text)))
    }
}

/// The full name of a systemd unit that has a cgroup.
pub(in crate::config) struct Unit(pub(in crate::config) String);

impl FromText for Unit {
    const EXPECTED: &'static str = "a systemd unit in quotes, such as \"agent.service\"";

    fn from_text(text: &str) -> Result<Self, String> {
        let typed = UNIT_TYPES
            .iter()
            .any(|kind| text.len() > kind.len() && text.ends_with(kind));
        if !typed || text.contains('/') {
            return Err(format!(
                "\"{text}\" is not the full name of a systemd unit; write one such as \"agent.service\""
            ));
        }
        if text == ROOT_SLICE {
            return Err(format!("\"{text}\" {EVERY_PROCESS}"));
        }
        Ok(Self(text.to_owned()))
    }
}

/// A cgroup below the root, at most as deep as the kernel program looks.
pub(in crate::config) struct CgroupPath(pub(in crate::config) PathBuf);

impl FromText for CgroupPath {
    const EXPECTED: &'static str =
        "a cgroup path in quotes, such as \"/system.slice/agent.service\"";

    fn from_text(text: &str) -> Result<Self, String> {
        let Absolute(path) = Absolute::from_text(text)?;
        let parts = below_cgroup_mount(&path).unwrap_or(&path).components();
        let level = parts.filter(|part| *part != Component::RootDir).count();
        if level == 0 {
            return Err(format!("\"{text}\" {EVERY_PROCESS}"));
        }
        if level > MAX_LEVEL as usize {
            return Err(format!(
                "\"{text}\" is {level} levels deep, and an exception applies to cgroups down to level {MAX_LEVEL}; name one above it"
            ));
        }
        Ok(Self(path))
    }
}

/// Returns the part of `path` below a mount point of the cgroup tree.
pub(in crate::config) fn below_cgroup_mount(path: &Path) -> Option<&Path> {
    let mut mounts = CGROUP_MOUNTS.iter();
    mounts.find_map(|mount| path.strip_prefix(mount).ok())
}
