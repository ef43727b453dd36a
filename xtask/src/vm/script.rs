//! The shell script that runs the tests in a guest.

use std::{collections::BTreeSet, fs};

use anyhow::{Context as _, Result};

use crate::{arch::Arch, env};

/// Prefix of the console line that names the build of the kernel programs that the following tests load.
pub(super) const PROFILE: &str = "EGRESS-GUEST-PROFILE ";

/// Extent of the tests in a guest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Extent {
    /// With the release build of the kernel programs all tests, but on another architecture only those whose result does not depend on
    /// sockets; with the development build the tests of crafted packets.
    Brief,
    /// All tests with both builds.
    Whole,
}

/// A run of a test program with a build of the kernel programs.
struct Run {
    profile: &'static str,
    test: &'static str,
    filters: &'static str,
}

/// Returns the script; with `only`, it runs that test program alone.
pub(super) fn of(arch: Arch, extent: Extent, only: Option<&str>) -> Result<String> {
    let word = match extent {
        Extent::Brief => "brief",
        Extent::Whole => "whole",
    };
    let mut script = format!(
        "{}\nexport EGRESS_ENFORCER_BIN=/suite/egress-enforcer EGRESS_LAB_GUEST={word}\nresult=0\n",
        compile_send_methods()?
    );
    for run in runs(arch, extent) {
        if only.is_none_or(|only| run.test == only) {
            script.push_str(&run.lines());
        }
    }
    Ok(script)
}

/// The runs in their order. The daemon contains the release build, so its tests run with that only.
fn runs(arch: Arch, extent: Extent) -> Vec<Run> {
    let run = |profile, test, filters| Run {
        profile,
        test,
        filters,
    };
    let mut runs = vec![
        run("release", "kernels", ""),
        run("release", "verdicts", verdicts(arch, extent)),
    ];
    if extent == Extent::Whole || arch == Arch::OWN {
        // The table in the documentation is not there.
        runs.push(run("release", "bypass", "--skip the_threat_model"));
    }
    runs.push(run("dev", "kernels", "the_verifier"));
    let filters = match extent {
        Extent::Brief => "packets",
        Extent::Whole => "",
    };
    runs.push(run("dev", "verdicts", filters));
    runs
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

/// Test filters for the verdicts of the release build: on another architecture, a brief run omits what depends on sockets.
fn verdicts(arch: Arch, extent: Extent) -> &'static str {
    match extent {
        Extent::Brief if arch != Arch::OWN => "packets:: client_hello:: dns_snooping::",
        Extent::Brief | Extent::Whole => "",
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

    fn each() -> impl Iterator<Item = (Arch, Extent)> {
        let extents = [Extent::Brief, Extent::Whole];
        Arch::ALL
            .into_iter()
            .flat_map(move |arch| extents.map(|extent| (arch, extent)))
    }

    #[test]
    fn both_builds_of_the_kernel_programs_are_run() {
        for (arch, extent) in each() {
            let script = of(arch, extent, None).unwrap();
            for profile in ["release", "dev"] {
                assert!(script.contains(&format!("{PROFILE}{profile}")), "{script}");
            }
        }
    }

    #[test]
    fn only_another_machine_and_only_in_brief_leaves_verdicts_out() {
        for (arch, extent) in each() {
            let is_less = extent == Extent::Brief && arch != Arch::OWN;
            assert_eq!(!verdicts(arch, extent).is_empty(), is_less, "{arch:?}");
        }
    }

    #[test]
    fn one_test_program_can_run_alone() {
        let script = of(Arch::OWN, Extent::Whole, Some("bypass")).unwrap();
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
