//! What is asked over HTTPS, and what comes of it.

use std::pin::Pin;
use std::rc::Rc;
use std::time::Duration;

use super::Feeds;
use crate::azure::TagSnapshot;
use crate::azure::endpoints::Endpoint;
use crate::azure::manager::{FetchError, FetchedTags, MoreTags, Reach};
use crate::azure::tags::check_successor;
use crate::azure::wanted;
use crate::config::Config;
use crate::name::Name;

/// A question on its way.
pub(in crate::daemon) type Fetch = Pin<Box<dyn Future<Output = Fetched>>>;

/// The answer to one.
pub(in crate::daemon) enum Fetched {
    /// Resource Manager, about the registry behind this login server.
    Registry(Name, Result<Vec<Endpoint>, FetchError>),
    /// The URL of service tags.
    Url(Result<FetchedTags, FetchError>),
    /// The Service Tag Discovery API.
    Api(Result<MoreTags, FetchError>),
}

/// What a source said before the answer that [`Feeds::take`] took: for [`Feeds::refuse`].
pub(in crate::daemon) enum Before {
    Registry(Name, Option<Vec<Endpoint>>),
    Url(Option<TagSnapshot>),
    Api(Option<MoreTags>),
}

impl Feeds {
    /// The questions that are due; `reach` has the addresses of [`Feeds::hosts`].
    pub(in crate::daemon) fn due(
        &mut self,
        config: &Config,
        reach: &Rc<Reach>,
        now: Duration,
    ) -> Vec<Fetch> {
        let Some(azure) = self.azure.clone() else {
            return Vec::new();
        };
        let with = || (azure.clone(), reach.clone());
        let mut due: Vec<Fetch> = Vec::new();
        for registry in &config.registries {
            let polled = self.managers.get_mut(&registry.login_server);
            let Some((polled, id)) = polled.zip(registry.resource_id.clone()) else {
                continue;
            };
            if polled.starts(now) {
                let ((azure, reach), registry) = (with(), registry.clone());
                due.push(Box::pin(async move {
                    let answer = azure.registry(&registry, &id, &reach).await;
                    Fetched::Registry(registry.login_server, answer)
                }));
            }
        }
        let wanted = || wanted(&config.protect);
        if let Some((url, polled)) = &mut self.url
            && polled.starts(now)
        {
            let ((azure, reach), wanted) = (with(), wanted());
            let (url, last) = (url.clone(), self.validator.clone());
            due.push(Box::pin(async move {
                Fetched::Url(azure.tags_file(&url, last.as_ref(), &wanted, &reach).await)
            }));
        }
        if let Some((subscription, polled)) = &mut self.api
            && polled.starts(now)
        {
            let ((azure, reach), wanted) = (with(), wanted());
            let subscription = subscription.clone();
            due.push(Box::pin(async move {
                Fetched::Api(azure.service_tags(&subscription, &wanted, &reach).await)
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
            Fetched::Registry(name, answer) => {
                let before = self.managers.get_mut(&name)?.take(answer, now)?;
                Some(Before::Registry(name, before))
            }
            Fetched::Url(answer) => self.take_url(answer, in_force, now),
            Fetched::Api(answer) => {
                let (_, polled) = self.api.as_mut()?;
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
        answer: Result<FetchedTags, FetchError>,
        in_force: &TagSnapshot,
        now: Duration,
    ) -> Option<Before> {
        let (_, polled) = self.url.as_mut()?;
        let new = match answer {
            Ok(FetchedTags::Unchanged) => {
                polled.good(now);
                return None;
            }
            Ok(FetchedTags::New { tags, validator }) => Ok((*tags, validator)),
            Err(error) => Err(error),
        };
        if let Ok((tags, validator)) = &new {
            if let Err(error) = check_successor(in_force, tags, false) {
                polled.failed(error.to_string(), None, now);
                return None;
            }
            self.validator.clone_from(validator);
        }
        let before = polled.take(new.map(|(tags, _)| tags), now);
        before.map(Before::Url)
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
                self.validator = None;
                if let Some((_, polled)) = &mut self.url {
                    polled.refuse(before, message, now);
                }
            }
            Before::Api(before) => {
                if let Some((_, polled)) = &mut self.api {
                    polled.refuse(before, message, now);
                }
            }
        }
    }
}
