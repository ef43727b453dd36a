//! What a run can find.

use std::fmt;

/// A kind of finding.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Something protected passed.
    Leak,
    /// Something allowed did not pass.
    Loss,
    /// Something uses more and more.
    Growth,
}

impl Kind {
    pub(crate) const fn word(self) -> &'static str {
        match self {
            Self::Leak => "leak",
            Self::Loss => "loss",
            Self::Growth => "growth",
        }
    }
}

/// A finding, as an error that ends the run.
#[derive(Debug)]
pub(crate) struct Finding {
    pub(crate) kind: Kind,
    text: String,
}

impl Finding {
    pub(crate) fn leak(text: String) -> anyhow::Error {
        found(Kind::Leak, text)
    }

    pub(crate) fn loss(text: String) -> anyhow::Error {
        found(Kind::Loss, text)
    }

    pub(crate) fn growth(text: String) -> anyhow::Error {
        found(Kind::Growth, text)
    }
}

fn found(kind: Kind, text: String) -> anyhow::Error {
    Finding { kind, text }.into()
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.kind.word(), self.text)
    }
}

impl std::error::Error for Finding {}
