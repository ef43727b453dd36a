//! Requests to sources over HTTPS, and their answers.

use super::DynamicSources;
use crate::azure::PinnedAddresses;
use crate::azure::TagSnapshot;
use crate::azure::endpoints::Endpoint;
use crate::azure::resource_manager::{AzureClient, FetchError, FetchedTags, Validator};
use crate::azure::tags::{ApiTags, check_against_bundle, check_complete, check_not_older};
use crate::config::{Config, HttpsUrl, Registry, ResourceId};
use crate::name::Name;
use crate::now::Now;

/// A request to a source that is due.
#[derive(Clone, Debug)]
pub(crate) enum SourceRequest {
    /// Resource Manager: the endpoints of this registry.
    Registry(Box<Registry>, ResourceId),
    /// The URL of service tags: the file, unless the validator still matches.
    Url(HttpsUrl, Option<Validator>, Vec<String>),
    /// The Service Tag Discovery API of this subscription.
    Api(String, Vec<String>),
}

impl SourceRequest {
    /// Sends the request; `reach` has the addresses of the hosts.
    pub(crate) async fn run(self, azure: &AzureClient, reach: &PinnedAddresses) -> Fetched {
        match self {
            Self::Registry(registry, id) => {
                let answer = azure.registry(&registry, &id, reach).await;
                Fetched::Registry(registry.login_server, id, answer)
            }
            Self::Url(url, last, wanted) => {
                let answer = azure.tags_file(&url, last.as_ref(), &wanted, reach).await;
                Fetched::Url(url, answer)
            }
            Self::Api(subscription, wanted) => {
                let answer = azure.service_tags(&subscription, &wanted, reach).await;
                Fetched::Api(subscription, answer)
            }
        }
    }
}

/// The answer to a request, with its source, which may no longer be configured.
#[derive(Debug)]
pub(crate) enum Fetched {
    /// Resource Manager: the endpoints of the registry with this login server.
    Registry(Name, ResourceId, Result<Vec<Endpoint>, FetchError>),
    /// The URL of service tags.
    Url(HttpsUrl, Result<FetchedTags, FetchError>),
    /// The Service Tag Discovery API of this subscription.
    Api(String, Result<ApiTags, FetchError>),
}

/// The previous answer of a source, as [`DynamicSources::take`] returns it for [`DynamicSources::accept`] or [`DynamicSources::refuse`].
pub(crate) enum Before {
    Registry(Name, Option<Vec<Endpoint>>),
    Url(Option<TagSnapshot>),
    Api(Option<ApiTags>),
}

impl DynamicSources {
    /// Returns the requests that are due; they count as sent.
    pub(crate) fn due(&mut self, config: &Config, now: Now) -> Vec<SourceRequest> {
        let mut due = Vec::new();
        for registry in &config.registries {
            if let Some(polled) = self.managers.get_mut(&registry.login_server)
                && polled.starts(now)
            {
                let id = polled.source.clone();
                due.push(SourceRequest::Registry(Box::new(registry.clone()), id));
            }
        }
        if let Some(polled) = &mut self.url
            && polled.starts(now)
        {
            let (url, last) = (polled.source.clone(), self.fetched.validator.clone());
            due.push(SourceRequest::Url(url, last, self.wanted.clone()));
        }
        if let Some(polled) = &mut self.api
            && polled.starts(now)
        {
            let subscription = polled.source.clone();
            due.push(SourceRequest::Api(subscription, self.wanted.clone()));
        }
        due
    }

    /// Takes an answer; returns the previous one if they differ, so that the policy must be evaluated again.
    pub(crate) fn take(
        &mut self,
        fetched: Fetched,
        in_force: &TagSnapshot,
        now: Now,
    ) -> Option<Before> {
        match fetched {
            Fetched::Registry(name, id, answer) => {
                let polled = self.managers.get_mut(&name)?;
                if polled.source != id {
                    return None;
                }
                let before = polled.take(answer, now)?;
                Some(Before::Registry(name, before))
            }
            Fetched::Url(url, answer) => self.take_url(&url, answer, in_force, now),
            Fetched::Api(subscription, answer) => {
                let polled = self.api.as_mut()?;
                if polled.source != subscription {
                    return None;
                }
                let answer = answer.map(|more| match polled.last() {
                    Some(before) => more.and(before),
                    None => more,
                });
                polled.take(answer, now).map(Before::Api)
            }
        }
    }

    fn take_url(
        &mut self,
        url: &HttpsUrl,
        answer: Result<FetchedTags, FetchError>,
        in_force: &TagSnapshot,
        now: Now,
    ) -> Option<Before> {
        let polled = self.url.as_mut().filter(|polled| polled.source == *url)?;
        let (tags, validator) = match answer {
            Ok(FetchedTags::New { tags, validator }) => (tags, validator),
            Ok(FetchedTags::Unchanged) => {
                match &self.fetched.refused {
                    None => polled.good(now),
                    Some(why) => polled.failed(why.clone(), None, now),
                }
                return None;
            }
            Err(error) => {
                polled.failed(error.to_string(), error.retry_after(), now);
                return None;
            }
        };
        if !self
            .wanted
            .iter()
            .all(|tag| tags.families.contains_key(tag))
        {
            // The configuration requires another tag since this request was sent; a new request is under way.
            return None;
        }
        self.fetched.validator = validator;
        let checked = check_not_older(in_force, &tags)
            .and_then(|()| check_against_bundle(&tags))
            .and_then(|()| check_complete(in_force, &tags));
        self.fetched.refused = checked.err().map(|error| error.to_string());
        if let Some(why) = self.fetched.refused.clone() {
            polled.failed(why, None, now);
            return None;
        }
        polled.take(Ok(*tags), now).map(Before::Url)
    }

    /// Records that the answer is in force.
    pub(crate) fn accept(&mut self, before: &Before, now: Now) {
        match before {
            Before::Registry(name, _) => {
                if let Some(polled) = self.managers.get_mut(name) {
                    polled.good(now);
                }
            }
            Before::Url(_) => {
                self.outdated = None;
                if let Some(polled) = &mut self.url {
                    polled.good(now);
                }
            }
            Before::Api(_) => {
                if let Some(polled) = &mut self.api {
                    polled.good(now);
                }
            }
        }
    }

    /// Restores the previous answer, since the last one gives no valid policy.
    pub(crate) fn refuse(&mut self, before: Before, message: String, now: Now) {
        match before {
            Before::Registry(name, before) => {
                if let Some(polled) = self.managers.get_mut(&name) {
                    polled.refuse(before, message, now);
                }
            }
            Before::Url(before) => {
                self.fetched.refused = Some(message.clone());
                if let Some(polled) = &mut self.url {
                    polled.refuse(before, message, now);
                }
            }
            Before::Api(before) => {
                if let Some(polled) = &mut self.api {
                    polled.refuse(before, message, now);
                }
            }
        }
    }
}
