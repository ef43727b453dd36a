//! A policy that takes grants away, of which the kernel keeps one.

use anyhow::Result;
use enforcer::policy::Inputs;
use enforcer_common::layout::{ALLOWED, NAME_ADDRESSES, NAMES};
use lab::bpf::{Map, loaded_policy::LoadedPolicy};

use crate::device::{inputs, protected};

#[test]
fn a_removal_that_fails_keeps_no_other_grant() -> Result<()> {
    let mut policy = LoadedPolicy::new()?;
    policy.apply(&protected()?, &inputs()?)?;
    let count = |policy: &LoadedPolicy, name| Map::pinned(&policy.map(name))?.entries();
    let granted = [ALLOWED, NAME_ADDRESSES].map(|name| count(&policy, name));
    let before = policy.kernel.maps.settings()?.epoch;

    Map::pinned(&policy.map(ALLOWED))?.freeze()?;
    let nothing = Inputs {
        default_allow: true,
        ..Inputs::default()
    };
    let applied = policy.apply(&protected()?, &nothing);
    let left = [ALLOWED, NAME_ADDRESSES, NAMES].map(|name| count(&policy, name));
    let after = policy.kernel.maps.settings()?.epoch;
    policy.unload();

    for number in granted {
        assert_eq!(number?, Some(1));
    }
    assert!(applied.is_err());
    let [allowed, others @ ..] = left;
    assert_eq!(allowed?, Some(1), "frozen");
    for number in others {
        assert_eq!(number?, Some(0));
    }
    assert!(
        after > before,
        "open connections look up their grants again"
    );
    Ok(())
}
