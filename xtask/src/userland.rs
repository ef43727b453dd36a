//! Runs the lab's tests and the demonstration with the userland of another Debian release (C library, interpreters, servers and
//! clients) on this machine's kernel. The static binaries are those that the lab runs here.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context as _, Result, ensure};

use crate::{
    arch::Arch,
    build,
    debian::System,
    env,
    report::{Outcome, Report},
    setup,
    step::Step,
};

/// Release, and its name in the report.
const SUITE: &str = "trixie";
const TITLE: &str = "Debian 13";
/// `LAB_CACHE` there.
const LAB_CACHE: &str = "/var/cache/egress-lab";
/// Files of this machine that replace the userland's: settings of package managers, certificates and name resolution.
const COVERED: [&str; 7] = [
    "/etc/ssl/certs",
    "/etc/pip.conf",
    "/etc/npmrc",
    "/etc/resolv.conf",
    "/etc/hosts",
    "~/.npmrc",
    "~/.config/pip",
];
/// Suites that `./x test` runs there, besides the demonstration.
const BRIEF: [&str; 1] = ["enforcement"];

/// Runs the demonstration and the named suites of the lab's tests, or all of them.
///
/// # Errors
/// When set-up or a build fails, a suite is not known, or something fails there.
pub(crate) fn task(suites: &[String]) -> Result<()> {
    setup::for_userland()?;
    prepare()?;
    let mut report = Report::default();
    run(&mut report, suites);
    report.close()
}

/// Runs the part that `./x test` runs; [`prepare`] comes first.
pub(crate) fn brief(report: &mut Report) {
    run(report, &BRIEF.map(str::to_owned));
}

/// Makes the userland, unless the cache has it, and installs the lab's programs there.
///
/// # Errors
/// When mmdebstrap fails, or the lab's programs cannot be installed.
pub(crate) fn prepare() -> Result<()> {
    let title = format!("lab servers and clients, into {TITLE}");
    Step {
        title: &title,
        usual: "1 min, no time when already there",
        log: "userland-lab",
    }
    .run(&mut command(&env::root().join("tests/lab/fetch.sh"))?)
    .map(drop)
}

fn debian() -> Result<PathBuf> {
    let packages = setup::packages_of_a_userland()?.join(",");
    System {
        name: "userland",
        suite: SUITE,
        arch: Arch::OWN,
        variant: "apt",
        options: &[format!("--include={packages}")],
        usual: "2 min",
    }
    .tree()
}

/// Command that runs `program` in the userland, with this workspace mounted read-only.
fn command(program: &Path) -> Result<Command> {
    let workspace = env::root();
    let read_only = [workspace.to_owned(), env::target()].map(|path| path.display().to_string());
    let mut command = env::command("unshare");
    command
        .args(["--mount", "--"])
        .arg(workspace.join("xtask/src/userland/enter.sh"))
        .args([debian()?, workspace.join("tests")])
        .arg(program)
        .env("READ_ONLY", read_only.join("\n"))
        .env("COVERED", covered()?.join("\n"))
        .env("LAB_CACHE", LAB_CACHE);
    Ok(command)
}

fn covered() -> Result<Vec<String>> {
    let home = std::env::var("HOME").context("HOME is not set")?;
    let paths = COVERED.iter().map(|path| path.replacen('~', &home, 1));
    Ok(paths.collect())
}

/// Programs that run there.
struct Programs {
    enforcer: PathBuf,
    next: PathBuf,
    demo: PathBuf,
    /// By name.
    suites: Vec<(String, PathBuf)>,
}

impl Programs {
    fn build(wanted: &[String]) -> Result<Self> {
        let mut suites = build::test_programs(&build_tests()?);
        for name in wanted {
            ensure!(
                suites.iter().any(|(suite, _)| suite == name),
                "there is no suite {name}: name one of tests/tests"
            );
        }
        suites.retain(|(suite, _)| wanted.is_empty() || wanted.contains(suite));
        ensure!(
            !suites.is_empty(),
            "cargo did not report where the tests are"
        );
        Ok(Self {
            enforcer: build::release_binary()?,
            next: build::next_layout_binary()?,
            demo: build::lab_program("demo")?,
            suites,
        })
    }
}

fn run(report: &mut Report, suites: &[String]) {
    let mut built = None;
    report.check("programs for another userland", || {
        built = Some(Programs::build(suites)?);
        Ok(Outcome::Passed)
    });
    let Some(programs) = built else { return };
    run_there(report, "demonstration", &programs.demo, &programs, &[]);
    for (name, suite) in &programs.suites {
        // The tests share the machine's cgroups, and some measure.
        let args = ["--show-output", "--test-threads=1"];
        run_there(report, name, suite, &programs, &args);
    }
}

fn run_there(report: &mut Report, name: &str, program: &Path, built: &Programs, args: &[&str]) {
    let title = format!("{TITLE}: {name}");
    match command(program) {
        Ok(mut command) => report.command(
            &Step {
                title: &title,
                usual: "1 min",
                log: &format!("userland-{name}"),
            },
            command
                .args(args)
                .env("EGRESS_ENFORCER_BIN", &built.enforcer)
                .env("EGRESS_ENFORCER_BIN_OTHER", &built.next),
        ),
        Err(error) => report.check(&title, || Err(error)),
    }
}

/// Builds the lab's tests as the lab on this machine does.
fn build_tests() -> Result<String> {
    let mut cargo = env::cargo();
    cargo
        .args(["test", "--locked", "--no-run", "--package=enforcer-tests"])
        .args(["--message-format=json-render-diagnostics", "--target"])
        .arg(env::own_target());
    let log = Step {
        title: "build of the lab's tests",
        usual: "3 min, seconds when unchanged",
        log: "userland-build",
    }
    .run(&mut cargo)?;
    fs::read_to_string(&log).with_context(|| format!("cannot read {}", log.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_suite_of_the_brief_run_is_there() {
        for suite in BRIEF {
            let dir = env::root().join("tests/tests").join(suite);
            assert!(
                dir.is_dir() || dir.with_extension("rs").is_file(),
                "{suite}"
            );
        }
    }

    #[test]
    fn the_home_directory_is_this_users() {
        let covered = covered().unwrap();
        assert!(
            covered.iter().all(|path| path.starts_with('/')),
            "{covered:?}"
        );
    }
}
