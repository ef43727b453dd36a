//! The file as written: one struct for each section, nothing filled in.

use std::net::SocketAddr;

use ipnet::IpNet;
use serde::Deserialize;
use toml::Spanned;

use super::value::{
    Absolute, CgroupPath, EndpointName, File, Guid, Nat64, Reason, Region, Regions, RegistryLabel,
    Tag, Text, Unit, WrittenDuration, WrittenLoginServer,
};
use super::{AnswerCheck, Cloud, CredentialKind, DefaultAction, HttpsUrl, Mode, ResourceId, Sni};
use crate::name::Name;

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(super) struct RawConfig {
    #[serde(default)]
    pub(super) mode: Mode,
    pub(super) scope: Option<Text<Absolute>>,
    #[serde(default)]
    pub(super) protect: RawProtect,
    pub(super) registry: Option<Vec<Spanned<RawRegistry>>>,
    #[serde(default)]
    pub(super) exception: Vec<Spanned<RawException>>,
    #[serde(default)]
    pub(super) dns: RawDns,
    pub(super) azure: Option<Spanned<RawAzure>>,
    #[serde(default)]
    pub(super) discovery: RawDiscovery,
    #[serde(default)]
    pub(super) paths: RawPaths,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(super) struct RawProtect {
    pub(super) tags: Option<Spanned<Vec<Text<Tag>>>>,
    #[serde(default)]
    pub(super) cloud: Cloud,
    pub(super) service_tags: Option<Text<File>>,
    pub(super) service_tags_url: Option<Text<HttpsUrl>>,
    pub(super) service_tags_subscription: Option<Text<Guid>>,
    pub(super) service_tags_poll: Option<Spanned<Text<WrittenDuration>>>,
    #[serde(default)]
    pub(super) cidrs: Vec<Spanned<Text<IpNet>>>,
    #[serde(default)]
    pub(super) default: DefaultAction,
    pub(super) max_age: Option<Spanned<Text<WrittenDuration>>>,
    #[serde(default)]
    pub(super) nat64: Vec<Text<Nat64>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(super) struct RawRegistry {
    pub(super) login_server: Option<Spanned<Text<WrittenLoginServer>>>,
    pub(super) registry: Option<Spanned<Text<RegistryLabel>>>,
    pub(super) regions: Option<Spanned<Regions>>,
    #[serde(default)]
    pub(super) data_endpoints: Vec<Spanned<Text<EndpointName>>>,
    pub(super) endpoints_file: Option<Text<File>>,
    pub(super) resource_id: Option<Spanned<Text<ResourceId>>>,
    #[serde(default)]
    pub(super) private_endpoints: Vec<Spanned<Text<IpNet>>>,
    #[serde(default)]
    pub(super) sni: Sni,
}

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(super) struct RawException {
    pub(super) reason: Option<Text<Reason>>,
    pub(super) unit: Option<Text<Unit>>,
    pub(super) cgroup: Option<Text<CgroupPath>>,
    #[serde(default)]
    pub(super) names: Vec<Text<Name>>,
    #[serde(default)]
    pub(super) cidrs: Vec<Spanned<Text<IpNet>>>,
    pub(super) until: Option<Spanned<toml::value::Datetime>>,
    #[serde(default)]
    pub(super) sni: Sni,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(super) struct RawDns {
    #[serde(default)]
    pub(super) servers: Vec<Text<SocketAddr>>,
    pub(super) linger: Option<Spanned<Text<WrittenDuration>>>,
    #[serde(default)]
    pub(super) answer_check: AnswerCheck,
    pub(super) learn: Option<bool>,
}

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(super) struct RawAzure {
    #[serde(default)]
    pub(super) credential: CredentialKind,
    pub(super) tenant_id: Option<Text<Guid>>,
    pub(super) client_id: Option<Text<Guid>>,
    pub(super) client_secret_file: Option<Text<File>>,
    pub(super) client_certificate_file: Option<Text<File>>,
    pub(super) federated_token_file: Option<Text<File>>,
    pub(super) poll: Option<Spanned<Text<WrittenDuration>>>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(super) struct RawDiscovery {
    #[serde(default)]
    pub(super) regions: Vec<Text<Region>>,
    pub(super) interval: Option<Spanned<Text<WrittenDuration>>>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(super) struct RawPaths {
    pub(super) pins: Option<Text<Absolute>>,
    pub(super) state: Option<Text<Absolute>>,
    pub(super) runtime: Option<Text<Absolute>>,
}

/// A file of which only the paths are wanted.
#[derive(Deserialize)]
pub(super) struct RawPathsOnly {
    #[serde(default)]
    pub(super) paths: RawPaths,
}
