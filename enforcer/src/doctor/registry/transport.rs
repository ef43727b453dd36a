//! DNS queries and HTTPS requests to the registry.

use std::net::IpAddr;
use std::time::Duration;

use hyper::header::{HeaderName, HeaderValue, LOCATION, WWW_AUTHENTICATE};

use super::response::{RegistryResponse, RegistryResult};
use crate::https::{Client, HttpsError, Request, Response, Url};
use crate::name::Name;
use crate::resolver::answer::Answer;
use crate::resolver::lookup::Lookup;

/// Time limit of one request to one address.
const TIMEOUT: Duration = Duration::from_secs(15);
/// Maximum length of a response body, in bytes: the size of a manifest that registries must accept (OCI distribution specification 1.1, "Pushing Manifests").
const MAX_BODY: u64 = 4 << 20;

/// Resolves names and sends requests from this host.
pub(super) struct RegistryClient {
    lookup: Lookup,
    client: Client,
}

impl RegistryClient {
    pub(super) fn new(lookup: Lookup) -> Self {
        Self {
            lookup,
            client: Client::new(),
        }
    }

    /// Resolves all `names` in parallel.
    pub(super) async fn resolve(&self, names: Vec<Name>) -> anyhow::Result<Vec<(Name, Answer)>> {
        let lookups: Vec<_> = names
            .into_iter()
            .map(|name| {
                let lookup = self.lookup.clone();
                tokio::spawn(async move {
                    let answer = lookup.resolve(&name).await;
                    (name, answer)
                })
            })
            .collect();
        let mut answers = Vec::new();
        for lookup in lookups {
            answers.push(lookup.await?);
        }
        Ok(answers)
    }

    /// Sends `GET url` to the `addresses` in order, and returns the first response or else the most specific error.
    pub(super) async fn get(
        &self,
        url: &Url,
        addresses: &[IpAddr],
        headers: &[(HeaderName, HeaderValue)],
    ) -> RegistryResult {
        let mut failure = HttpsError::NoAddress {
            host: url.host().to_owned(),
        };
        for address in addresses {
            let mut request = Request::get(url.clone()).within(TIMEOUT).at_most(MAX_BODY);
            for (name, value) in headers {
                request = request.header(name.clone(), value.clone());
            }
            match self.client.send(request, &[*address]).await {
                Ok(response) => return Ok(registry_response(response)),
                Err(error) => failure = more_specific(failure, error),
            }
        }
        Err(failure.into())
    }
}

/// Returns the more specific of two errors: a refusal by this host's kernel before any other, and a missing address family last.
fn more_specific(earlier: HttpsError, later: HttpsError) -> HttpsError {
    let rank = |error: &HttpsError| match error {
        HttpsError::NoAddress { .. } => 0,
        HttpsError::Connect { source, .. } => match source.raw_os_error() {
            Some(libc::ENETUNREACH | libc::EADDRNOTAVAIL) => 1,
            Some(libc::EPERM) => 3,
            Some(_) | None => 2,
        },
        HttpsError::Roots { .. }
        | HttpsError::Certificate { .. }
        | HttpsError::Tls { .. }
        | HttpsError::Timeout { .. }
        | HttpsError::TooLarge { .. }
        | HttpsError::Truncated { .. }
        | HttpsError::NotHttp { .. } => 2,
    };
    if rank(&later) >= rank(&earlier) {
        later
    } else {
        earlier
    }
}

fn registry_response(response: Response) -> RegistryResponse {
    let header = |name: HeaderName| response.header(name.as_str()).map(str::to_owned);
    RegistryResponse {
        status: response.status().as_u16(),
        challenge: header(WWW_AUTHENTICATE),
        location: header(LOCATION),
        body: response.into_body(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn connect_error(errno: i32) -> HttpsError {
        HttpsError::Connect {
            host: "contoso.azurecr.io".to_owned(),
            address: "192.0.2.1".parse().unwrap(),
            source: std::io::Error::from_raw_os_error(errno),
        }
    }

    #[test]
    fn the_most_specific_error_is_reported() {
        for (earlier, later, reported) in [
            (libc::EPERM, libc::ETIMEDOUT, libc::EPERM),
            (libc::ETIMEDOUT, libc::EPERM, libc::EPERM),
            (libc::ETIMEDOUT, libc::ENETUNREACH, libc::ETIMEDOUT),
            (libc::ENETUNREACH, libc::ETIMEDOUT, libc::ETIMEDOUT),
            (libc::EPERM, libc::ENETUNREACH, libc::EPERM),
        ] {
            let error = more_specific(connect_error(earlier), connect_error(later));
            assert_eq!(error.to_string(), connect_error(reported).to_string());
        }
    }
}
