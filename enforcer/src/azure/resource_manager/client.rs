//! Requests to Azure as the configured identity.

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::time::{Duration, SystemTime};

use hyper::StatusCode;
use hyper::header::{ACCEPT, AUTHORIZATION, HeaderValue};

use super::error::{FetchError, FetchProblem, FetchTarget};
use crate::azure::identity::{Credential, Environment, cloud_url};
use crate::azure::pinned_addresses::{PinnedAddresses, addresses};
use crate::azure::poll_schedule::LOST_AFTER;
use crate::config::{self, Cloud, Config, CredentialKind, Registry};
use crate::https::{Client, Request, Response, Url};
use crate::name::Name;

/// Timeout for fetching service tags, which are some megabytes, over a slow link.
pub(super) const TAGS_TIME: Duration = Duration::from_mins(4);
/// Timeout of a fetch as a whole, including the wait for a token that another fetch may be requesting.
pub(super) const WHOLE_TIME: Duration = Duration::from_mins(8);
const _: () = assert!(
    TAGS_TIME.as_secs() < WHOLE_TIME.as_secs() && WHOLE_TIME.as_secs() < LOST_AFTER.as_secs(),
    "a fetch ends before its poll counts as lost"
);
const JSON: HeaderValue = HeaderValue::from_static("application/json");

/// A client of Azure with the configured identity, for one thread.
#[derive(Debug)]
pub struct AzureClient {
    pub(super) client: Client,
    credential: Credential,
    pub(super) cloud: Cloud,
    pub(super) manager: Url,
}

impl AzureClient {
    /// Creates a client that `azure` configures; the environment of the process supplies missing values.
    pub fn new(azure: &config::Azure, cloud: Cloud) -> Self {
        Self {
            client: Client::new(),
            credential: Credential::new(azure, cloud, Environment::of_process()),
            cloud,
            manager: cloud_url(cloud.manager_host()),
        }
    }

    /// Creates a client of a test's server on `port`, which serves every host.
    #[cfg(test)]
    pub(in crate::azure) fn on(
        client: Client,
        port: u16,
        azure: &config::Azure,
        environment: Environment,
    ) -> Self {
        let at = |host: &str| format!("https://{host}:{port}/").parse().unwrap();
        let cloud = Cloud::Public;
        Self {
            client,
            credential: Credential::at(azure, cloud, environment, at(cloud.login_host())),
            cloud,
            manager: at(cloud.manager_host()),
        }
    }

    /// Returns the hosts that `config` requires; each must be in the [`PinnedAddresses`] of a fetch. Services within the host (the instance
    /// metadata service and the Azure Arc agent) have no name.
    pub fn hosts(&self, config: &Config) -> BTreeSet<Name> {
        let mut hosts = BTreeSet::new();
        let has_resource = |registry: &Registry| registry.resource_id.is_some();
        if config.registries.iter().any(has_resource)
            || config.protect.service_tags_subscription.is_some()
        {
            hosts.extend(self.manager.name().cloned());
            if self.credential.needs_login_host() {
                hosts.extend(cloud_url(self.cloud.login_host()).name().cloned());
            }
        }
        let url = config.protect.service_tags_url.as_ref();
        hosts.extend(url.map(|url| url.host().clone()));
        hosts
    }

    /// The credential, which reports the identity of the last token.
    pub fn credential(&self) -> &Credential {
        &self.credential
    }

    /// Returns the URL of `path_and_query` at Resource Manager.
    pub(super) fn at(&self, path_and_query: &str, target: &FetchTarget) -> Result<Url, FetchError> {
        let url = self.manager.join(path_and_query);
        url.map_err(|error| target.failed(error))
    }

    /// Sends a request with a token to Resource Manager. Any status but 200 is an error.
    pub(super) async fn request(
        &self,
        target: &FetchTarget,
        url: Url,
        pinned: &PinnedAddresses,
        bounds: Bounds,
    ) -> Result<Response, FetchError> {
        // Without an address, no token is requested.
        let addresses = resolved(target, &url, pinned)?;
        let token = self.credential.token(&self.client, pinned).await;
        let token = token.map_err(|error| target.failed(error))?;
        let request = Request::get(url)
            .at_most(bounds.bytes)
            .within(bounds.time)
            .header(ACCEPT, JSON)
            .header(AUTHORIZATION, token.header());
        let response = self.client.send(request, addresses).await;
        let response = response.map_err(|error| target.failed(error))?;
        if response.status() == StatusCode::UNAUTHORIZED {
            self.credential.forget_token();
        }
        require_ok(target, response, self.credential.chosen())
    }
}

/// Limits of an answer.
#[derive(Clone, Copy)]
pub(super) struct Bounds {
    pub(super) bytes: u64,
    pub(super) time: Duration,
}

/// Returns the addresses of the host of `url`.
pub(super) fn resolved<'r>(
    target: &FetchTarget,
    url: &Url,
    pinned: &'r PinnedAddresses,
) -> Result<&'r [IpAddr], FetchError> {
    addresses(url, pinned).map_err(|name| target.failed(FetchProblem::NotResolved(name)))
}

/// Awaits `fetch` for at most `time`.
pub(super) async fn in_time<T>(
    target: &FetchTarget,
    time: Duration,
    fetch: impl Future<Output = Result<T, FetchError>>,
) -> Result<T, FetchError> {
    match tokio::time::timeout(time, fetch).await {
        Ok(result) => result,
        Err(_elapsed) => Err(target.failed(FetchProblem::Late(time))),
    }
}

/// Returns `response` when its status is 200; `identity` sent the request.
pub(super) fn require_ok(
    target: &FetchTarget,
    response: Response,
    identity: Option<CredentialKind>,
) -> Result<Response, FetchError> {
    if response.status() == StatusCode::OK {
        return Ok(response);
    }
    Err(target.failed(FetchProblem::Refused {
        status: response.status(),
        identity,
        retry_after: response.retry_after(SystemTime::now()),
    }))
}
