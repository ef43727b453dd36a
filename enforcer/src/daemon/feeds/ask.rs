//! What is asked over HTTPS, and what comes of it.

use std::pin::Pin;
use std::rc::Rc;
use std::time::Duration;

use super::Feeds;
use crate::azure::PinnedAddresses;
use crate::azure::TagSnapshot;
use crate::azure::endpoints::Endpoint;
use crate::azure::resource_manager::{FetchError, FetchedTags};
use crate::azure::tags::ApiTags;
use crate::azure::tags::{check_against_bundle, check_complete, check_not_older};
use crate::config::{Config, HttpsUrl, ResourceId};
use crate::name::Name;

/// A question on its way.
pub(in crate::daemon) type Fetch = Pin<Box<dyn Future<Output = Fetched>>>;

/// The answer to one, with what was asked: meanwhile that may be no source any more.
pub(in crate::daemon) enum Fetched {
    /// Resource Manager, about the registry behind this login server.
    Registry(Name, ResourceId, Result<Vec<Endpoint>, FetchError>),
    /// The URL of service tags.
    Url(HttpsUrl, Result<FetchedTags, FetchError>),
    /// The Service Tag Discovery API, for this subscription.
    Api(String, Result<ApiTags, FetchError>),
}

/// What a source said before the answer that [`Feeds::take`] took: for [`Feeds::accept`] or [`Feeds::refuse`].
pub(in crate::daemon) enum Before {
    Registry(Name, Option<Vec<Endpoint>>),
    Url(Option<TagSnapshot>),
    Api(Option<ApiTags>),
}

impl Feeds {
    /// The questions that are due; `reach` has the addresses of [`Feeds::hosts`].
    pub(in crate::daemon) fn due(
        &mut self,
        config: &Config,
        reach: &Rc<PinnedAddresses>,
        now: Duration,
    ) -> Vec<Fetch> {
        let Some((_, azure)) = self.azure.clone() else {
            return Vec::new();
        };
        let with = || (azure.clone(), reach.clone());
        let mut due: Vec<Fetch> = Vec::new();
        for registry in &config.registries {
            if let Some(polled) = self.managers.get_mut(&registry.login_server)
                && polled.starts(now)
            {
                let ((azure, reach), registry) = (with(), registry.clone());
                let id = polled.source.clone();
                due.push(Box::pin(async move {
                    let answer = azure.registry(&registry, &id, &reach).await;
                    Fetched::Registry(registry.login_server, id, answer)
                }));
            }
        }
        if let Some(polled) = &mut self.url
            && polled.starts(now)
        {
            let ((azure, reach), wanted) = (with(), self.wanted.clone());
            let (url, last) = (polled.source.clone(), self.fetched.validator.clone());
            due.push(Box::pin(async move {
                let answer = azure.tags_file(&url, last.as_ref(), &wanted, &reach).await;
                Fetched::Url(url, answer)
            }));
        }
        if let Some(polled) = &mut self.api
            && polled.starts(now)
        {
            let ((azure, reach), wanted) = (with(), self.wanted.clone());
            let subscription = polled.source.clone();
            due.push(Box::pin(async move {
                let answer = azure.service_tags(&subscription, &wanted, &reach).await;
                Fetched::Api(subscription, answer)
            }));
        }
        due
    }

    /// Takes an answer. What the source said before, where it says something else now: the policy has to follow.
    pub(in crate::daemon) fn take(
        &mut self,
        fetched: Fetched,
        in_force: &TagSnapshot,
        now: Duration,
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
        now: Duration,
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
            // It was asked for before the configuration named another tag, and is being asked for again.
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

    /// Notes that what was taken is in force.
    pub(in crate::daemon) fn accept(&mut self, before: &Before, now: Duration) {
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

    /// Takes back an answer that leads to no policy.
    pub(in crate::daemon) fn refuse(&mut self, before: Before, message: String, now: Duration) {
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
