//! Microsoft Entra ID: workload identity federation, and service principals with a secret or a certificate.

use std::path::Path;
use std::time::SystemTime;

use hyper::header::{CONTENT_TYPE, HeaderValue};

use super::environment::CredentialSettings;
use super::token::read;
use super::{CredentialProblem, Token, assertion, secret_file};
use crate::azure::pinned_addresses::{PinnedAddresses, addresses};
use crate::config::Azure;
use crate::https::{Client, Request, Url, encoded};

const FORM: HeaderValue = HeaderValue::from_static("application/x-www-form-urlencoded");
const JWT_BEARER: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";
/// The longest tenant that is accepted: the length of a domain name.
const MAX_TENANT: usize = 253;

/// Whether workload identity federation is configured.
pub(super) fn has_federation(settings: &CredentialSettings) -> bool {
    settings.azure.federated_token_file.is_some()
        || settings.environment.federated_token_file.is_some()
}

/// Whether a service principal is configured.
pub(super) fn has_principal(azure: &Azure) -> bool {
    azure.client_secret_file.is_some() || azure.client_certificate_file.is_some()
}

/// Presents the token that the platform wrote. It is read for each request, as it is valid for at most an hour.
pub(super) async fn federated(
    settings: &CredentialSettings,
    client: &Client,
    pinned: &PinnedAddresses,
) -> Result<Token, CredentialProblem> {
    let (azure, environment) = (&settings.azure, &settings.environment);
    let file = azure
        .federated_token_file
        .as_ref()
        .or(environment.federated_token_file.as_ref())
        .ok_or_else(|| missing("azure.federated-token-file or AZURE_FEDERATED_TOKEN_FILE"))?;
    let id = Identity::of(settings)?;
    check_authority(settings)?;
    let assertion = secret_file::read_shared(file)?;
    let proof = signed(assertion.trim());
    let fix = "check that the application trusts this token (its federated credential: issuer, subject and audience)";
    request_token(settings, client, pinned, &id, &proof, fix).await
}

/// Presents the secret, or an assertion signed with the certificate's key.
pub(super) async fn principal(
    settings: &CredentialSettings,
    client: &Client,
    pinned: &PinnedAddresses,
) -> Result<Token, CredentialProblem> {
    let azure = &settings.azure;
    if !has_principal(azure) {
        return Err(missing(
            "azure.client-secret-file or azure.client-certificate-file",
        ));
    }
    let id = Identity::of(settings)?;
    let (proof, fix) = match (&azure.client_certificate_file, &azure.client_secret_file) {
        (Some(file), _) => (
            certificate(settings, &id, file)?,
            "check that this certificate belongs to the application (az ad app credential list), and this host's clock",
        ),
        (None, Some(file)) => {
            let secret = secret_file::read_own(file)?;
            let proof = format!("client_secret={}", encoded(secret.trim()));
            let fix = "check that the secret in azure.client-secret-file belongs to the application and has not expired";
            (proof, fix)
        }
        (None, None) => return Err(missing("azure.client-secret-file")),
    };
    request_token(settings, client, pinned, &id, &proof, fix).await
}

/// Returns the form fields with the assertion of a certificate.
fn certificate(
    settings: &CredentialSettings,
    id: &Identity,
    file: &Path,
) -> Result<String, CredentialProblem> {
    let pem = secret_file::read_own(file)?;
    let audience = format!("https://{}{}", settings.login.host(), id.path());
    let assertion = assertion::sign(&pem, &id.client, &audience, SystemTime::now());
    assertion
        .map(|assertion| signed(&assertion))
        .map_err(|problem| CredentialProblem::File {
            file: file.to_owned(),
            problem: problem.to_owned(),
        })
}

fn signed(assertion: &str) -> String {
    format!(
        "client_assertion_type={}&client_assertion={}",
        encoded(JWT_BEARER),
        encoded(assertion)
    )
}

/// The application that the token is for.
struct Identity {
    tenant: String,
    client: String,
}

impl Identity {
    fn of(settings: &CredentialSettings) -> Result<Self, CredentialProblem> {
        let (azure, environment) = (&settings.azure, &settings.environment);
        let tenant = azure.tenant_id.as_ref().or(environment.tenant_id.as_ref());
        let client = azure.client_id.as_ref().or(environment.client_id.as_ref());
        let tenant = tenant.ok_or_else(|| missing("azure.tenant-id or AZURE_TENANT_ID"))?;
        let fits = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.');
        if tenant.len() > MAX_TENANT || !tenant.bytes().all(fits) {
            let problem = "AZURE_TENANT_ID is not a tenant; set its GUID";
            return Err(CredentialProblem::NotHere(problem.to_owned()));
        }
        let client = client.ok_or_else(|| missing("azure.client-id or AZURE_CLIENT_ID"))?;
        Ok(Self {
            tenant: tenant.clone(),
            client: client.clone(),
        })
    }

    fn path(&self) -> String {
        format!("/{}/oauth2/v2.0/token", self.tenant)
    }
}

fn missing(what: &str) -> CredentialProblem {
    CredentialProblem::NotHere(format!("not configured on this host; set {what} to use it"))
}

/// Refuses to present a token to a host that does not belong to the cloud.
fn check_authority(settings: &CredentialSettings) -> Result<(), CredentialProblem> {
    let Some(authority) = &settings.environment.authority_host else {
        return Ok(());
    };
    let own = &settings.login;
    let url = authority.parse::<Url>()?;
    if url.host() == own.host() {
        return Ok(());
    }
    Err(CredentialProblem::NotHere(format!(
        "AZURE_AUTHORITY_HOST is {}, but this cloud's tokens come from {}; fix protect.cloud or the variable",
        url.host(),
        own.host()
    )))
}

/// Requests a token from Entra ID with `proof` of the identity.
async fn request_token(
    settings: &CredentialSettings,
    client: &Client,
    pinned: &PinnedAddresses,
    id: &Identity,
    proof: &str,
    fix: &'static str,
) -> Result<Token, CredentialProblem> {
    let url = settings.login.join(&id.path())?;
    let addresses = addresses(&url, pinned).map_err(CredentialProblem::NotResolved)?;
    let body = format!(
        "client_id={}&grant_type=client_credentials&scope={}&{proof}",
        encoded(&id.client),
        encoded(&format!("{}/.default", settings.resource))
    );
    let request = Request::post(url, body).header(CONTENT_TYPE, FORM);
    let response = client.send(request, addresses).await?;
    read(&response, settings.login.host(), fix)
}
