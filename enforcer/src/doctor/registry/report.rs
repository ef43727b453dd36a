//! The checks of a registry, each reported as soon as it has run.

use std::io;

use crate::doctor::check::Check;

/// Receives each check when it has run.
type Sink<'a> = dyn FnMut(&Check) -> io::Result<()> + 'a;

/// Collects checks, and passes each to a sink first.
pub(crate) struct Report<'a> {
    checks: Vec<Check>,
    sink: Box<Sink<'a>>,
}

impl<'a> Report<'a> {
    pub(crate) fn new(sink: impl FnMut(&Check) -> io::Result<()> + 'a) -> Self {
        Self {
            checks: Vec::new(),
            sink: Box::new(sink),
        }
    }

    /// Adds a check.
    ///
    /// # Errors
    /// The errors of the sink.
    pub(super) fn add(&mut self, check: Check) -> io::Result<()> {
        (self.sink)(&check)?;
        self.checks.push(check);
        Ok(())
    }

    /// Whether there is a check `id`.
    pub(super) fn contains(&self, id: &str) -> bool {
        self.checks.iter().any(|check| check.id == id)
    }

    /// Returns all checks in order.
    pub(crate) fn into_checks(self) -> Vec<Check> {
        self.checks
    }
}
