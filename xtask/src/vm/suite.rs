//! The programs that run in a guest: the tests that face the kernel, the shipped binary, and both builds of the kernel programs.

use std::{
    ffi::OsString,
    fs,
    path::{Path, PathBuf},
    time::Duration,
};

use anyhow::{Context as _, Result, ensure};

use super::{
    initrd::{self, Program},
    kernel::{Kernel, Unpacked},
    qemu::{self, Ran},
    script::{self, Extent},
};
use crate::{arch::Arch, build, env, step::Step};

/// Test programs of the crate `enforcer-tests`.
const TESTS: [&str; 3] = ["kernels", "verdicts", "bypass"];
const MEMORY_MIB: u32 = 1024;
/// Two network cards on one wire, for what tests cannot do with the kernel's virtual links. Without an option ROM, which emulated cards boot from.
const CARDS: [&str; 8] = [
    "-netdev",
    "hubport,id=wire0,hubid=0",
    "-device",
    "virtio-net-pci,netdev=wire0,romfile=",
    "-netdev",
    "hubport,id=wire1,hubid=0",
    "-device",
    "virtio-net-pci,netdev=wire1,romfile=",
];

/// Kernel parameters: the processor's random numbers suffice for tests, and what costs an emulated processor most has no effect on verdicts:
/// mitigations for processor bugs that it does not have, a fifth level of page tables, and cleared pages.
const PARAMETERS: &str = "random.trust_cpu=on loglevel=4 mitigations=off no5lvl init_on_alloc=0";

/// Programs for one architecture.
#[derive(Debug)]
pub(super) struct Suite {
    arch: Arch,
    userland: PathBuf,
    programs: Vec<Program>,
}

/// A guest that is ready to run.
#[derive(Debug)]
pub(super) struct Guest {
    pub(super) kernel: &'static Kernel,
    pub(super) files: Unpacked,
    initrd: PathBuf,
}

impl Suite {
    /// Builds the programs for `arch`.
    ///
    /// # Errors
    /// When a build fails.
    pub(super) fn build(arch: Arch, extent: Extent) -> Result<Self> {
        let messages = build_tests(arch)?;
        let out = build::out_dir(&messages)
            .context("cargo did not report where the kernel programs are")?;
        // A brief run omits the release build for another architecture, which takes as long as all else there: the daemon is then a
        // development build, and the kernel programs are this machine's, because BPF instructions do not depend on the architecture.
        let is_released = extent == Extent::Whole || arch == Arch::OWN;
        let release = build::release(if is_released { arch } else { Arch::OWN }.kernel())?;
        let [trace, device] = [build::TRACE, build::DEVICE].map(|name| release.beside(name));
        let daemon = if is_released {
            release.binary
        } else {
            env::dev_dir(arch.kernel()).join("egress-enforcer")
        };
        let mut programs = vec![
            program(daemon, "egress-enforcer"),
            program(trace, "release-trace.o"),
            program(device, "release-device.o"),
            program(release.object, "release.o"),
            program(out.join("enforcer-ebpf"), "dev.o"),
            program(out.join(build::TRACE), "dev-trace.o"),
            program(out.join(build::DEVICE), "dev-device.o"),
        ];
        let tests = build::test_programs(&messages);
        for name in TESTS {
            let (_, path) = tests
                .iter()
                .find(|(test, _)| test == name)
                .with_context(|| format!("cargo did not report where the test {name} is"))?;
            programs.push(program(stripped(path, arch, name)?, name));
        }
        Ok(Self {
            arch,
            userland: initrd::userland(arch)?,
            programs,
        })
    }

    /// Writes the file system for a guest with `kernel`.
    ///
    /// # Errors
    /// When the kernel cannot be fetched, or the file system not written.
    pub(super) fn guest(
        &self,
        kernel: &'static Kernel,
        extent: Extent,
        only: Option<&str>,
    ) -> Result<Guest> {
        ensure!(
            kernel.arch == self.arch,
            "{} is of another machine",
            kernel.name
        );
        let files = kernel.fetch()?;
        let script = script::of(kernel, extent, only)?;
        let initrd = initrd::write(kernel.name, &self.userland, &files, &self.programs, &script)?;
        Ok(Guest {
            kernel,
            files,
            initrd,
        })
    }
}

impl Guest {
    /// # Errors
    /// As [`qemu::Guest::run`].
    pub(super) fn run(&self, limit: Duration) -> Result<Ran> {
        let ran = qemu::Guest {
            name: self.kernel.name,
            arch: self.kernel.arch,
            kernel: &self.files.image,
            initrd: Some(&self.initrd),
            parameters: PARAMETERS,
            memory_mib: MEMORY_MIB,
            drives: &[],
            arguments: &CARDS.map(OsString::from),
            limit,
            shown: is_worth_showing,
        }
        .run();
        // It is large, and each run writes its own.
        drop(fs::remove_file(&self.initrd));
        ran
    }
}

fn program(path: PathBuf, name: &str) -> Program {
    Program {
        path,
        name: name.to_owned(),
    }
}

/// Builds the tests with the development profile, which the lab's tests on this machine share.
fn build_tests(arch: Arch) -> Result<String> {
    let mut cargo = env::cargo();
    cargo
        .args(["build", "--locked", "--package=enforcer-tests"])
        .args(["--message-format=json-render-diagnostics", "--target"])
        .arg(env::static_target(arch.kernel()));
    for name in TESTS {
        cargo.args(["--test", name]);
    }
    if arch != Arch::OWN {
        cargo.args(["--package=enforcer", "--bin=egress-enforcer"]);
        // What runs in a guest needs no certificates.
        cargo.arg("--no-default-features");
        // Unoptimised code is slow on an emulated processor.
        cargo
            .env("CARGO_PROFILE_DEV_DEBUG", "0")
            .env("CARGO_PROFILE_DEV_OPT_LEVEL", "1");
    }
    let title = format!("build of the guests' tests for {}", arch.kernel());
    let log = Step {
        title: &title,
        usual: "2 min, seconds when unchanged",
        log: &format!("vm-build-{}", arch.debian()),
    }
    .run(&mut cargo)?;
    fs::read_to_string(&log).with_context(|| format!("cannot read {}", log.display()))
}

/// Removes debugging information, five sixths of the file, which an emulated processor would copy. A build for another architecture
/// has none, and this machine's `strip` cannot read it.
fn stripped(path: &Path, arch: Arch, name: &str) -> Result<PathBuf> {
    if arch != Arch::OWN {
        return Ok(path.to_owned());
    }
    let out = env::target().join("xtask").join(format!("vm-{name}"));
    build::strip(path, &out)?;
    Ok(out)
}

/// Whether a line names the running test or a problem.
fn is_worth_showing(line: &str) -> bool {
    ["test ", "Error:", "EGRESS-GUEST-", "lab: ", "init: "]
        .iter()
        .any(|start| line.starts_with(start))
        || ["panicked at", "Kernel panic", "Oops", "BUG:", "FAILED"]
            .iter()
            .any(|part| line.contains(part))
}
