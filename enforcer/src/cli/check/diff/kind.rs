//! What two policies are compared by, and which side of a difference allows more.

use std::path::Path;

use crate::config::{DefaultAction, FramesMode, Mode, SettingKey, Sni, WITHOUT_LIST};

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
    Setting(SettingKey),
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
            Self::Setting(key) => key.word(),
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
            Self::Name => old.is_none() || new == Some(ANY_SERVER_NAME),
            Self::Exception => new > old,
            Self::Setting(key) => is_setting_weaker(key, old, new),
        }
    }
}

/// Value of a name whose addresses are allowed to handshakes for any server.
pub(super) const ANY_SERVER_NAME: &str = "any server name";

/// Whether the change of a setting allows more. What cannot be told counts as weaker.
fn is_setting_weaker(key: SettingKey, old: Option<&str>, new: Option<&str>) -> bool {
    match key {
        // Without filters, these have no effect.
        SettingKey::Interfaces | SettingKey::Forwarded | SettingKey::ForwardedFrom
            if old.is_none() =>
        {
            false
        }
        // Addresses behind a prefix are judged otherwise; which are in use is not known. What a file or URL will say is not, either.
        SettingKey::Nat64
        | SettingKey::ForwardedFrom
        | SettingKey::TagsFile
        | SettingKey::TagsUrl
        | SettingKey::TagsSubscription
        | SettingKey::EndpointsFile => true,
        SettingKey::PrivateEndpoint
        | SettingKey::ResourceId
        | SettingKey::Discover
        | SettingKey::DiscoveryRegion
        | SettingKey::ExceptionSni => new.is_some(),
        SettingKey::DnsServers => new == Some(WITHOUT_LIST) || !is_part_of(new, old),
        SettingKey::Linger => number(new) > number(old),
        SettingKey::AnswerCheck => new != Some("strict"),
        SettingKey::Learn => new != Some("false"),
        SettingKey::Interfaces => new != Some(WITHOUT_LIST) && !is_part_of(old, new),
        SettingKey::Forwarded => forwarding(new) > forwarding(old),
    }
}

/// Whether each element of the list `part` is in the list `whole`.
fn is_part_of(part: Option<&str>, whole: Option<&str>) -> bool {
    let mut part = part.unwrap_or_default().split(' ');
    part.all(|one| {
        whole
            .unwrap_or_default()
            .split(' ')
            .any(|other| one == other)
    })
}

/// How much a value of `frames.forwarded` lets pass.
fn forwarding(word: Option<&str>) -> u8 {
    match word {
        Some("enforce") => 0,
        Some("audit") => 1,
        Some(_) | None => 2,
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
            (Kind::Name, Some(""), Some(ANY_SERVER_NAME), true),
            (Kind::Name, Some(ANY_SERVER_NAME), Some(""), false),
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

    #[test]
    fn the_weaker_side_of_each_setting_is_known() {
        use SettingKey as Key;
        for (key, old, new, weaker) in [
            (Key::Nat64, None, Some(""), true),
            (Key::Nat64, Some(""), None, true),
            (Key::TagsUrl, None, Some("https://a/t"), true),
            (Key::TagsUrl, Some("https://a/t"), None, true),
            (Key::TagsFile, Some("/a"), Some("/b"), true),
            (Key::EndpointsFile, Some("/a"), None, true),
            (Key::TagsSubscription, Some("1"), Some("2"), true),
            (Key::PrivateEndpoint, None, Some(""), true),
            (Key::ResourceId, Some("/a"), Some("/b"), true),
            (Key::Discover, Some(""), None, false),
            (Key::DiscoveryRegion, None, Some(""), true),
            (Key::ExceptionSni, None, Some("off"), true),
            (Key::ExceptionSni, Some("off"), None, false),
            (Key::DnsServers, Some("a b"), Some("b"), false),
            (Key::DnsServers, Some("a"), Some("a b"), true),
            (Key::DnsServers, Some(WITHOUT_LIST), Some("a"), true),
            (Key::DnsServers, Some("a"), Some(WITHOUT_LIST), true),
            (Key::Linger, Some("90"), Some("900"), true),
            (Key::Linger, Some("900"), Some("90"), false),
            (Key::AnswerCheck, Some("strict"), Some("known"), true),
            (Key::AnswerCheck, Some("known"), Some("strict"), false),
            (Key::Learn, Some("false"), Some("true"), true),
            (Key::Interfaces, Some("eth0"), Some("eth0 eth1"), false),
            (Key::Interfaces, Some("eth0 eth1"), Some("eth0"), true),
            (Key::Interfaces, Some(WITHOUT_LIST), Some("eth0"), true),
            (Key::Interfaces, Some("eth0"), Some(WITHOUT_LIST), false),
            (Key::Forwarded, Some("enforce"), Some("audit"), true),
            (Key::Forwarded, Some("pass"), Some("audit"), false),
            (Key::ForwardedFrom, Some(WITHOUT_LIST), Some("eth1"), true),
            (Key::Forwarded, None, Some("audit"), false),
            (Key::Interfaces, None, Some("eth0"), false),
        ] {
            let found = Kind::Setting(key).is_weaker(old, new);
            assert_eq!(found, weaker, "{key:?} {old:?} {new:?}");
        }
    }
}
