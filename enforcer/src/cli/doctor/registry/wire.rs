//! Asking resolvers and servers.

use std::net::IpAddr;
use std::time::Duration;

use hyper::header::{HeaderName, HeaderValue, LOCATION, WWW_AUTHENTICATE};

use super::reply::{Answer as Replied, Reply, Unanswered};
use crate::https::{Client, HttpsError, Request, Response, Url};
use crate::name::Name;
use crate::resolver::answer::Answer;
use crate::resolver::lookup::Lookup;

/// How long one request may take at one address.
const PATIENCE: Duration = Duration::from_secs(15);

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

    /// The answer to `GET url` from the first of `addresses` that gives one. A refusal by this host's kernel is told before anything else.
    pub(super) async fn get(
        &self,
        url: &Url,
        addresses: &[IpAddr],
        headers: &[(HeaderName, HeaderValue)],
    ) -> Replied {
        let mut why = Unanswered::from(HttpsError::NoAddress {
            host: url.host().to_owned(),
        });
        for address in addresses {
            let request = headers
                .iter()
                .fold(Request::get(url.clone()), |request, (name, value)| {
                    request.header(name.clone(), value.clone())
                });
            match self
                .client
                .send(request.within(PATIENCE), &[*address])
                .await
            {
                Ok(response) => return Ok(reply(response)),
                Err(error) if why == Unanswered::Refused => drop(error),
                Err(error) => why = error.into(),
            }
        }
        Err(why)
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
