//! Settings of the credentials: the configuration, and environment variables and paths with which Azure's tools configure identities.

use std::env;
use std::path::PathBuf;

use crate::config;
use crate::https::Url;

/// The directory of the secret files of the Azure Arc agent: a process proves its rights by reading them.
const ARC_TOKENS: &str = "/var/opt/azcmagent/tokens";
/// The instance metadata service (IMDS) of a virtual machine.
const INSTANCE_METADATA: &str = "http://169.254.169.254";

/// Variables and paths of the standard tools of Azure.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Environment {
    /// `IDENTITY_ENDPOINT`: the URL at which the Azure Arc agent issues tokens.
    pub identity_endpoint: Option<String>,
    /// `IMDS_ENDPOINT`: set together with it on Azure Arc.
    pub imds_endpoint: Option<String>,
    /// `AZURE_TENANT_ID`.
    pub tenant_id: Option<String>,
    /// `AZURE_CLIENT_ID`.
    pub client_id: Option<String>,
    /// `AZURE_FEDERATED_TOKEN_FILE`.
    pub federated_token_file: Option<PathBuf>,
    /// `AZURE_AUTHORITY_HOST`, such as `https://login.microsoftonline.com/`.
    pub authority_host: Option<String>,
    /// The directory of the secret files of Azure Arc.
    pub arc_tokens: PathBuf,
    /// Scheme and host of the instance metadata service.
    pub instance_metadata: String,
}

/// Settings shared by all credentials.
#[derive(Debug)]
pub(super) struct CredentialSettings {
    pub(super) azure: config::Azure,
    pub(super) environment: Environment,
    /// The resource that the tokens are for, such as `https://management.azure.com`.
    pub(super) resource: String,
    /// Scheme, host and port of Entra ID.
    pub(super) login: Url,
}

impl Environment {
    /// Reads the environment of this process; empty variables count as missing.
    pub fn of_process() -> Self {
        let text = |name| env::var(name).ok().filter(|value| !value.is_empty());
        Self {
            identity_endpoint: text("IDENTITY_ENDPOINT"),
            imds_endpoint: text("IMDS_ENDPOINT"),
            tenant_id: text("AZURE_TENANT_ID"),
            client_id: text("AZURE_CLIENT_ID"),
            federated_token_file: text("AZURE_FEDERATED_TOKEN_FILE").map(PathBuf::from),
            authority_host: text("AZURE_AUTHORITY_HOST"),
            ..Self::default()
        }
    }
}

impl Default for Environment {
    /// No variables, and the default paths.
    fn default() -> Self {
        Self {
            identity_endpoint: None,
            imds_endpoint: None,
            tenant_id: None,
            client_id: None,
            federated_token_file: None,
            authority_host: None,
            arc_tokens: PathBuf::from(ARC_TOKENS),
            instance_metadata: INSTANCE_METADATA.to_owned(),
        }
    }
}
