//! Settings that decide what is allowed, besides mode, tags, prefixes and names, so that two configurations can be compared.

use std::path::Path;

use jiff::Timestamp;
use ring::digest::{SHA256, digest};
use serde::{Deserialize, Serialize};

use super::{AnswerCheck, Config, Forwarded, FramesMode, HttpsUrl, Sni};
use crate::word_enum::word_enum;

word_enum! {
    /// A setting, by its key in the configuration.
    pub enum SettingKey {
        /// A prefix with IPv4 addresses in it.
        Nat64 => "protect.nat64",
        /// The file with the service tags.
        TagsFile => "protect.service-tags",
        /// Where newer service tags come from.
        TagsUrl => "protect.service-tags-url",
        /// The subscription by which the Discovery API adds protected prefixes.
        TagsSubscription => "protect.service-tags-subscription",
        /// A prefix that names of a registry may lead to.
        PrivateEndpoint => "registry.private-endpoints",
        /// A file with names of a registry.
        EndpointsFile => "registry.endpoints-file",
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

/// Value of `dns.servers` for the resolvers of the system, and of `frames.interfaces` for all devices. No device can have this name.
pub const WITHOUT_LIST: &str = ":default";

/// A setting and its value.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Setting {
    /// [`SettingKey::word`].
    pub key: String,
    /// The registry, exception or element of a list that it is of; empty for what a configuration has once.
    pub subject: String,
    /// The value; elements of a list are separated by spaces.
    pub value: String,
}

impl Config {
    /// Returns the settings at `now`. What is off or absent by default, and exceptions that have ended, are left out.
    pub fn settings(&self, now: Timestamp) -> Vec<Setting> {
        let mut settings = Vec::new();
        let mut add = |key: SettingKey, subject: String, value: String| {
            settings.push(Setting {
                key: key.word().to_owned(),
                subject,
                value,
            });
        };
        self.of_sources(&mut add);
        self.of_registries(&mut add);
        self.of_exceptions(now, &mut add);
        self.of_dns_and_frames(&mut add);
        settings
    }

    fn of_sources(&self, add: &mut impl FnMut(SettingKey, String, String)) {
        let protect = &self.protect;
        for prefix in &protect.nat64 {
            add(SettingKey::Nat64, prefix.to_string(), String::new());
        }
        if let Some(file) = &protect.service_tags {
            add(SettingKey::TagsFile, String::new(), absolute(file));
        }
        if let Some(url) = &protect.service_tags_url {
            add(SettingKey::TagsUrl, String::new(), identity(url));
        }
        if let Some(subscription) = &protect.service_tags_subscription {
            let subscription = subscription.clone();
            add(SettingKey::TagsSubscription, String::new(), subscription);
        }
        for region in &self.discovery.regions {
            add(SettingKey::DiscoveryRegion, region.clone(), String::new());
        }
    }

    fn of_registries(&self, add: &mut impl FnMut(SettingKey, String, String)) {
        for registry in &self.registries {
            let login = registry.login_server.to_string();
            for prefix in &registry.private_endpoints {
                let subject = format!("{login}: {prefix}");
                add(SettingKey::PrivateEndpoint, subject, String::new());
            }
            if let Some(file) = &registry.endpoints_file {
                add(SettingKey::EndpointsFile, login.clone(), absolute(file));
            }
            if let Some(id) = &registry.resource_id {
                add(SettingKey::ResourceId, login.clone(), id.to_string());
            }
            if registry.discover {
                add(SettingKey::Discover, login, String::new());
            }
        }
    }

    fn of_exceptions(&self, now: Timestamp, add: &mut impl FnMut(SettingKey, String, String)) {
        let exceptions = self.exceptions.iter();
        let unchecked = exceptions.filter(|one| one.sni == Sni::Off && one.until > now);
        for exception in unchecked {
            for name in &exception.names {
                let subject = format!("{}: {name}", exception.target);
                add(SettingKey::ExceptionSni, subject, "off".to_owned());
            }
        }
    }

    fn of_dns_and_frames(&self, add: &mut impl FnMut(SettingKey, String, String)) {
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
        if frames.mode == FramesMode::Off {
            return;
        }
        add(SettingKey::Interfaces, one(), list(&frames.interfaces));
        let forwarded = match frames.forwarded {
            Forwarded::Enforce => "enforce",
            Forwarded::Audit => "audit",
            Forwarded::Pass => "pass",
        };
        add(SettingKey::Forwarded, one(), forwarded.to_owned());
        let from = list(&frames.forwarded_from);
        add(SettingKey::ForwardedFrom, one(), from);
    }
}

/// Returns a path as every process names it.
fn absolute(file: &Path) -> String {
    let absolute = std::path::absolute(file);
    absolute
        .unwrap_or_else(|_empty| file.to_owned())
        .display()
        .to_string()
}

/// Returns a URL without its query, which may be a secret, and a digest of the whole.
fn identity(url: &HttpsUrl) -> String {
    let digest = digest(&SHA256, url.as_str().as_bytes());
    let begin: String = digest
        .as_ref()
        .iter()
        .take(4)
        .map(|byte| format!("{byte:02x}"))
        .collect();
    format!("{url} (SHA-256 {begin}…)")
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

    use super::*;

    const EVERYTHING: &str = r#"
[protect]
nat64 = ["2001:db8:64::/96"]
service-tags = "/srv/tags.json"
service-tags-url = "https://mirror.example/tags.json?sig=secret"
service-tags-subscription = "11111111-1111-1111-1111-111111111111"
[azure]
tenant-id = "11111111-1111-1111-1111-111111111111"
client-id = "11111111-1111-1111-1111-111111111111"
client-secret-file = "/etc/secret"
[[registry]]
login-server = "contoso.azurecr.io"
regions = "discover"
endpoints-file = "endpoints.json"
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
        config
            .unwrap_or_else(|error| panic!("{error}"))
            .settings(Timestamp::UNIX_EPOCH)
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
    fn each_name_of_an_exception_and_each_url_is_told_apart() {
        let values = |text: &str, key: SettingKey| -> Vec<String> {
            let all = settings(text).into_iter();
            let found = all.filter(|one| one.key == key.word());
            found.map(|one| one.subject + &one.value).collect()
        };
        let unchecked = values(EVERYTHING, SettingKey::ExceptionSni);
        assert_eq!(unchecked, ["unit a.service: a.blob.core.windows.netoff"]);
        let url = |text: &str| values(text, SettingKey::TagsUrl);
        let other = EVERYTHING.replace("sig=secret", "sig=other");
        assert_ne!(url(EVERYTHING), url(&other));
        let file = values(EVERYTHING, SettingKey::EndpointsFile);
        assert_eq!(file, ["contoso.azurecr.io/etc/endpoints.json"]);
        let ended = EVERYTHING.replace("2099-01-31", "1969-01-31");
        assert_eq!(values(&ended, SettingKey::ExceptionSni), [""; 0]);
    }

    #[test]
    fn no_device_is_called_like_the_default() {
        let text = format!("registry = []\n[frames]\ninterfaces = [{WITHOUT_LIST:?}]\n");
        assert!(super::super::parse(&text, Path::new("/etc/x.toml")).is_err());
    }

    #[test]
    fn defaults_are_few() {
        let settings = settings("registry = []");
        assert_eq!(settings.len(), 7, "{settings:?}");
        assert_eq!(settings[0].value, WITHOUT_LIST);
    }
}
