//! Budgets of verifier steps. The oldest kernels need most, as their verifier recognises fewer paths as equal; so does the development build, whose
//! arithmetic has checks.

use std::env;

use anyhow::{Result, ensure};
use enforcer_common::layout::{
    DEVICE_EGRESS, DEVICE_INGRESS, DNS_SNOOP, EXPLAIN, SOCKET_OPTIONS, SOCKET_OPTIONS_PLAIN,
    SOCKET_OWNER,
};
use lab::bpf::{features::release, loaded_policy::LoadedPolicy, objects};

use crate::{
    effort::{Effort, logged_steps},
    report::report,
};

/// Upper bound of every budget: a third less than the kernel allows.
const MOST: u32 = 666_666;
/// First series with the verifier of the second half of [`BUDGETS`]: 6.1 does not have it, 6.12 does.
const RECENT: (u32, u32) = (6, 12);
/// First series that reports the steps by itself.
const REPORTS_STEPS: (u32, u32) = (5, 16);
/// The variable with the build of the kernel programs that are loaded, `release` or `dev`; without it, they are those of this build.
const BUILD: &str = "EGRESS_LAB_BUILD";

/// Program, and its budget of steps: release and development build before [`RECENT`], then from it on.
const BUDGETS: [(&str, [u32; 2], [u32; 2]); 13] = [
    ("egress", [500_000, MOST], [120_000; 2]),
    (EXPLAIN, [240_000, 350_000], [80_000; 2]),
    ("connect4", [12_000; 2], [12_000; 2]),
    ("connect6", [40_000; 2], [20_000; 2]),
    ("sendmsg4", [20_000; 2], [12_000; 2]),
    ("sendmsg6", [70_000; 2], [20_000; 2]),
    (SOCKET_OWNER, [1_000; 2], [1_000; 2]),
    (DNS_SNOOP, [40_000; 2], [40_000; 2]),
    ("explain_trace", [260_000, 400_000], [120_000; 2]),
    (DEVICE_EGRESS, [300_000, 400_000], [180_000; 2]),
    (DEVICE_INGRESS, [120_000; 2], [60_000; 2]),
    (SOCKET_OPTIONS, [3_000; 2], [3_000; 2]),
    (SOCKET_OPTIONS_PLAIN, [1_500; 2], [1_500; 2]),
];

/// Reports what a loaded program costs the verifier.
///
/// # Errors
/// When it exceeds its budget.
pub(crate) fn hold(policy: &LoadedPolicy, object: &[u8], name: &str) -> Result<()> {
    let effort = Effort::of(policy, object, name)?;
    let budget = budget(name)?;
    let Effort {
        steps,
        instructions,
    } = effort;
    let Some(steps) = steps else {
        report("ACCEPTED", &[name]);
        return Ok(());
    };
    let fields = [steps, instructions, budget].map(|number| number.to_string());
    report("COST", &[name, &fields[0], &fields[1], &fields[2]]);
    ensure!(steps <= budget, "{name}: {steps} steps of {budget}");
    Ok(())
}

fn budget(name: &str) -> Result<u32> {
    let row = BUDGETS.iter().find(|(program, ..)| *program == name);
    let Some((_, old, recent)) = row else {
        anyhow::bail!("{name} has no budget");
    };
    let (_, series) = release()?;
    let row = if series < RECENT { old } else { recent };
    Ok(row[usize::from(!is_release())])
}

fn is_release() -> bool {
    env::var(BUILD).map_or(!cfg!(debug_assertions), |build| build == "release")
}

#[test]
fn no_budget_exceeds_two_thirds_of_what_the_kernel_allows() {
    for (name, old, recent) in BUDGETS {
        let all = old.into_iter().chain(recent);
        assert!(all.max().is_some_and(|most| most <= MOST), "{name}");
    }
}

/// What the log says is what newer kernels report by themselves.
#[test]
fn the_verifiers_log_has_the_steps_that_the_kernel_reports() -> Result<()> {
    let (release, series) = release()?;
    if series < REPORTS_STEPS {
        eprintln!("NOT RUN: {release} reports no steps: the log is all there is");
        return Ok(());
    }
    let policy = LoadedPolicy::new()?;
    let object = objects::cgroups()?;
    let logged = logged_steps(&policy, &object, SOCKET_OWNER)?;
    let effort = Effort::of(&policy, &object, SOCKET_OWNER)?;
    assert_eq!(Some(logged), effort.steps);
    assert!(logged > 100, "{logged}");
    Ok(())
}
