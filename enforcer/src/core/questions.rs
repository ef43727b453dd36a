//! What the daemon asks its resolvers, and what comes of it.

use crate::name::Name;
use crate::resolver::answer::Family;
use crate::resolver::answer::{Answer, LookupFailure, Resolved};

/// A question that is due, by why it is asked. Each is a task of its own, so that no answer waits for another.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Question {
    /// The name is allowed.
    Policy(Name, Family),
    /// The name may be a replica's: classified by the addresses of both families together.
    Search(Name),
    /// A pattern stands for the name, and somebody asks for it.
    Pattern(Name, Family),
}

/// What came of a question.
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
    /// The questions for `families` of each name, made by `of`.
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
