//! What a build, the lab and the checks need: brought where it is missing, left alone where it is there.

mod apt;
mod tools;

use std::{fs, panic::resume_unwind, thread};

use anyhow::{Context as _, Result, ensure};

use crate::env;

/// Linker and C library for every build; LLVM 22 is what bpf-linker links to, and what Rust 1.98 is made with.
const PACKAGES: [&str; 3] = ["gcc", "libc6-dev", tools::LLVM_PACKAGE];

/// Compiles ring for the other kind of machine that packages are made for.
const OTHER_COMPILER: [&str; 1] = if cfg!(target_arch = "aarch64") {
    ["gcc-x86-64-linux-gnu"]
} else {
    ["gcc-aarch64-linux-gnu"]
};

/// What virtual machines run in, and what reads their kernels' modules and writes their first file system.
const VM_PACKAGES: [&str; 6] = [
    "qemu-system-x86",
    "qemu-system-arm",
    "kmod",
    "xz-utils",
    "zstd",
    "cpio",
];
/// What makes other systems of Debian.
const DEBIAN: [&str; 2] = ["mmdebstrap", "debian-archive-keyring"];
/// What makes a disk of one, and `strip`.
const VM_SYSTEMD: [&str; 2] = ["e2fsprogs", "binutils"];

/// `systemd-analyze` judges the unit.
const TEST_PACKAGES: [&str; 1] = ["systemd"];

/// Everything.
///
/// # Errors
/// When something cannot be brought; the message names it and what to do.
pub(crate) fn all() -> Result<()> {
    let packages = [
        &PACKAGES[..],
        &OTHER_COMPILER,
        &VM_PACKAGES,
        &DEBIAN,
        &VM_SYSTEMD,
        &TEST_PACKAGES,
    ];
    apt::install(&packages.concat())?;
    // One waits for the network, the other computes.
    thread::scope(|scope| {
        let lab = scope.spawn(lab);
        let tools = tools::bpf_linker()
            .and_then(|()| tools::cargo_deb())
            .and_then(|()| tools::cargo_deny());
        let lab = lab.join().unwrap_or_else(|panic| resume_unwind(panic));
        tools.and(lab)
    })
}

/// What the lab and the demonstration need.
///
/// # Errors
/// As [`all`].
pub(crate) fn for_lab() -> Result<()> {
    for_build()?;
    lab()
}

/// What virtual machines and the builds for them need.
///
/// # Errors
/// As [`all`].
pub(crate) fn for_vm() -> Result<()> {
    for_build()?;
    apt::install(&[&OTHER_COMPILER[..], &VM_PACKAGES, &DEBIAN].concat())
}

/// What a build with kernel programs needs.
///
/// # Errors
/// As [`all`].
pub(crate) fn for_build() -> Result<()> {
    apt::install(&PACKAGES)?;
    tools::bpf_linker()
}

/// What a Debian package needs beside a build.
///
/// # Errors
/// As [`all`].
pub(crate) fn for_deb() -> Result<()> {
    for_build()?;
    tools::cargo_deb()
}

/// What all kinds of packages need beside a build.
///
/// # Errors
/// As [`all`].
pub(crate) fn for_dist() -> Result<()> {
    for_deb()?;
    apt::install(&[&OTHER_COMPILER[..], &["rpm"]].concat())
}

/// What the virtual machine with systemd needs: the packages that it installs are made, too.
///
/// # Errors
/// As [`all`].
pub(crate) fn for_vm_systemd() -> Result<()> {
    for_deb()?;
    for_vm()?;
    apt::install(&VM_SYSTEMD)
}

/// What the lab needs on another userland, and the builds for it.
///
/// # Errors
/// As [`all`].
pub(crate) fn for_userland() -> Result<()> {
    for_build()?;
    apt::install(&DEBIAN)
}

/// What a userland has to have for the lab: the packages of the lab's own list, a C compiler as builds have it here, and what
/// tests call.
///
/// # Errors
/// When the lab's list cannot be read.
pub(crate) fn packages_of_a_userland() -> Result<Vec<String>> {
    let list = env::root().join("tests/lab/apt-packages.txt");
    let text =
        fs::read_to_string(&list).with_context(|| format!("cannot read {}", list.display()))?;
    let lines = text.lines().filter(|line| !line.starts_with('#'));
    let of_lab = lines.filter_map(|line| line.split_whitespace().next());
    let others = PACKAGES.iter().chain(&TEST_PACKAGES);
    let others = others.filter(|package| **package != tools::LLVM_PACKAGE);
    Ok(of_lab.chain(others.copied()).map(str::to_owned).collect())
}

/// The script says itself what it does; nothing that it brings is started.
fn lab() -> Result<()> {
    let fetch = env::root().join("tests/lab/fetch.sh");
    if !fetch.exists() {
        return Ok(());
    }
    println!(
        "==> lab servers and clients, into .cache/lab (usually 1 min, no time when already there)"
    );
    let status = env::command(&fetch)
        .status()
        .with_context(|| format!("cannot start {}", fetch.display()))?;
    ensure!(status.success(), "{} failed ({status})", fetch.display());
    Ok(())
}
