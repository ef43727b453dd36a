//! The managed identity of an Azure virtual machine, from its instance metadata service (IMDS).

use std::time::Duration;

use hyper::header::HeaderName;
use hyper::header::HeaderValue;

use super::environment::CredentialSettings;
use super::token::read;
use super::{CredentialProblem, Token};
use crate::https::{Client, Request, Url, encoded};

/// Timeout of the request when the host may not be a virtual machine of Azure.
const PROBE: Duration = Duration::from_millis(1500);
/// The header that services within the host require, as neither redirects nor HTML forms can set it.
pub(super) const METADATA: HeaderName = HeaderName::from_static("metadata");
pub(super) const TRUE: HeaderValue = HeaderValue::from_static("true");

/// Requests a token from the instance metadata service; `is_probe` when it may not exist.
pub(super) async fn token(
    settings: &CredentialSettings,
    client: &Client,
    is_probe: bool,
) -> Result<Token, CredentialProblem> {
    let client_id = match &settings.azure.client_id {
        // The client ID of a service principal is not one of a managed identity.
        Some(id) if !super::entra::has_principal(&settings.azure) => format!("&client_id={id}"),
        _ => String::new(),
    };
    let url: Url = format!(
        "{}/metadata/identity/oauth2/token?api-version=2018-02-01&resource={}{client_id}",
        settings.environment.instance_metadata,
        encoded(&format!("{}/", settings.resource))
    )
    .parse()?;
    let mut request = Request::get(url).header(METADATA, TRUE);
    if is_probe {
        request = request.within(PROBE);
    }
    let response = client.send(request, &[]).await?;
    let fix = "give the virtual machine a managed identity (az vm identity assign), and where it has \
                several, name one in azure.client-id";
    read(&response, "the instance metadata service", fix)
}
