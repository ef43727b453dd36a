//! The hooks that are not attached.

use std::fmt::{Display, Formatter, Result};

use enforcer_common::Hook;
use serde::Serialize;

use super::hook_words;

/// The hooks that are not attached: what they judge passes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct MissingHooks(
    #[serde(serialize_with = "hook_words::serialize")]
    #[cfg_attr(test, schemars(with = "Vec<String>"))]
    Vec<Hook>,
);

impl MissingHooks {
    /// Returns the hooks of a cgroup but those in `attached`.
    pub fn new(attached: &[Hook]) -> Self {
        let is_missing = |hook: &Hook| !attached.contains(hook);
        Self(Hook::CGROUP.into_iter().filter(is_missing).collect())
    }

    /// Whether all hooks are attached.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether `hook` is not attached.
    pub fn contains(&self, hook: Hook) -> bool {
        self.0.contains(&hook)
    }
}

impl Display for MissingHooks {
    fn fmt(&self, formatter: &mut Formatter<'_>) -> Result {
        let words: Vec<&str> = self.0.iter().map(|hook| hook.word()).collect();
        write!(formatter, "not attached: {}", words.join(", "))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_hook_is_attached_or_missing() {
        assert!(MissingHooks::new(&Hook::CGROUP).is_empty());
        let missing = MissingHooks::new(&[Hook::Connect6, Hook::Sendmsg4, Hook::Sendmsg6]);
        assert!(missing.contains(Hook::Egress) && !missing.contains(Hook::Connect6));
        assert_eq!(missing.to_string(), "not attached: egress, connect4");
        let json = serde_json::to_string(&missing).unwrap();
        assert_eq!(json, r#"["egress","connect4"]"#);
    }
}
