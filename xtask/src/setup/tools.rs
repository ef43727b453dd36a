//! Tools that are built from source into the project's cache, unless the search path has the same version.

use std::{fs, os::unix::fs::symlink, path::PathBuf, process::Command};

use anyhow::{Context as _, Result};

use crate::{env, step::Step};

/// Package of LLVM's shared library.
pub(super) const LLVM_PACKAGE: &str = "libllvm22";

/// Linker of the kernel programs. Its LLVM must be at least as new as the Rust compiler's.
const BPF_LINKER: Tool = Tool {
    name: "bpf-linker",
    version: "0.13.0",
    usual: "45 s",
};
/// Checker of licences, sources and advisories. Built without optimisation: 1 min instead of 3.
const CARGO_DENY: Tool = Tool {
    name: "cargo-deny",
    version: "0.20.2",
    usual: "1 min",
};
/// Maker of Debian packages, with the maintainer scripts that debhelper would write.
const CARGO_DEB: Tool = Tool {
    name: "cargo-deb",
    version: "3.8.0",
    usual: "1 min",
};

/// # Errors
/// When LLVM is missing or the build fails.
pub(super) fn bpf_linker() -> Result<()> {
    if BPF_LINKER.is_there() {
        return Ok(());
    }
    let mut install = BPF_LINKER.install();
    install
        .args(["--no-default-features", "--features", "llvm-22"])
        .env("LLVM_PREFIX", llvm_prefix()?);
    BPF_LINKER.build(&mut install)
}

/// # Errors
/// When the build fails.
pub(super) fn cargo_deny() -> Result<()> {
    CARGO_DENY.build_quickly()
}

/// # Errors
/// When the build fails.
pub(super) fn cargo_deb() -> Result<()> {
    CARGO_DEB.build_quickly()
}

struct Tool {
    name: &'static str,
    version: &'static str,
    usual: &'static str,
}

impl Tool {
    fn is_there(&self) -> bool {
        let wanted = format!("{} {}", self.name, self.version);
        let answer = env::command(self.name).arg("--version").output();
        let there =
            answer.is_ok_and(|output| String::from_utf8_lossy(&output.stdout).trim() == wanted);
        if there {
            println!("==> {wanted}: already there");
        }
        there
    }

    /// Whether to build without optimisation, for a tool that runs for a second.
    fn build_quickly(&self) -> Result<()> {
        if self.is_there() {
            return Ok(());
        }
        let mut install = self.install();
        install.arg("--debug").env("CARGO_PROFILE_DEV_DEBUG", "0");
        self.build(&mut install)
    }

    fn install(&self) -> Command {
        let mut command = env::cargo();
        command
            .args([
                "install",
                "--locked",
                self.name,
                "--version",
                self.version,
                "--root",
            ])
            .arg(env::tools());
        command
    }

    fn build(&self, install: &mut Command) -> Result<()> {
        let title = format!("{} {}, into .cache/tools", self.name, self.version);
        let log = format!("setup-{}", self.name);
        Step {
            title: &title,
            usual: self.usual,
            log: &log,
        }
        .run(install)
        .map(drop)
    }
}

/// Makes a directory that bpf-linker's build accepts, with `lib/libLLVM.so` as a link to the system's shared library. The development
/// package has the same link, and a gigabyte of static libraries.
fn llvm_prefix() -> Result<PathBuf> {
    let library = llvm_library()?;
    let prefix = env::tools().join("llvm-22");
    let link = prefix.join("lib/libLLVM.so");
    fs::create_dir_all(prefix.join("lib"))
        .with_context(|| format!("cannot make {}", prefix.display()))?;
    if link.is_symlink() {
        fs::remove_file(&link).with_context(|| format!("cannot replace {}", link.display()))?;
    }
    symlink(&library, &link).with_context(|| format!("cannot make {}", link.display()))?;
    Ok(prefix)
}

fn llvm_library() -> Result<PathBuf> {
    const NAME: &str = "libLLVM.so.22.1";
    let dirs = [
        "x86_64-linux-gnu",
        "aarch64-linux-gnu",
        "llvm-22/lib",
        "../lib64",
    ];
    let mut candidates = dirs
        .iter()
        .map(|dir| PathBuf::from("/usr/lib").join(dir).join(NAME));
    candidates.find(|path| path.exists()).with_context(|| {
        format!(
            "{NAME} is missing: install LLVM 22 (Debian: {LLVM_PACKAGE}), then run ./x setup again"
        )
    })
}
