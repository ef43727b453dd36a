//! Detection of exclusively attached programs on this kernel.

use std::os::fd::AsRawFd as _;

use anyhow::{Context as _, Result};
use enforcer::bpf::exclusive_programs;
use enforcer::sys::cgroup_root;
use lab::bpf::{Attach, AttachPoint, Exclusive, Program, loaded_policy::LoadedPolicy};

/// `return 1`: allows every packet.
const ALLOW: [u64; 2] = [0x1_0000_00b7, 0x95];

#[test]
fn a_program_that_prevents_the_attachment_is_reported() -> Result<()> {
    let mut loaded = LoadedPolicy::new()?;
    let above = loaded.cgroup().child("above")?;
    let scope = above.child("scope")?;
    let program = Program::load_as("other_agent", AttachPoint::Egress, &ALLOW)?;
    let named = format!(
        "{} runs the program other_agent (id {}) exclusively at egress",
        above.path().display(),
        program.id()?
    );
    let attached = Exclusive::attach(program, AttachPoint::Egress, above.path())?;
    let refused = loaded.attach(&scope).err().context("attached")?.to_string();
    assert!(refused.contains(&named), "{refused}");
    drop(attached);
    loaded.attach(&scope)?;
    Ok(())
}

#[test]
fn programs_with_multi_attachment_are_not_reported() -> Result<()> {
    let mut loaded = LoadedPolicy::new()?;
    let scope = loaded.cgroup().child("scope")?;
    loaded.attach(&scope)?;
    let open = enforcer::sys::Cgroup::open(&cgroup_root()?, scope.path())?;
    let directory = std::fs::File::open(scope.path())?;
    let program = Program::load_for(AttachPoint::Egress, &ALLOW)?;
    let target = u32::try_from(directory.as_raw_fd())?;
    let _link = program.attach(AttachPoint::Egress, target, Attach::default())?;
    assert_eq!(exclusive_programs(&open)?, []);
    Ok(())
}
