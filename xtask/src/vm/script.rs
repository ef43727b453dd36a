//! The shell script that runs the tests in a guest.

use std::{collections::BTreeSet, fs};

use anyhow::{Context as _, Result};

use super::kernel::Kernel;
use crate::env;

/// Prefix of the console line that names the build of the kernel programs that the following tests load.
pub(super) const PROFILE: &str = "EGRESS-GUEST-PROFILE ";

/// Extent of the tests in a guest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Extent {
    /// With the release build of the kernel programs those verdicts that the kernel may change, with the development build the tests of crafted packets.
    Brief,
    /// All tests with both builds.
    Whole,
}

impl Extent {
    /// Its name for what runs in a guest.
    pub(super) fn word(self) -> &'static str {
        match self {
            Self::Brief => "brief",
            Self::Whole => "whole",
        }
    }
}

/// Leaves out what loads a program once more only to look at the daemon's memory, at hand-overs and at the trace program, which takes minutes on an
/// emulated processor with the oldest kernel; all of it runs on this machine.
const BRIEF_KERNELS: &str = "--skip daemon::resident --skip hand_over:: --skip memory::programs_of \
     --skip trace::loading --skip trace::the_steps --skip trace::a_refusal";

/// A run of a test program with a build of the kernel programs.
struct Run {
    profile: &'static str,
    test: &'static str,
    filters: &'static str,
}

/// Returns the script; with `only`, it runs that test program alone.
pub(super) fn of(kernel: &Kernel, extent: Extent, only: Option<&str>) -> Result<String> {
    let word = extent.word();
    let mut script = format!(
        "{}\nexport EGRESS_ENFORCER_BIN=/suite/egress-enforcer EGRESS_LAB_GUEST={word}\nresult=0\n",
        compile_send_methods()?
    );
    for run in runs(kernel, extent) {
        if only.is_none_or(|only| run.test == only) {
            script.push_str(&run.lines());
        }
    }
    Ok(script)
}

/// The runs in their order. The daemon contains the release build, so its tests run with that only.
fn runs(kernel: &Kernel, extent: Extent) -> Vec<Run> {
    let run = |profile, test, filters| Run {
        profile,
        test,
        filters,
    };
    let developed = run("dev", "kernels", "the_verifier");
    match extent {
        Extent::Brief => vec![
            run("release", "kernels", BRIEF_KERNELS),
            run("release", "verdicts", brief_verdicts(kernel)),
            developed,
            run("dev", "verdicts", "packets::"),
        ],
        Extent::Whole => vec![
            run("release", "kernels", ""),
            run("release", "verdicts", ""),
            // The table in the documentation is not there.
            run("release", "bypass", "--skip the_threat_model"),
            developed,
            run("dev", "verdicts", ""),
        ],
    }
}

impl Run {
    fn lines(&self) -> String {
        let Self {
            profile,
            test,
            filters,
        } = self;
        format!(
            "export EGRESS_LAB_OBJECT=/suite/{profile}.o\n\
             export EGRESS_LAB_TRACE_OBJECT=/suite/{profile}-trace.o\n\
             export EGRESS_LAB_DEVICE_OBJECT=/suite/{profile}-device.o\n\
             export EGRESS_LAB_BUILD={profile}\n\
             echo \"{PROFILE}{profile}\"\n\
             /suite/{test} --test-threads=1 --show-output {filters} || result=1\n"
        )
    }
}

/// Test filters for the verdicts of the release build in a brief run: on the oldest kernel all that depends on a kernel's sockets, on the newest how
/// sockets send; all tests run on this machine's kernel anyway.
fn brief_verdicts(kernel: &Kernel) -> &'static str {
    match kernel.name {
        "5.10" => {
            "packets:: sockets:: client_hello:: dns_snooping::genuine_answers:: events:: exceptions:: limits::"
        }
        "newest" => "packets:: sockets:: limits::",
        _ => "packets::",
    }
}

/// Compiles the modules that the lab's tools import: the tests start the interpreter dozens of times and forbid it to write bytecode.
fn compile_send_methods() -> Result<String> {
    let tools = env::root().join("tests/lab/send_methods");
    let mut modules = BTreeSet::new();
    for tool in fs::read_dir(&tools).with_context(|| format!("cannot list {}", tools.display()))? {
        let path = tool?.path();
        if path.extension().is_some_and(|extension| extension == "py") {
            let text = fs::read_to_string(&path)
                .with_context(|| format!("cannot read {}", path.display()))?;
            modules.extend(text.lines().filter_map(imported).map(str::to_owned));
        }
    }
    let modules = modules.into_iter().collect::<Vec<_>>().join(", ");
    Ok(format!("(cd {tools:?} && python3 -c 'import {modules}')"))
}

/// Name of the module that a line of Python imports.
fn imported(line: &str) -> Option<&str> {
    let rest = line
        .strip_prefix("import ")
        .or_else(|| line.strip_prefix("from "))?;
    rest.split(' ').next()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::vm::kernel::ALL;

    fn each() -> impl Iterator<Item = (&'static Kernel, Extent)> {
        let extents = [Extent::Brief, Extent::Whole];
        ALL.iter()
            .flat_map(move |kernel| extents.map(|extent| (kernel, extent)))
    }

    #[test]
    fn both_builds_of_the_kernel_programs_are_run() {
        for (kernel, extent) in each() {
            let script = of(kernel, extent, None).unwrap();
            for profile in ["release", "dev"] {
                let loads = format!("{PROFILE}{profile}\"\n/suite/kernels");
                assert!(script.contains(&loads), "{script}");
            }
        }
    }

    #[test]
    fn only_a_brief_run_leaves_tests_out() {
        for (kernel, extent) in each() {
            let runs = runs(kernel, extent);
            let is_whole = |test: &str| {
                let mut runs = runs.iter().filter(|run| run.test == test);
                runs.any(|run| run.filters.is_empty() || run.filters.starts_with("--skip"))
            };
            let is_everything = is_whole("verdicts") && is_whole("bypass");
            assert_eq!(is_everything, extent == Extent::Whole, "{}", kernel.name);
            let loads = runs.iter().filter(|run| run.test == "kernels");
            assert_eq!(loads.count(), 2, "{}", kernel.name);
        }
    }

    #[test]
    fn one_test_program_can_run_alone() {
        let script = of(&ALL[0], Extent::Whole, Some("bypass")).unwrap();
        assert!(script.contains("/suite/bypass ") && !script.contains("/suite/verdicts "));
    }

    #[test]
    fn what_the_labs_tools_import_is_compiled_once() {
        let compiled = compile_send_methods().unwrap();
        for module in ["ctypes", "subprocess", "threading", "common", "socket"] {
            assert!(compiled.contains(&format!(" {module},")), "{compiled}");
        }
        assert_eq!(imported("import headers  # registers"), Some("headers"));
        assert_eq!(imported("    import os"), None);
    }
}
