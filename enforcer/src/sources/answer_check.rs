//! Compares the addresses of DNS answers with the service tags.

use std::net::IpAddr;

use enforcer_common::layout::NameEntry;
use ipnet::IpNet;

use super::Sources;
use crate::azure::PrefixSet;
use crate::config::{AnswerCheck, REGISTRY_TAG, STORAGE_TAG};
use crate::name::Name;
use crate::policy::effective_address;
use crate::resolver::answer::{AnswerVerdict, plausible};

/// The kind of service that a name belongs to, which determines the tag of its addresses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum ServiceKind {
    Registry,
    Storage,
    Elsewhere,
}

impl Sources {
    /// Returns whether `name` may resolve to `address`.
    pub(crate) fn check_answer(&self, name: &Name, address: IpAddr) -> AnswerVerdict {
        let effective = self.effective_address(address);
        if !plausible(address) || !plausible(effective) {
            return refuse("no service can have this address");
        }
        let address = effective;
        if self.is_private_endpoint(name, address) {
            return AnswerVerdict::Accept;
        }
        match self.service_kind(name) {
            ServiceKind::Registry => self.check_tag(REGISTRY_TAG, address),
            ServiceKind::Storage => self.check_tag(STORAGE_TAG, address),
            ServiceKind::Elsewhere => self.check_elsewhere(address),
        }
    }

    /// Returns the tag that the addresses of `name` may be in, as flags of [`NameEntry`].
    pub(crate) fn home_flags(&self, name: &Name) -> u32 {
        match self.service_kind(name) {
            ServiceKind::Registry => NameEntry::IN_REGISTRY_TAG,
            ServiceKind::Storage => NameEntry::IN_STORAGE_TAG,
            ServiceKind::Elsewhere => 0,
        }
    }

    /// Returns the address that the policy evaluates for `address`, which may embed an IPv4 address.
    pub(crate) fn effective_address(&self, address: IpAddr) -> IpAddr {
        effective_address(address, &self.config.protect.nat64)
    }

    /// Returns whether `address` is in `protect.cidrs`.
    pub(crate) fn is_in_cidrs(&self, address: IpAddr) -> bool {
        let mut cidrs = self.config.protect.cidrs.iter();
        cidrs.any(|prefix| prefix.contains(&address))
    }

    /// Returns whether `address` is protected: only a name or an exception can allow it.
    pub(crate) fn is_protected(&self, address: IpAddr) -> bool {
        self.tag_of(address).is_some() || self.is_in_cidrs(address)
    }

    fn check_tag(&self, expected: &str, address: IpAddr) -> AnswerVerdict {
        if self.is_in_tag(expected, address) {
            return AnswerVerdict::Accept;
        }
        if let Some(other) = self.tag_of(address) {
            return refuse(format!(
                "it lies in {other}, where this name has no address: a wrong or forged answer"
            ));
        }
        if self.is_in_cidrs(address) {
            return refuse(
                "it lies in protect.cidrs and in no private-endpoints: a wrong or forged answer",
            );
        }
        match self.config.dns.answer_check {
            AnswerCheck::Known => AnswerVerdict::AcceptUntagged,
            AnswerCheck::Strict => refuse(format!(
                "it is not in {expected}, and dns.answer-check is strict"
            )),
        }
    }

    /// Checks a name outside Azure's zones: its address may be anywhere except in a protected tag.
    fn check_elsewhere(&self, address: IpAddr) -> AnswerVerdict {
        match self.tag_of(address) {
            Some(tag) => refuse(format!(
                "it lies in {tag}, and the name in no zone of that service: a wrong or forged answer, or write the account's own name"
            )),
            None => AnswerVerdict::Accept,
        }
    }

    /// Returns the loaded service tag that contains `address`.
    pub(crate) fn tag_of(&self, address: IpAddr) -> Option<&str> {
        let address = self.effective_address(address);
        let mut tags = self.tags.families.keys();
        tags.find(|tag| self.is_in_tag(tag, address))
            .map(String::as_str)
    }

    fn is_in_tag(&self, tag: &str, address: IpAddr) -> bool {
        self.tags
            .families
            .get(tag)
            .is_some_and(|prefixes: &PrefixSet| prefixes.contains(address))
    }

    fn is_private_endpoint(&self, name: &Name, address: IpAddr) -> bool {
        let pairs = self.config.registries.iter().zip(&self.endpoints);
        let mut matching =
            pairs.filter(|(_, names)| names.iter().any(|endpoint| endpoint.name == *name));
        matching.any(|(registry, _)| {
            registry
                .private_endpoints
                .iter()
                .any(|net: &IpNet| net.contains(&address))
        })
    }

    fn service_kind(&self, name: &Name) -> ServiceKind {
        let cloud = self.config.protect.cloud;
        let mut registries = self.config.registries.iter();
        let is_custom_domain = registries.any(|each| each.custom_domain.as_ref() == Some(name));
        if name.is_within(cloud.registry_suffix()) || is_custom_domain {
            return ServiceKind::Registry;
        }
        if cloud.is_storage(name) {
            return ServiceKind::Storage;
        }
        ServiceKind::Elsewhere
    }
}

fn refuse(why: impl Into<std::borrow::Cow<'static, str>>) -> AnswerVerdict {
    AnswerVerdict::Refuse(why.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    const CONFIG: &str = r#"
        [protect]
        cidrs = ["52.0.0.0/8"]
        [[registry]]
        login-server = "contoso.azurecr.io"
        private-endpoints = ["10.1.0.0/24", "52.9.0.0/16"]
        [[registry]]
        login-server = "other.azurecr.io"
    "#;

    fn sources(extra: &str) -> Sources {
        Sources::of_text(&format!("{CONFIG}\n{extra}"))
    }

    /// Returns whether the answer is accepted as tagged, accepted as untagged, or refused.
    fn outcome(sources: &Sources, name: &str, address: &str) -> &'static str {
        match sources.check_answer(&name.parse().unwrap(), address.parse().unwrap()) {
            AnswerVerdict::Accept => "accepted",
            AnswerVerdict::AcceptUntagged => "untagged",
            AnswerVerdict::Refuse(_) => "refused",
        }
    }

    /// Addresses from public documents: a front end in East US and a storage stamp.
    const FRONT_END: &str = "20.42.66.0";
    const STORAGE: &str = "52.239.169.228";

    #[test]
    fn a_registry_name_resolves_only_to_registry_addresses() {
        let sources = sources("");
        assert_eq!(
            outcome(&sources, "contoso.azurecr.io", FRONT_END),
            "accepted"
        );
        assert_eq!(outcome(&sources, "contoso.azurecr.io", STORAGE), "refused");
        assert_eq!(
            outcome(&sources, "contoso.azurecr.io", "8.8.8.8"),
            "untagged"
        );
        assert_eq!(
            outcome(&sources, "contoso.azurecr.io", "127.0.0.1"),
            "refused"
        );
        assert_eq!(
            outcome(&sources, "contoso.azurecr.io", "52.1.2.3"),
            "refused"
        );
    }

    #[test]
    fn an_ipv6_answer_does_not_allow_an_embedded_storage_address() {
        let sources = sources("");
        for carrier in [
            "::ffff:52.239.169.228",
            "64:ff9b::52.239.169.228",
            "64:ff9b:1::52.239.169.228",
        ] {
            assert_eq!(
                outcome(&sources, "contoso.azurecr.io", carrier),
                "refused",
                "{carrier}"
            );
        }
        assert_eq!(
            outcome(&sources, "contoso.azurecr.io", "64:ff9b::20.42.66.0"),
            "accepted"
        );
    }

    #[test]
    fn a_private_endpoint_is_valid_only_for_its_registry() {
        let sources = sources("");
        assert_eq!(
            outcome(&sources, "contoso.azurecr.io", "10.1.0.4"),
            "accepted"
        );
        assert_eq!(
            outcome(&sources, "contoso.azurecr.io", "52.9.0.1"),
            "accepted"
        );
        assert_eq!(outcome(&sources, "other.azurecr.io", "52.9.0.1"), "refused");
        assert_eq!(
            outcome(&sources, "other.azurecr.io", "10.1.0.4"),
            "untagged"
        );
    }

    #[test]
    fn strict_refuses_untagged_addresses() {
        let sources = sources("[dns]\nanswer-check = \"strict\"");
        assert_eq!(
            outcome(&sources, "contoso.azurecr.io", FRONT_END),
            "accepted"
        );
        assert_eq!(
            outcome(&sources, "contoso.azurecr.io", "8.8.8.8"),
            "refused"
        );
        assert_eq!(
            outcome(&sources, "contoso.azurecr.io", "10.1.0.4"),
            "accepted"
        );
    }

    #[test]
    fn a_custom_domain_resolves_only_to_registry_addresses() {
        let registry =
            "[[registry]]\nlogin-server = \"registry.contoso.com\"\nregistry = \"fabrikam\"";
        let sources = sources(registry);
        let outcome = |name, address| outcome(&sources, name, address);
        for name in ["registry.contoso.com", "fabrikam.azurecr.io"] {
            assert_eq!(outcome(name, FRONT_END), "accepted");
            assert_eq!(outcome(name, STORAGE), "refused");
            assert_eq!(outcome(name, "::ffff:52.239.169.228"), "refused");
            assert_eq!(outcome(name, "52.1.2.3"), "refused");
        }
        assert_eq!(outcome("other.contoso.com", FRONT_END), "refused");
        assert_eq!(outcome("x.registry.contoso.com", FRONT_END), "refused");
        let name = "registry.contoso.com".parse().unwrap();
        assert_eq!(sources.home_flags(&name), NameEntry::IN_REGISTRY_TAG);
    }

    #[test]
    fn a_storage_account_resolves_only_to_storage_addresses() {
        let sources = sources("");
        assert_eq!(
            outcome(&sources, "logs.blob.core.windows.net", STORAGE),
            "accepted"
        );
        assert_eq!(
            outcome(&sources, "logs.blob.core.windows.net", FRONT_END),
            "refused"
        );
        let in_zone = "logs.z12.blob.storage.azure.net";
        assert_eq!(outcome(&sources, in_zone, STORAGE), "accepted");
        assert_eq!(outcome(&sources, in_zone, FRONT_END), "refused");
        assert_eq!(outcome(&sources, "evil-azurecr.io", FRONT_END), "refused");
        assert_eq!(outcome(&sources, "updates.example.com", STORAGE), "refused");
        assert_eq!(
            outcome(&sources, "updates.example.com", "8.8.8.8"),
            "accepted"
        );
    }
}
