//! Proof that enforcement works on this host: real attempts at what must be refused, controls that must pass, and what is loaded, held against the policy.
//!
//! The attempts are made from a cgroup of their own in the scope and, where they need no peer, from a network namespace that nothing leaves. They carry
//! no data of the host.

mod attempt;
mod cgroup;
mod frame;
mod history;
mod integrity;
mod page;
mod report;
mod signature;
mod target;
mod tls;

use std::path::PathBuf;
use std::thread;

use anyhow::{Result, anyhow};
use jiff::Timestamp;

use self::attempt::Attempts;
use self::cgroup::ProofCgroup;
pub(crate) use self::page::page;
pub(crate) use self::report::{Part, Report};
pub(crate) use self::signature::{SigningKey, verify_hint};
use self::target::Targets;
use crate::config::Paths;
use crate::core::{EventRecord, Status};
use crate::sources::Sources;

/// What is to be proved: a configuration, and the daemon that enforces it.
pub(crate) struct Subject {
    /// The configuration file.
    pub(crate) file: PathBuf,
    /// Pins, state and runtime directories.
    pub(crate) paths: Paths,
    /// The configuration with the files that it names.
    pub(crate) sources: Sources,
    /// The status of the daemon; `None` if none runs.
    pub(crate) status: Option<Status>,
    /// The events that the daemon holds.
    pub(crate) events: Vec<EventRecord>,
}

/// Makes all attempts. Nothing of the host is changed but a cgroup that is removed again.
///
/// # Errors
/// If the attempts cannot be made: no cgroup or network namespace can be created, or the policy does not compile.
pub(crate) fn prove(subject: &Subject, now: Timestamp) -> Result<Report> {
    let targets = Targets::choose(subject)?;
    let place = ProofCgroup::enter(&subject.scope()?)?;
    let attempts = apart(|| attempt::make(&targets))?;
    let Attempts {
        mut refused,
        mut passing,
    } = attempts;
    refused.extend(tls::foreign_names(subject));
    refused.extend(frame::attempts(subject, &targets));
    passing.extend(tls::own_names(subject));
    drop(place);
    let parts = vec![
        Part::new("must be refused", refused),
        Part::new("must pass", passing),
        Part::new("is loaded", integrity::check(subject, &targets)),
    ];
    Ok(Report::new(subject, parts, now))
}

/// Runs `work` on a thread of its own, which may move to another network namespace.
fn apart<T: Send>(work: impl FnOnce() -> Result<T> + Send) -> Result<T> {
    thread::scope(|scope| {
        let result = scope.spawn(work).join();
        result.unwrap_or_else(|_panic| Err(anyhow!("the thread of the attempts panicked")))
    })
}

impl Subject {
    /// The directory of the cgroup in which the policy is in force.
    fn scope(&self) -> Result<PathBuf> {
        let root = crate::sys::cgroup_root()?;
        let scope = match &self.status {
            Some(status) => Some(&status.scope),
            None => self.sources.config.scope.as_ref(),
        };
        Ok(crate::sys::Cgroup::open(&root, scope.unwrap_or(&root))?.path)
    }
}
