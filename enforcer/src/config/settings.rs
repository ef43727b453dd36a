//! Settings that decide what is allowed, besides mode, tags, prefixes and names, so that two configurations can be compared.

use serde::{Deserialize, Serialize};

use super::{AnswerCheck, Config, Forwarded, Sni};
use crate::word_enum::word_enum;

word_enum! {
    /// A setting, by its key in the configuration.
    pub enum SettingKey {
        /// A prefix with IPv4 addresses in it.
        Nat64 => "protect.nat64",
        /// Where newer service tags come from.
        TagsUrl => "protect.service-tags-url",
        /// The subscription by which the Discovery API adds protected prefixes.
        TagsSubscription => "protect.service-tags-subscription",
        /// A prefix that names of a registry may lead to.
        PrivateEndpoint => "registry.private-endpoints",
        /// A resource whose replicas add names.
        ResourceId => "registry.resource-id",
        /// Names of replicas are searched for in DNS.
        Discover => "registry.regions = \"discover\"",
        /// A region in which they are searched for.
        DiscoveryRegion => "discovery.regions",
        /// An exception does not check server names.
        ExceptionSni => "exception.sni",
        /// The resolvers that are trusted.
        DnsServers => "dns.servers",
        /// How long an address stays allowed, in seconds.
        Linger => "dns.linger",
        /// What addresses an answer may have.
        AnswerCheck => "dns.answer-check",
        /// Whether answers to other programs allow addresses.
        Learn => "dns.learn",
        /// The network devices that have filters.
        Interfaces => "frames.interfaces",
        /// What happens to frames of other hosts.
        Forwarded => "frames.forwarded",
        /// The devices by which other hosts send.
        ForwardedFrom => "frames.forwarded-from",
    }
}

/// Value of `dns.servers` for the resolvers of the system, and of `frames.interfaces` for all devices.
pub const WITHOUT_LIST: &str = "default";

/// A setting and its value.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Setting {
    /// [`SettingKey::word`].
    pub key: String,
    /// The registry, exception or element of a list that it is of; empty for what a configuration has once.
    pub subject: String,
    /// The value; elements of a list are separated by spaces.
    pub value: String,
}

impl Config {
    /// Returns the settings. What is off or absent by default is left out.
    pub fn settings(&self) -> Vec<Setting> {
        let mut settings = Vec::new();
        let mut add = |key: SettingKey, subject: String, value: String| {
            settings.push(Setting {
                key: key.word().to_owned(),
                subject,
                value,
            });
        };
        self.sources(&mut add);
        self.registries_and_exceptions(&mut add);
        let one = String::new;
        let Self { dns, frames, .. } = self;
        add(SettingKey::DnsServers, one(), list(&dns.servers));
        add(SettingKey::Linger, one(), dns.linger.as_secs().to_string());
        let check = match dns.answer_check {
            AnswerCheck::Known => "known",
            AnswerCheck::Strict => "strict",
        };
        add(SettingKey::AnswerCheck, one(), check.to_owned());
        add(SettingKey::Learn, one(), dns.snoop.to_string());
        add(SettingKey::Interfaces, one(), list(&frames.interfaces));
        let forwarded = match frames.forwarded {
            Forwarded::Enforce => "enforce",
            Forwarded::Audit => "audit",
            Forwarded::Pass => "pass",
        };
        add(SettingKey::Forwarded, one(), forwarded.to_owned());
        let from = list(&frames.forwarded_from);
        add(SettingKey::ForwardedFrom, one(), from);
        settings
    }

    fn sources(&self, add: &mut impl FnMut(SettingKey, String, String)) {
        let protect = &self.protect;
        for prefix in &protect.nat64 {
            add(SettingKey::Nat64, prefix.to_string(), String::new());
        }
        if let Some(url) = &protect.service_tags_url {
            add(SettingKey::TagsUrl, String::new(), url.to_string());
        }
        if let Some(subscription) = &protect.service_tags_subscription {
            let subscription = subscription.clone();
            add(SettingKey::TagsSubscription, String::new(), subscription);
        }
        for region in &self.discovery.regions {
            add(SettingKey::DiscoveryRegion, region.clone(), String::new());
        }
    }

    fn registries_and_exceptions(&self, add: &mut impl FnMut(SettingKey, String, String)) {
        for registry in &self.registries {
            let login = registry.login_server.to_string();
            for prefix in &registry.private_endpoints {
                let subject = format!("{login}: {prefix}");
                add(SettingKey::PrivateEndpoint, subject, String::new());
            }
            if let Some(id) = &registry.resource_id {
                add(SettingKey::ResourceId, login.clone(), id.to_string());
            }
            if registry.discover {
                add(SettingKey::Discover, login, String::new());
            }
        }
        let exceptions = self.exceptions.iter();
        for exception in exceptions.filter(|exception| exception.sni == Sni::Off) {
            let (target, off) = (exception.target.to_string(), "off".to_owned());
            add(SettingKey::ExceptionSni, target, off);
        }
    }
}

fn list<T: ToString>(elements: &[T]) -> String {
    if elements.is_empty() {
        return WITHOUT_LIST.to_owned();
    }
    let mut elements: Vec<String> = elements.iter().map(T::to_string).collect();
    elements.sort_unstable();
    elements.join(" ")
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::path::Path;

    use super::*;

    const EVERYTHING: &str = r#"
[protect]
nat64 = ["2001:db8:64::/96"]
service-tags-url = "https://mirror.example/tags.json?sig=secret"
service-tags-subscription = "11111111-1111-1111-1111-111111111111"
[azure]
tenant-id = "11111111-1111-1111-1111-111111111111"
client-id = "11111111-1111-1111-1111-111111111111"
client-secret-file = "/etc/secret"
[[registry]]
login-server = "contoso.azurecr.io"
regions = "discover"
resource-id = "/subscriptions/11111111-1111-1111-1111-111111111111/resourceGroups/g/providers/Microsoft.ContainerRegistry/registries/contoso"
private-endpoints = ["10.1.0.0/16"]
[discovery]
regions = ["eastus3"]
[[exception]]
reason = "r"
unit = "a.service"
names = ["a.blob.core.windows.net"]
until = 2099-01-31T00:00:00Z
sni = "off"
[dns]
servers = ["10.0.0.54", "10.0.0.53"]
linger = "1h"
answer-check = "strict"
learn = false
[frames]
interfaces = ["eth0"]
forwarded = "pass"
forwarded-from = ["eth1"]
"#;

    fn settings(text: &str) -> Vec<Setting> {
        let config = super::super::parse(text, Path::new("/etc/x.toml"));
        config.unwrap_or_else(|error| panic!("{error}")).settings()
    }

    #[test]
    fn each_key_is_reported_without_secrets() {
        let settings = settings(EVERYTHING);
        let keys: BTreeSet<_> = settings.iter().map(|one| one.key.as_str()).collect();
        let all: BTreeSet<_> = SettingKey::ALL.iter().map(|key| key.word()).collect();
        assert_eq!(keys, all);
        let text = format!("{settings:?}");
        assert!(!text.contains("secret"), "{text}");
        let value = |key: SettingKey| {
            let mut found = settings.iter().filter(|one| one.key == key.word());
            found.next().unwrap().value.clone()
        };
        assert_eq!(value(SettingKey::DnsServers), "10.0.0.53:53 10.0.0.54:53");
        assert_eq!(value(SettingKey::Linger), "3600");
    }

    #[test]
    fn defaults_are_few() {
        let settings = settings("registry = []");
        assert_eq!(settings.len(), 7, "{settings:?}");
        assert_eq!(settings[0].value, WITHOUT_LIST);
    }
}
