//! What this kernel can do, what the programs cost its verifier, and the daemon on it, with nothing else around: all of it also runs
//! in virtual machines with Debian's kernels.

mod daemon;
mod exclusive_programs;
mod resolver;

use anyhow::{Context as _, Result};
use enforcer::bpf::OBJECT;
use lab::{
    ScratchDir,
    bpf::{
        Program,
        features::{ALL, ProbeEnv, release},
        loaded_policy::LoadedPolicy,
    },
    topology::cgroup::Cgroup,
};
use object::{File, Object as _, ObjectSection as _, ObjectSymbol as _, SymbolKind};

/// Says a fact on a line of its own, for programs that read the output.
#[expect(
    clippy::print_stderr,
    reason = "the output of a test is for whoever runs it"
)]
fn tell(what: &str, fields: &[&str]) {
    eprintln!("EGRESS-{what} {}", fields.join("\t"));
}

#[test]
fn this_kernel_has_what_its_release_has_and_nothing_more() -> Result<()> {
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

/// The verifier looks at such a function once, and at any other on every path that calls it: Linux 5.10 gives up at a million steps.
#[test]
fn each_function_of_the_programs_is_exported() -> Result<()> {
    let object = File::parse(OBJECT)?;
    let text = object.section_by_name(".text").context("no .text")?.index();
    let functions = object
        .symbols()
        .filter(|symbol| symbol.kind() == SymbolKind::Text && symbol.section_index() == Some(text));
    let (exported, hidden): (Vec<_>, Vec<_>) = functions.partition(|symbol| symbol.is_global());
    assert!(exported.len() > 10, "{}", exported.len());
    let hidden: Vec<_> = hidden.iter().map(|symbol| symbol.name()).collect();
    assert!(hidden.is_empty(), "{hidden:?}");
    Ok(())
}

/// Steps of the verifier, all paths added, and instructions; a kernel before 5.16 does not tell the former.
#[test]
fn the_verifier_accepts_every_program_and_its_effort_is_told() -> Result<()> {
    let _loaded = LoadedPolicy::new()?;
    let mut programs = Vec::new();
    // A test before this one may have loaded them; the newest of a name are they.
    for id in Program::ids()?.into_iter().rev() {
        programs.push(Program::by_id(id)?.info()?);
    }
    let ours = [
        "egress",
        "explain",
        "connect4",
        "connect6",
        "sendmsg4",
        "sendmsg6",
        "socket_owner",
        "dns_snoop",
    ];
    for name in ours {
        let told = programs.iter().find(|told| told.name == name);
        let told = told.unwrap_or_else(|| panic!("{name} is not among {programs:?}"));
        let verified = told
            .verified
            .map_or("-".to_owned(), |count| count.to_string());
        tell("COST", &[name, &verified, &told.instructions.to_string()]);
    }
    Ok(())
}
