//! `./x test`: all checks and tests.

mod lab;

use std::{panic::resume_unwind, process::Command, thread};

use anyhow::Result;

use crate::{
    arch::Arch,
    build, env, licences,
    report::{Outcome, Report},
    setup,
    step::Step,
    tidy, userland,
    vm::{self, Extent},
};

/// Oldest supported kernel and newest kernel; `./x vm` runs all, also those of the other architecture, whose builds and emulation take as long as
/// everything else here.
const KERNELS: [&str; 2] = ["5.10", "newest"];
/// Crates without unit tests: the kernel programs have no host build, and the lab's tests need the lab.
const NO_UNIT_TESTS: [&str; 2] = ["--exclude=enforcer-ebpf", "--exclude=enforcer-tests"];

/// Sets up and runs everything, or, with `filters`, only the tests whose names contain one of them.
///
/// # Errors
/// When set-up fails, a step fails, or no test ran.
pub(crate) fn task(filters: &[String]) -> Result<()> {
    setup::all()?;
    let mut report = Report::default();
    if filters.is_empty() {
        checks_and_userland(&mut report);
        lab_and_guests(&mut report);
    } else {
        unit_tests(&mut report, filters);
        lab::some(&mut report, filters);
    }
    report.close()
}

/// Downloads the userland while the checks compute.
fn checks_and_userland(report: &mut Report) {
    thread::scope(|scope| {
        let userland = scope.spawn(userland::prepare);
        checks(report);
        unit_tests(report, &[]);
        report.check("another userland", || {
            let prepared = userland.join().unwrap_or_else(|panic| resume_unwind(panic));
            prepared.map(|()| Outcome::Passed)
        });
    });
}

/// Runs the lab's tests, which mostly wait, beside the guests, which compute.
fn lab_and_guests(report: &mut Report) {
    thread::scope(|scope| {
        let lab = scope.spawn(|| {
            let mut report = Report::default();
            lab::all(&mut report);
            demonstration(&mut report);
            userland::brief(&mut report);
            report
        });
        guests(report);
        match lab.join() {
            Ok(lab) => report.append(lab),
            Err(panic) => resume_unwind(panic),
        }
    });
}

fn guests(report: &mut Report) {
    let mut kernels = Vec::new();
    let mut packages = Report::default();
    report.check("tests on Debian's kernels, in virtual machines", || {
        let packages = || {
            packages.check("packages on a machine with systemd", || {
                vm::systemd::task(Extent::Brief, None)?;
                Ok(Outcome::Passed)
            });
        };
        kernels = vm::matrix(&KERNELS, Extent::Brief, None, packages)?;
        Ok(Outcome::Passed)
    });
    for kernel in &kernels {
        let title = format!("kernel {}, {}", kernel.release, kernel.machine);
        report.tests(&title, kernel.is_good(), kernel.seconds, kernel.counts);
    }
    report.append(packages);
}

fn checks(report: &mut Report) {
    report.check("tidy: lengths, words and dependencies", || {
        tidy::workspace(env::root())
    });
    report.command(
        &Step {
            title: "formatting",
            usual: "1 s",
            log: "test-fmt",
        },
        env::cargo().args(["fmt", "--all", "--", "--check", "--color=never"]),
    );
    report.command(
        &Step {
            title: "clippy, host",
            usual: "1 min",
            log: "test-clippy",
        },
        // Checks the host's crates only; embedding the kernel programs would take another minute.
        env::cargo()
            .env_remove("EGRESS_ENFORCER_BPF")
            .args([
                "clippy",
                "--locked",
                "--workspace",
                "--exclude=enforcer-ebpf",
                "--all-targets",
            ])
            .args(["--", "--deny=warnings"]),
    );
    report.command(
        &Step {
            title: "clippy, the other architecture",
            usual: "1 min",
            log: "test-clippy-other",
        },
        &mut clippy_of(Arch::OTHER),
    );
    for (title, log, features) in [
        ("clippy, kernel programs", "test-clippy-bpf", ""),
        ("clippy, device programs", "test-clippy-device", "device"),
        ("clippy, trace program", "test-clippy-trace", "trace"),
    ] {
        let usual = "20 s";
        report.command(&Step { title, usual, log }, &mut clippy_bpf(features));
    }
    report.check("licences and sources", licences::rules);
    report.check("advisories", licences::advisories);
}

/// Checks the daemon for an architecture, without certificates, whose cryptography needs a C compiler for it.
fn clippy_of(arch: Arch) -> Command {
    let mut cargo = env::cargo();
    cargo
        .env_remove("EGRESS_ENFORCER_BPF")
        .args(["clippy", "--locked", "--package=enforcer"])
        .args(["--no-default-features", "--target"])
        .arg(env::static_target(arch.kernel()))
        .args(["--", "--deny=warnings"]);
    cargo
}

/// Compiles them as aya-build does: on a stable toolchain `RUSTC_BOOTSTRAP` enables `-Zbuild-std`, and `bpf_target_arch` selects
/// the layout of the registers that the programs read.
fn clippy_bpf(features: &str) -> Command {
    let mut cargo = env::cargo();
    cargo
        .env("RUSTC_BOOTSTRAP", "1")
        .env(
            "CARGO_ENCODED_RUSTFLAGS",
            format!("--cfg=bpf_target_arch=\"{}\"", std::env::consts::ARCH),
        )
        .args([
            "clippy",
            "--locked",
            "--package=enforcer-ebpf",
            "--target=bpfel-unknown-none",
            "-Zbuild-std=core",
            "--features",
            features,
        ])
        .arg("--target-dir")
        .arg(env::target().join("bpf"))
        .args(["--", "--deny=warnings"]);
    cargo
}

fn unit_tests(report: &mut Report, filters: &[String]) {
    report.command(
        &Step {
            title: "unit tests",
            usual: "2 min",
            log: "test-unit",
        },
        env::cargo()
            .args(["test", "--locked", "--no-fail-fast", "--workspace"])
            .args(["--target", &env::own_target()])
            .args(NO_UNIT_TESTS)
            // Tests that could not run pass and print NOT RUN.
            .args(["--", "--show-output"])
            .args(filters),
    );
}

/// Runs the demonstration, which exits with an error when a step has another result than it announces.
fn demonstration(report: &mut Report) {
    let mut built = None;
    report.check("the demonstration's programs", || {
        built = Some((build::release_binary()?, build::lab_program("demo")?));
        Ok(Outcome::Passed)
    });
    let Some((binary, demo)) = built else {
        return;
    };
    report.command(
        &Step {
            title: "demonstration",
            usual: "30 s",
            log: "test-demo",
        },
        env::command(&demo).env("EGRESS_ENFORCER_BIN", binary),
    );
}
