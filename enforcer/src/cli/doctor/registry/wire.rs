//! Asking resolvers and servers.

use std::net::IpAddr;
use std::time::Duration;

use hyper::header::{HeaderName, HeaderValue, LOCATION, WWW_AUTHENTICATE};

use super::reply::{Answer as Replied, Reply};
use crate::https::{Client, HttpsError, Request, Response, Url};
use crate::name::Name;
use crate::resolver::answer::Answer;
use crate::resolver::lookup::Lookup;

/// How long one request may take at one address.
const PATIENCE: Duration = Duration::from_secs(15);
/// The most of an answer's body, in bytes: what registries take of a manifest (OCI distribution specification 1.1, "Pushing Manifests").
const MOST_BYTES: u64 = 4 << 20;

/// This host's ways out.
pub(super) struct Wire {
    lookup: Lookup,
    client: Client,
}

impl Wire {
    pub(super) fn new(lookup: Lookup) -> Self {
        Self {
            lookup,
            client: Client::new(),
        }
    }

    /// The answers for each of `names`, all asked at the same time.
    pub(super) async fn resolve(&self, names: Vec<Name>) -> anyhow::Result<Vec<(Name, Answer)>> {
        let asked: Vec<_> = names
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
        for one in asked {
            answers.push(one.await?);
        }
        Ok(answers)
    }

    /// The answer to `GET url` from the first of `addresses` that gives one, or why the most telling of them does not.
    pub(super) async fn get(
        &self,
        url: &Url,
        addresses: &[IpAddr],
        headers: &[(HeaderName, HeaderValue)],
    ) -> Replied {
        let mut why = HttpsError::NoAddress {
            host: url.host().to_owned(),
        };
        for address in addresses {
            let mut request = Request::get(url.clone())
                .within(PATIENCE)
                .at_most(MOST_BYTES);
            for (name, value) in headers {
                request = request.header(name.clone(), value.clone());
            }
            match self.client.send(request, &[*address]).await {
                Ok(response) => return Ok(reply(response)),
                Err(error) => why = more_telling(why, error),
            }
        }
        Err(why.into())
    }
}

/// Which of the errors at two addresses is told: a refusal by this host's kernel before any other, and that this host has no such address
/// family after any other.
fn more_telling(earlier: HttpsError, later: HttpsError) -> HttpsError {
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

fn reply(response: Response) -> Reply {
    let header = |name: HeaderName| response.header(name.as_str()).map(str::to_owned);
    Reply {
        status: response.status().as_u16(),
        challenge: header(WWW_AUTHENTICATE),
        location: header(LOCATION),
        body: response.into_body(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn closed(errno: i32) -> HttpsError {
        HttpsError::Connect {
            host: "contoso.azurecr.io".to_owned(),
            address: "192.0.2.1".parse().unwrap(),
            source: std::io::Error::from_raw_os_error(errno),
        }
    }

    #[test]
    fn the_error_that_tells_most_is_told() {
        for (earlier, later, told) in [
            (libc::EPERM, libc::ETIMEDOUT, libc::EPERM),
            (libc::ETIMEDOUT, libc::EPERM, libc::EPERM),
            (libc::ETIMEDOUT, libc::ENETUNREACH, libc::ETIMEDOUT),
            (libc::ENETUNREACH, libc::ETIMEDOUT, libc::ETIMEDOUT),
            (libc::EPERM, libc::ENETUNREACH, libc::EPERM),
        ] {
            let error = more_telling(closed(earlier), closed(later));
            assert_eq!(error.to_string(), closed(told).to_string());
        }
    }
}
