//! The verdict on one address, as JSON and as text.

use enforcer_common::Reason;
use serde::Serialize;

/// The verdict on one address.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub(super) struct Evaluation {
    /// "allow" or "deny", as the rule decides.
    pub(super) verdict: &'static str,
    /// The stable word of the reason.
    pub(super) reason: &'static str,
    /// The reason as text.
    pub(super) sentence: &'static str,
    /// Whether the packet passes, which in audit mode it does in any case.
    pub(super) passes: bool,
}

impl Evaluation {
    /// The evaluation of a flow whose verdict follows from `reason`.
    pub(super) fn new(reason: Reason, passes: bool) -> Self {
        Self {
            verdict: if reason.denies() { "deny" } else { "allow" },
            reason: reason.word(),
            sentence: reason.sentence(),
            passes,
        }
    }

    /// The evaluation of a cgroup that is not in the scope.
    pub(super) fn outside() -> Self {
        Self {
            verdict: "allow",
            reason: "out-of-scope",
            sentence: "it runs outside of the scope, so no rule applies to it",
            passes: true,
        }
    }

    /// Whether the rule denies it.
    pub(super) fn is_denied(&self) -> bool {
        self.verdict == "deny"
    }

    /// Returns the verdict as text.
    pub(super) fn text(&self) -> &'static str {
        match (self.is_denied(), self.passes) {
            (true, true) => "would be denied, but audit mode allows it",
            (true, false) => "denied",
            (false, _) => "allowed",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_denial_in_audit_mode_says_that_it_passes() {
        assert_eq!(Evaluation::new(Reason::Storage, false).text(), "denied");
        assert_eq!(
            Evaluation::new(Reason::Storage, true).text(),
            "would be denied, but audit mode allows it"
        );
        assert_eq!(Evaluation::new(Reason::AllowedName, true).text(), "allowed");
    }
}
