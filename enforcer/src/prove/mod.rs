//! Proof that enforcement works on this host: real attempts at what must be refused, controls that must pass, and what is loaded, held against the policy.
//!
//! The attempts are made from a cgroup of their own in the scope and, where they need no peer, from a network namespace that nothing leaves. They carry
//! no data of the host.

mod attempt;
mod cgroup;
mod expected;
mod frame;
mod grants;
mod in_force;
mod integrity;
mod maps;
mod named;
mod page;
mod report;
mod reported;
mod signature;
mod target;
mod tls;

use std::thread;

use anyhow::{Result, anyhow};
use jiff::Timestamp;

use self::attempt::Attempts;
use self::cgroup::ProofCgroup;
pub(crate) use self::in_force::InForce;
pub(crate) use self::page::page;
pub(crate) use self::report::{Part, Report};
pub(crate) use self::signature::{SigningKey, verify_hint};
use self::target::Targets;

/// Makes all attempts. Nothing of the host is changed but a cgroup that is removed again.
///
/// # Errors
/// If the attempts cannot be made: no cgroup or network namespace can be created, or the policy does not compile.
pub(crate) fn prove(in_force: &InForce, now: Timestamp) -> Result<Report> {
    let targets = Targets::choose(in_force)?;
    let place = ProofCgroup::enter(&in_force.scope()?)?;
    let attempts = apart(|| attempt::make(&targets))?;
    let Attempts {
        mut refused,
        mut passing,
    } = attempts;
    refused.extend(tls::foreign_names(in_force));
    refused.extend(frame::attempts(in_force, &targets));
    passing.extend(tls::own_names(in_force));
    drop(place);
    let parts = vec![
        Part::new("must be refused", refused),
        Part::new("must pass", passing),
        Part::new("is loaded", integrity::check(in_force, &targets)),
    ];
    Ok(Report::new(in_force, parts, now))
}

/// Runs `work` on a thread of its own, which may move to another network namespace.
fn apart<T: Send>(work: impl FnOnce() -> Result<T> + Send) -> Result<T> {
    thread::scope(|scope| {
        let result = scope.spawn(work).join();
        result.unwrap_or_else(|_panic| Err(anyhow!("the thread of the attempts panicked")))
    })
}
