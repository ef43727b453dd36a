//! `./x setup`: installs what builds, the lab and the checks need, where it is missing.

mod apt;
mod tools;

use std::{fs, panic::resume_unwind, thread};

use anyhow::{Context as _, Result, ensure};

use crate::env;

/// Linker and C library for every build; bpf-linker needs the LLVM version of Rust 1.98.
const PACKAGES: [&str; 3] = ["gcc", "libc6-dev", tools::LLVM_PACKAGE];

/// Compiler of ring's C code for the other architecture that packages are made for.
const OTHER_COMPILER: [&str; 1] = if cfg!(target_arch = "aarch64") {
    ["gcc-x86-64-linux-gnu"]
} else {
    ["gcc-aarch64-linux-gnu"]
};

/// Emulators of virtual machines, and tools that read kernel modules and write initial RAM disks.
const VM_PACKAGES: [&str; 6] = [
    "qemu-system-x86",
    "qemu-system-arm",
    "kmod",
    "xz-utils",
    "zstd",
    "cpio",
];
/// Tools that make other systems of Debian.
const DEBIAN: [&str; 2] = ["mmdebstrap", "debian-archive-keyring"];
/// Tools that make a disk image (`mke2fs`, `strip`).
const VM_SYSTEMD: [&str; 2] = ["e2fsprogs", "binutils"];

/// `systemd-analyze` checks the unit.
const TEST_PACKAGES: [&str; 1] = ["systemd"];

/// Installs everything.
///
/// # Errors
/// When something cannot be installed; the message names it and the remedy.
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
    // The lab's set-up waits for the network, the other computes.
    thread::scope(|scope| {
        let lab = scope.spawn(lab);
        let tools = tools::bpf_linker()
            .and_then(|()| tools::cargo_deb())
            .and_then(|()| tools::cargo_deny());
        let lab = lab.join().unwrap_or_else(|panic| resume_unwind(panic));
        tools.and(lab)
    })
}

/// Installs what the lab and the demonstration need.
///
/// # Errors
/// As [`all`].
pub(crate) fn for_lab() -> Result<()> {
    for_build()?;
    lab()
}

/// Installs what virtual machines and the builds for them need.
///
/// # Errors
/// As [`all`].
pub(crate) fn for_vm() -> Result<()> {
    for_build()?;
    apt::install(&[&OTHER_COMPILER[..], &VM_PACKAGES, &DEBIAN].concat())
}

/// Installs what a build with kernel programs needs.
///
/// # Errors
/// As [`all`].
pub(crate) fn for_build() -> Result<()> {
    apt::install(&PACKAGES)?;
    tools::bpf_linker()
}

/// Installs what a Debian package needs.
///
/// # Errors
/// As [`all`].
pub(crate) fn for_deb() -> Result<()> {
    for_build()?;
    tools::cargo_deb()
}

/// Installs what all kinds of packages need.
///
/// # Errors
/// As [`all`].
pub(crate) fn for_dist() -> Result<()> {
    for_deb()?;
    apt::install(&[&OTHER_COMPILER[..], &["rpm"]].concat())
}

/// Installs what the virtual machine with systemd and its packages need.
///
/// # Errors
/// As [`all`].
pub(crate) fn for_vm_systemd() -> Result<()> {
    for_deb()?;
    for_vm()?;
    apt::install(&VM_SYSTEMD)
}

/// Installs what the lab on another userland needs.
///
/// # Errors
/// As [`all`].
pub(crate) fn for_userland() -> Result<()> {
    for_build()?;
    apt::install(&DEBIAN)
}

/// Packages of a userland for the lab: those of the lab's own list, a C compiler, and what tests call.
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

/// Runs the lab's script, which prints what it does and starts nothing that it installs.
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
