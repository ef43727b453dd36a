//! What two policies are compared by, and which side of a difference allows more.

use std::path::Path;

use crate::config::{DefaultAction, FramesMode, Mode, Sni};

/// What a fact is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Kind {
    Mode,
    Default,
    Scope,
    Frames,
    Cloud,
    Tags,
    Tag,
    Prefix,
    Name,
    ServerNames,
    Exception,
}

impl Kind {
    pub(super) const fn word(self) -> &'static str {
        match self {
            Self::Mode => "mode",
            Self::Default => "default",
            Self::Scope => "scope",
            Self::Frames => "frames",
            Self::Cloud => "cloud",
            Self::Tags => "service tags: change number",
            Self::Tag => "tag",
            Self::Prefix => "prefix",
            Self::Name => "name",
            Self::ServerNames => "server names of",
            Self::Exception => "exception",
        }
    }

    /// Whether the change from `old` to `new` allows more. What cannot be told counts as weaker.
    pub(super) fn is_weaker(self, old: Option<&str>, new: Option<&str>) -> bool {
        match self {
            Self::Mode => new != Some(mode(Mode::Enforce)),
            Self::Default => new != Some(default(DefaultAction::Deny)),
            Self::Scope => !is_within(old, new),
            Self::Frames => rank(new) < rank(old),
            // Addresses of the other cloud are no longer protected.
            Self::Cloud => true,
            Self::Tags => number(new) < number(old),
            // What is protected.
            Self::Tag | Self::Prefix => new.is_none(),
            Self::ServerNames => new == Some(server_names(Sni::Off)),
            // What is allowed; the texts of two ends compare as the instants do.
            Self::Name => old.is_none(),
            Self::Exception => new > old,
        }
    }
}

fn number(text: Option<&str>) -> u32 {
    text.and_then(|text| text.parse().ok()).unwrap_or_default()
}

/// Whether the scope `new` governs all that `old` does.
fn is_within(old: Option<&str>, new: Option<&str>) -> bool {
    old.zip(new)
        .is_some_and(|(old, new)| Path::new(old).starts_with(new))
}

fn rank(frames: Option<&str>) -> u8 {
    match frames {
        Some("on") => 2,
        Some("audit") => 1,
        Some(_) | None => 0,
    }
}

pub(super) const fn mode(mode: Mode) -> &'static str {
    match mode {
        Mode::Enforce => "enforce",
        Mode::Audit => "audit",
    }
}

pub(super) const fn default(action: DefaultAction) -> &'static str {
    match action {
        DefaultAction::Allow => "allow",
        DefaultAction::Deny => "deny",
    }
}

pub(super) const fn frames(mode: FramesMode) -> &'static str {
    match mode {
        FramesMode::Off => "off",
        FramesMode::On => "on",
        FramesMode::Audit => "audit",
    }
}

pub(super) const fn server_names(sni: Sni) -> &'static str {
    match sni {
        Sni::Required => "required",
        Sni::Off => "off",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_weaker_side_of_each_kind_is_known() {
        for (kind, old, new, weaker) in [
            (Kind::Mode, Some("audit"), Some("enforce"), false),
            (Kind::Mode, Some("enforce"), Some("audit"), true),
            (Kind::Default, Some("deny"), Some("allow"), true),
            (Kind::Default, Some("allow"), Some("deny"), false),
            (
                Kind::Scope,
                Some("/sys/fs/cgroup/a"),
                Some("/sys/fs/cgroup"),
                false,
            ),
            (
                Kind::Scope,
                Some("/sys/fs/cgroup"),
                Some("/sys/fs/cgroup/a"),
                true,
            ),
            (
                Kind::Scope,
                Some("/sys/fs/cgroup/a"),
                Some("/sys/fs/cgroup/b"),
                true,
            ),
            (Kind::Frames, Some("on"), Some("audit"), true),
            (Kind::Frames, Some("off"), Some("on"), false),
            (Kind::Cloud, Some("public"), Some("china"), true),
            (Kind::Tags, Some("401"), Some("399"), true),
            (Kind::Tags, Some("99"), Some("401"), false),
            (Kind::Tag, Some(""), None, true),
            (Kind::Prefix, None, Some(""), false),
            (Kind::Name, None, Some(""), true),
            (Kind::Name, Some(""), None, false),
            (Kind::ServerNames, Some("required"), Some("off"), true),
            (Kind::ServerNames, Some("off"), Some("required"), false),
            (Kind::ServerNames, None, Some("required"), false),
            (
                Kind::Exception,
                None,
                Some("until 2027-01-31T00:00:00Z"),
                true,
            ),
            (
                Kind::Exception,
                Some("until 2027-01-31T00:00:00Z"),
                Some("until 2027-01-30T00:00:00Z"),
                false,
            ),
            (
                Kind::Exception,
                Some("until 2027-01-31T00:00:00Z"),
                None,
                false,
            ),
        ] {
            assert_eq!(kind.is_weaker(old, new), weaker, "{kind:?} {old:?} {new:?}");
        }
    }
}
