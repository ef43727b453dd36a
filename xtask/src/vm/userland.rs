//! What the tests find around them in a guest: Debian's files of a few packages, unpacked and never installed.

use std::{
    fs::{self, File},
    io::BufWriter,
    path::{Path, PathBuf},
};

use anyhow::{Context as _, Result};

use super::{
    apt::{self, Suite},
    cpio::Archive,
};
use crate::arch::Arch;

/// A shell with the small tools (busybox), `ip`, and the interpreter of the lab's own tools.
const PACKAGES: [&str; 3] = ["busybox-static", "iproute2", "python3"];
/// Parts that no test reads. Every byte is copied by an emulated processor.
const LEFT_OUT: [&str; 9] = [
    "usr/share/doc",
    "usr/share/man",
    "usr/share/locale",
    "usr/share/info",
    "usr/share/lintian",
    "usr/share/zoneinfo",
    "usr/share/perl",
    "usr/lib/python3/dist-packages",
    "usr/sbin/tc",
];
/// To be raised when anything above or below changes: it is part of the cached archive's name.
const VERSION: u32 = 1;

/// An archive for `arch`, made once for each suite. It is of the suite that this machine runs, so that programs built here
/// find the C library that they were linked with.
///
/// # Errors
/// When the packages cannot be brought.
pub(crate) fn archive(arch: Arch) -> Result<PathBuf> {
    let name = host_suite();
    let suite = Suite::open(&name, arch)?;
    let dir = apt::cache()?;
    let stem = format!("userland-{name}-{}-{VERSION}", arch.debian());
    let archive = dir.join(&stem).with_extension("cpio");
    if archive.exists() {
        return Ok(archive);
    }
    let root = dir.join(&stem).with_extension("root");
    for deb in suite.download_closure("userland", &PACKAGES)? {
        apt::unpack(&deb, &root)?;
    }
    let partial = archive.with_extension("partial");
    let file =
        File::create(&partial).with_context(|| format!("cannot write {}", partial.display()))?;
    write(&root, file)?;
    fs::remove_dir_all(&root).with_context(|| format!("cannot remove {}", root.display()))?;
    fs::rename(&partial, &archive).with_context(|| format!("cannot make {}", archive.display()))?;
    Ok(archive)
}

/// The kernel unpacks no archive over a symbolic link, so the ones that Debian has at the root come first.
fn write(root: &Path, file: File) -> Result<()> {
    let mut archive = Archive::new(BufWriter::new(file));
    for dir in ["usr", "usr/bin", "usr/sbin", "usr/lib", "usr/lib64"] {
        archive.directory(dir)?;
    }
    for name in ["bin", "sbin", "lib", "lib64"] {
        archive.link(name, &format!("usr/{name}"))?;
    }
    let is_merged = |path: &Path| {
        ["bin", "sbin", "lib", "lib64"]
            .map(Path::new)
            .contains(&path)
    };
    let is_left_out = |path: &Path| {
        let is_cache = path.ends_with("__pycache__");
        is_cache || is_merged(path) || LEFT_OUT.map(Path::new).contains(&path)
    };
    archive.tree(root, "", &is_left_out)?;
    for name in ["bin", "sbin", "lib", "lib64"] {
        let dir = root.join(name);
        if dir.is_dir() && !dir.is_symlink() {
            archive.tree(&dir, &format!("usr/{name}"), &|_| false)?;
        }
    }
    archive.close()
}

/// VERSION_CODENAME of os-release(5); Debian 12's where this is no Debian.
fn host_suite() -> String {
    let text = fs::read_to_string("/etc/os-release").unwrap_or_default();
    let is_debian = text.lines().any(|line| line == "ID=debian");
    let name = text
        .lines()
        .find_map(|line| line.strip_prefix("VERSION_CODENAME="));
    name.filter(|_| is_debian).unwrap_or("bookworm").to_owned()
}
