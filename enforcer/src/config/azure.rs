//! The sections about Azure's own services: what is asked, as whom, and how often.

use std::fmt;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::faults::Faults;
use super::raw::{RawAzure, RawDiscovery};
use super::validate::bounded;
use super::value::{File, Guid, Region, Text, WrittenDuration};
use crate::name::Name;

/// How seldom Azure is asked at least: beyond that a new replica would be found too late for any use.
const MAX_POLL: Duration = Duration::from_hours(7 * 24);
/// How often Azure is asked at most.
const MIN_POLL: Duration = Duration::from_secs(1);

/// The section `[azure]`: who asks Azure Resource Manager, and how often.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Azure {
    /// Which identity is used.
    pub credential: CredentialKind,
    /// The Entra tenant of a service principal or federated identity, a GUID.
    pub tenant_id: Option<String>,
    /// The application, or the user-assigned managed identity, a GUID.
    pub client_id: Option<String>,
    /// A file with the secret of a service principal.
    pub client_secret_file: Option<PathBuf>,
    /// A PEM file with the certificate and the PKCS#8 key of a service principal.
    pub client_certificate_file: Option<PathBuf>,
    /// A file with the token that a federated identity presents.
    pub federated_token_file: Option<PathBuf>,
    /// How often Resource Manager is asked for a registry.
    pub poll: Duration,
}

/// Which identity asks Azure.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum CredentialKind {
    /// The first of the others, in their order, that this host has.
    #[default]
    Auto,
    /// The managed identity of an Azure virtual machine.
    ManagedIdentity,
    /// The identity of an Azure Arc-enabled server.
    Arc,
    /// Workload identity federation.
    WorkloadIdentity,
    /// A service principal with a secret or a certificate.
    ServicePrincipal,
}

/// The section `[discovery]`: how replicas are looked for in DNS.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Discovery {
    /// Regions besides the known ones, as they stand in endpoint names.
    pub regions: Vec<String>,
    /// How often each region is asked for.
    pub interval: Duration,
}

/// The resource of a registry in Azure Resource Manager.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct ResourceId {
    /// The subscription, a GUID.
    pub subscription: String,
    /// The resource group.
    pub resource_group: String,
    /// The registry's name in it.
    pub name: String,
}

/// An `https://` URL whose host is a name. Its query, which may hold a signature, shows nowhere.
#[derive(Clone, PartialEq, Eq)]
pub struct HttpsUrl {
    pub(super) text: String,
    pub(super) host: Name,
}

impl HttpsUrl {
    /// The whole URL.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Its host.
    pub fn host(&self) -> &Name {
        &self.host
    }
}

impl Default for Azure {
    fn default() -> Self {
        Self {
            credential: CredentialKind::default(),
            tenant_id: None,
            client_id: None,
            client_secret_file: None,
            client_certificate_file: None,
            federated_token_file: None,
            poll: Duration::from_mins(5),
        }
    }
}

impl Default for Discovery {
    fn default() -> Self {
        Self {
            regions: Vec::new(),
            interval: Duration::from_hours(1),
        }
    }
}

impl fmt::Display for ResourceId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            formatter,
            "/subscriptions/{}/resourceGroups/{}/providers/Microsoft.ContainerRegistry/registries/{}",
            self.subscription, self.resource_group, self.name
        )
    }
}

/// Without the query.
impl fmt::Display for HttpsUrl {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(without_secrets(&self.text))
    }
}

impl fmt::Debug for HttpsUrl {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "HttpsUrl({self})")
    }
}

/// What of a text that should be a URL can be shown: neither its query, which may hold a signature, nor user and password.
pub(crate) fn without_secrets(text: &str) -> &str {
    let before_query = text.split(['?', '#']).next().unwrap_or_default();
    match before_query.rsplit_once('@') {
        Some((_user, host)) => host,
        // A password that has one of these, or a signature: nobody can tell.
        None if text.contains('@') => "https://…",
        None => before_query,
    }
}

/// Validates `[azure]`; relative files count from `base`.
pub(super) fn azure(
    raw: Option<toml::Spanned<RawAzure>>,
    base: &Path,
    faults: &mut Faults,
) -> Azure {
    let defaults = Azure::default();
    let Some(raw) = raw else {
        return defaults;
    };
    let at = raw.span();
    let raw = raw.into_inner();
    let file = |file: Option<Text<File>>| file.map(|Text(File(file))| base.join(file));
    let guid = |guid: Option<Text<Guid>>| guid.map(|Text(Guid(guid))| guid);
    let azure = Azure {
        credential: raw.credential,
        tenant_id: guid(raw.tenant_id),
        client_id: guid(raw.client_id),
        client_secret_file: file(raw.client_secret_file),
        client_certificate_file: file(raw.client_certificate_file),
        federated_token_file: file(raw.federated_token_file),
        poll: poll(raw.poll, defaults.poll, faults),
    };
    check_principal(&azure, &at, faults);
    azure
}

/// Adds what a service principal lacks.
fn check_principal(azure: &Azure, at: &Range<usize>, faults: &mut Faults) {
    let (secret, certificate) = (&azure.client_secret_file, &azure.client_certificate_file);
    if secret.is_some() && certificate.is_some() {
        let problem = "client-secret-file and client-certificate-file both stand there; keep one";
        faults.add(at, problem);
    }
    let is_named = azure.credential == CredentialKind::ServicePrincipal;
    let has_file = secret.is_some() || certificate.is_some();
    let is_principal = is_named || has_file;
    if is_principal && azure.tenant_id.is_none() {
        faults.missing(at, "azure.tenant-id", "\"<the tenant's GUID>\"");
    }
    if is_principal && azure.client_id.is_none() {
        faults.missing(at, "azure.client-id", "\"<the application's GUID>\"");
    }
    if is_named && !has_file && !faults.is_left_out("azure.client-secret-file") {
        let example = "\"/etc/egress-enforcer/principal.pem\" (or client-secret-file)";
        faults.missing(at, "azure.client-certificate-file", example);
    }
}

/// Validates `[discovery]`.
pub(super) fn discovery(raw: RawDiscovery, faults: &mut Faults) -> Discovery {
    let defaults = Discovery::default();
    let regions = raw.regions.into_iter();
    Discovery {
        regions: regions.map(|Text(Region(region))| region).collect(),
        interval: poll(raw.interval, defaults.interval, faults),
    }
}

/// A duration between two questions to Azure.
pub(super) fn poll(
    written: Option<toml::Spanned<Text<WrittenDuration>>>,
    default: Duration,
    faults: &mut Faults,
) -> Duration {
    bounded(written, default, MIN_POLL..=MAX_POLL, faults)
}
