//! The section `[azure]`.

use std::ops::Range;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::faults::Faults;
use super::value::{DurationKey, File, Guid, Located, Text, poll_interval};

/// The section `[azure]`: queries to Azure Resource Manager.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Azure {
    /// The identity that is used.
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
    /// Interval between two queries for one registry.
    pub poll: Duration,
}

/// The identity that queries Azure.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub enum CredentialKind {
    /// The first of the others, in their order here, that this host has.
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

/// Queries to Azure Resource Manager. None are made unless `resource-id` or `service-tags-subscription` is set.
#[derive(Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(super) struct RawAzure {
    /// The identity that queries Azure.
    #[serde(default)]
    #[cfg_attr(test, schemars(example = &"managed-identity"))]
    credential: CredentialKind,
    /// The Entra tenant of a service principal or a federated identity.
    ///
    /// Default: the environment variable AZURE_TENANT_ID.
    #[cfg_attr(test, schemars(example = &"00000000-0000-0000-0000-000000000000"))]
    tenant_id: Option<Text<Guid>>,
    /// The application, or the user-assigned managed identity.
    ///
    /// Default: the environment variable AZURE_CLIENT_ID, or the system-assigned identity.
    #[cfg_attr(test, schemars(example = &"00000000-0000-0000-0000-000000000000"))]
    client_id: Option<Text<Guid>>,
    /// The secret of a service principal. The file must be owned by root, mode 0600 or 0640.
    ///
    /// Default: none.
    #[cfg_attr(test, schemars(example = &"principal.secret"))]
    client_secret_file: Option<Text<File>>,
    /// The certificate of a service principal and its unencrypted RSA key (PKCS#8, 2048 to 4096 bits), as PEM. The file must be owned by
    /// root, mode 0600 or 0640.
    ///
    /// Default: none.
    #[cfg_attr(test, schemars(example = &"principal.pem"))]
    client_certificate_file: Option<Text<File>>,
    /// The token that a federated identity presents; the file is read each time the token is needed.
    ///
    /// Default: the environment variable AZURE_FEDERATED_TOKEN_FILE.
    #[cfg_attr(
        test,
        schemars(example = &"/var/run/secrets/azure/tokens/azure-identity-token")
    )]
    federated_token_file: Option<Text<File>>,
    /// Interval between two queries for one registry: 1 second to 7 days.
    #[cfg_attr(test, schemars(example = &"1m", extend("default" = "5m")))]
    poll: DurationKey,
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

impl RawAzure {
    /// Validates the section; relative files are relative to `base`.
    pub(super) fn validate(
        section: Option<Located<Self>>,
        base: &Path,
        faults: &mut Faults,
    ) -> Azure {
        let defaults = Azure::default();
        let Some(section) = section else {
            return defaults;
        };
        let at = section.span();
        let raw = section.into_inner();
        let file = |file: Option<Text<File>>| file.map(|Text(File(file))| base.join(file));
        let guid = |guid: Option<Text<Guid>>| guid.map(|Text(Guid(guid))| guid);
        let azure = Azure {
            credential: raw.credential,
            tenant_id: guid(raw.tenant_id),
            client_id: guid(raw.client_id),
            client_secret_file: file(raw.client_secret_file),
            client_certificate_file: file(raw.client_certificate_file),
            federated_token_file: file(raw.federated_token_file),
            poll: poll_interval(raw.poll, defaults.poll, faults),
        };
        check_principal(&azure, &at, faults);
        azure
    }
}

/// Adds the keys that a service principal lacks.
fn check_principal(azure: &Azure, at: &Range<usize>, faults: &mut Faults) {
    let (secret, certificate) = (&azure.client_secret_file, &azure.client_certificate_file);
    if secret.is_some() && certificate.is_some() {
        let problem = "client-secret-file and client-certificate-file are both set; keep one";
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
    if is_named && !has_file && !faults.is_skipped("azure.client-secret-file") {
        let example = &"\"/etc/egress-enforcer/principal.pem\" (or client-secret-file)";
        faults.missing(at, "azure.client-certificate-file", example);
    }
}
