//! Features of this kernel, verification cost of the programs, and the daemon in a minimal environment. This suite also runs in
//! virtual machines with Debian's kernels.

mod budgets;
mod daemon;
mod device;
mod effort;
mod exclusive_programs;
mod hand_over;
mod memory;
mod programs;
mod removals;
mod report;
mod trace;

use anyhow::{Context as _, Result};
use enforcer::bpf::OBJECT;
use lab::{
    ScratchDir,
    bpf::{
        features::{ALL, ProbeEnv, release},
        loaded_policy::LoadedPolicy,
        objects,
    },
    topology::cgroup::Cgroup,
};
use object::{File, Object as _, ObjectSection as _, ObjectSymbol as _, SymbolKind};

use crate::programs::PROGRAMS;

#[test]
fn this_kernel_has_exactly_the_features_of_its_release() -> Result<()> {
    let scratch = ScratchDir::new()?;
    let cgroup = Cgroup::new(scratch.name())?;
    let env = ProbeEnv::new(&cgroup)?;
    let (release, series) = release()?;
    let mut wrong = Vec::new();
    for (feature, probe) in ALL {
        let is_there = probe(&env).with_context(|| feature.name)?;
        eprintln!("{}", feature.line(is_there));
        if is_there != feature.belongs_to(series) {
            wrong.push(format!("{}: {is_there} on {release}", feature.name));
        }
    }
    assert_eq!(wrong, [""; 0], "the table in lab::bpf::features is wrong");
    Ok(())
}

/// The verifier checks a global function once, and a static one on every path that calls it: Linux 5.10 gives up after a million steps.
#[test]
fn every_function_of_the_programs_is_global() -> Result<()> {
    assert_eq!(hidden_functions(OBJECT)?, [""; 0]);
    Ok(())
}

/// The functions of an object that are not global.
fn hidden_functions(object: &[u8]) -> Result<Vec<String>> {
    let object = File::parse(object)?;
    let text = object.section_by_name(".text").context("no .text")?.index();
    let functions = object
        .symbols()
        .filter(|symbol| symbol.kind() == SymbolKind::Text && symbol.section_index() == Some(text));
    let (exported, hidden): (Vec<_>, Vec<_>) = functions.partition(|symbol| symbol.is_global());
    assert!(exported.len() > 10, "{}", exported.len());
    let names = hidden.iter().map(|symbol| Ok(symbol.name()?.to_owned()));
    names.collect()
}

#[test]
fn the_verifier_accepts_every_program_within_its_budget() -> Result<()> {
    let policy = LoadedPolicy::new()?;
    let object = objects::cgroups()?;
    PROGRAMS
        .into_iter()
        .try_for_each(|name| budgets::hold(&policy, &object, name))
}
