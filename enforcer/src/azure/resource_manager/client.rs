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

/// How long the service tags, some megabytes, may take over a slow line.
pub(super) const TAGS_TIME: Duration = Duration::from_mins(4);
/// How long a question may take, the wait for a token included, which others may be asking for.
pub(super) const WHOLE_TIME: Duration = Duration::from_mins(8);
const _: () = assert!(
    TAGS_TIME.as_secs() < WHOLE_TIME.as_secs() && WHOLE_TIME.as_secs() < LOST_AFTER.as_secs(),
    "a question that counts as lost has ended"
);
const JSON: HeaderValue = HeaderValue::from_static("application/json");

/// Asks Azure as the configured identity. It is for one thread.
#[derive(Debug)]
pub struct AzureClient {
    pub(super) client: Client,
    credential: Credential,
    pub(super) cloud: Cloud,
    pub(super) manager: Url,
}

impl AzureClient {
    /// Asks as `azure` says, and as the process's environment says where `azure` does not.
    pub fn new(azure: &config::Azure, cloud: Cloud) -> Self {
        Self {
            client: Client::new(),
            credential: Credential::new(azure, cloud, Environment::of_process()),
            cloud,
            manager: cloud_url(cloud.manager_host()),
        }
    }

    /// Asks a test's server on `port` as every host, as `azure` and `environment` say.
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

    /// The hosts that `config` has this ask; each has to be in the [`PinnedAddresses`] of a question. Services within the host (the
    /// instance metadata service and the agent of Azure Arc) have no name, and need none.
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

    /// Which identity handed out the last token, for reports.
    pub fn credential(&self) -> &Credential {
        &self.credential
    }

    /// What is at `path_and_query` of Resource Manager.
    pub(super) fn at(&self, path_and_query: &str, target: &FetchTarget) -> Result<Url, FetchError> {
        let url = self.manager.join(path_and_query);
        url.map_err(|error| target.failed(error))
    }

    /// Asks Resource Manager with a token, and takes only a good answer.
    pub(super) async fn ask(
        &self,
        target: &FetchTarget,
        url: Url,
        pinned: &PinnedAddresses,
        bounds: Bounds,
    ) -> Result<Response, FetchError> {
        // Without a way to ask, no token is asked for.
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
        good(target, response, self.credential.chosen())
    }
}

/// What an answer may take.
#[derive(Clone, Copy)]
pub(super) struct Bounds {
    pub(super) bytes: u64,
    pub(super) time: Duration,
}

/// The addresses of the host of `url`.
pub(super) fn resolved<'r>(
    target: &FetchTarget,
    url: &Url,
    pinned: &'r PinnedAddresses,
) -> Result<&'r [IpAddr], FetchError> {
    addresses(url, pinned).map_err(|name| target.failed(FetchProblem::NotResolved(name)))
}

/// What `asked` answers, unless it takes longer than `time`.
pub(super) async fn in_time<T>(
    target: &FetchTarget,
    time: Duration,
    asked: impl Future<Output = Result<T, FetchError>>,
) -> Result<T, FetchError> {
    match tokio::time::timeout(time, asked).await {
        Ok(result) => result,
        Err(_elapsed) => Err(target.failed(FetchProblem::Late(time))),
    }
}

/// `response` when its status is 200; `identity` asked.
pub(super) fn good(
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
