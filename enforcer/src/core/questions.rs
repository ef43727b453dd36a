//! The daemon's DNS queries and their outcomes.

use crate::name::Name;
use crate::resolver::answer::Family;
use crate::resolver::answer::{Answer, LookupFailure, Resolved};

/// A due query, by its purpose. Each runs as a separate task, so that no answer waits for another.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Question {
    /// The name is allowed.
    Policy(Name, Family),
    /// The name may be that of a replica: classified by the addresses of both families together.
    Search(Name),
    /// The name matches a pattern, and a program queried it.
    Pattern(Name, Family),
}

/// The outcome of a query.
#[derive(Debug)]
pub(crate) enum Reply {
    /// As [`Question::Policy`].
    Policy(Name, Family, Result<Resolved, LookupFailure>),
    /// As [`Question::Search`].
    Search(Name, Answer),
    /// As [`Question::Pattern`].
    Pattern(Name, Family, Result<Resolved, LookupFailure>),
}

impl Question {
    /// Returns a query per name and family, made by `of`.
    pub(crate) fn for_families(
        due: Vec<(Name, Vec<Family>)>,
        of: impl Fn(Name, Family) -> Self,
    ) -> impl Iterator<Item = Self> {
        due.into_iter().flat_map(move |(name, families)| {
            let questions: Vec<_> = families
                .into_iter()
                .map(|family| of(name.clone(), family))
                .collect();
            questions
        })
    }
}
