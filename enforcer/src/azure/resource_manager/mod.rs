//! What Azure itself tells of a registry's names and of service tags, asked over HTTPS.
//!
//! Azure Resource Manager: `Registries - Get` of `Microsoft.ContainerRegistry`, and `Service Tags - List` of `Microsoft.Network`.
//! Nothing here resolves names or keeps what it fetched; a failure is one line and leaves everything as it is.

mod error;
mod registry;
mod service_tags;
mod tags_file;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::time::{Duration, SystemTime};

use hyper::StatusCode;
use hyper::header::{ACCEPT, AUTHORIZATION, HeaderValue, RETRY_AFTER};

pub use self::error::{FetchError, FetchProblem, FetchTarget};
pub use self::service_tags::ApiTags;
pub use self::tags_file::{FetchedTags, Validator};
use super::endpoints::Endpoint;
use super::identity::{Credential, Environment, addresses, cloud_url};
use super::poll_schedule::LOST_AFTER;
use crate::config::{self, Cloud, Config, CredentialKind, HttpsUrl, Registry, ResourceId};
use crate::https::{Client, Request, Response, Url};
use crate::name::Name;

/// How long the service tags, some megabytes, may take over a slow line.
const TAGS_TIME: Duration = Duration::from_mins(4);
/// How long a question may take, the wait for a token included, which others may be asking for.
const WHOLE_TIME: Duration = Duration::from_mins(8);
const _: () = assert!(
    TAGS_TIME.as_secs() < WHOLE_TIME.as_secs() && WHOLE_TIME.as_secs() < LOST_AFTER.as_secs(),
    "a question that counts as lost has ended"
);
const JSON: HeaderValue = HeaderValue::from_static("application/json");

/// The addresses of the hosts that are asked, as the caller has resolved and opened them.
pub type PinnedAddresses = BTreeMap<Name, Vec<IpAddr>>;

/// Asks Azure as the configured identity. It is for one thread.
#[derive(Debug)]
pub struct AzureClient {
    client: Client,
    credential: Credential,
    cloud: Cloud,
    manager: Url,
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

    /// The names of `registry` by its resource `id`, each with [`super::endpoints::Provenance::Manager`]. All are of that registry, or
    /// none is returned.
    ///
    /// # Errors
    /// See [`FetchError`].
    pub async fn registry(
        &self,
        registry: &Registry,
        id: &ResourceId,
        pinned: &PinnedAddresses,
    ) -> Result<Vec<Endpoint>, FetchError> {
        let target = FetchTarget::Registry(id.clone());
        let path = format!("{id}?api-version={}", registry::API_VERSION);
        let url = self.at(&path, &target)?;
        let bounds = Bounds {
            bytes: registry::MOST_BYTES,
            time: registry::MOST_TIME,
        };
        let asked = self.ask(&target, url, pinned, bounds);
        let response = in_time(&target, WHOLE_TIME, asked).await?;
        registry::parse(response.body(), &registry.login_server, id, self.cloud)
            .map_err(|problem| target.failed(problem))
    }

    /// The prefixes of `wanted` that the Service Tag Discovery API knows, asked on behalf of `subscription`. They lag behind the
    /// published file and are a part of it: see [`super::TagSnapshot::with_added`].
    ///
    /// # Errors
    /// See [`FetchError`].
    pub async fn service_tags(
        &self,
        subscription: &str,
        wanted: &[String],
        pinned: &PinnedAddresses,
    ) -> Result<ApiTags, FetchError> {
        let target = FetchTarget::ServiceTags(subscription.to_owned());
        let fetched = service_tags::fetch(self, subscription, &target, wanted, pinned);
        in_time(&target, WHOLE_TIME, fetched).await
    }

    /// The published file at `url`, unless it is still the one that `last` stands for.
    ///
    /// # Errors
    /// See [`FetchError`].
    pub async fn tags_file(
        &self,
        url: &HttpsUrl,
        last: Option<&Validator>,
        wanted: &[String],
        pinned: &PinnedAddresses,
    ) -> Result<FetchedTags, FetchError> {
        let target = FetchTarget::TagsFile(url.to_string());
        let url = url.as_str().parse::<Url>();
        let url = url.map_err(|error| target.failed(error))?;
        let fetched = tags_file::fetch(self, url, &target, last, wanted, pinned);
        in_time(&target, WHOLE_TIME, fetched).await
    }

    /// What is at `path_and_query` of Resource Manager.
    fn at(&self, path_and_query: &str, target: &FetchTarget) -> Result<Url, FetchError> {
        let url = self.manager.join(path_and_query);
        url.map_err(|error| target.failed(error))
    }

    /// Asks Resource Manager with a token, and takes only a good answer.
    async fn ask(
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
struct Bounds {
    bytes: u64,
    time: Duration,
}

/// The addresses of the host of `url`.
fn resolved<'r>(
    target: &FetchTarget,
    url: &Url,
    pinned: &'r PinnedAddresses,
) -> Result<&'r [IpAddr], FetchError> {
    addresses(url, pinned).map_err(|name| target.failed(FetchProblem::NotResolved(name)))
}

/// What `asked` answers, unless it takes longer than `time`.
async fn in_time<T>(
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
fn good(
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
        retry_after: retry_after(&response, SystemTime::now()),
    }))
}

/// What `Retry-After` asks for (RFC 9110 section 10.2.3): seconds, or a date.
pub(super) fn retry_after(response: &Response, now: SystemTime) -> Option<Duration> {
    let text = response.header(RETRY_AFTER.as_str())?.trim();
    if let Ok(seconds) = text.parse() {
        return Some(Duration::from_secs(seconds));
    }
    let date = httpdate::parse_http_date(text).ok()?;
    Some(date.duration_since(now).unwrap_or_default())
}
