//! What is asked over HTTPS, and what comes of it.

use std::pin::Pin;
use std::rc::Rc;
use std::time::Duration;

use anyhow::Result;

use super::Feeds;
use crate::azure::TagSnapshot;
use crate::azure::endpoints::Endpoint;
use crate::azure::manager::{Azure, FetchError, Reach, TagAdditions, TagsFile};
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
    /// The URL of service tags; nothing where they have not changed.
    Url(Result<Option<TagsFile>, FetchError>),
    /// The Service Tag Discovery API.
    Api(Result<TagAdditions, FetchError>),
}

/// What a source said before the answer that [`Feeds::take`] took: for [`Feeds::refuse`].
pub(in crate::daemon) enum Before {
    Registry(Name, Option<Vec<Endpoint>>),
    Url(Option<TagSnapshot>),
    Api(Option<TagAdditions>),
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
        let mut due: Vec<Fetch> = Vec::new();
        for registry in &config.registries {
            let polled = self.managers.get_mut(&registry.login_server);
            let Some((polled, id)) = polled.zip(registry.resource_id.clone()) else {
                continue;
            };
            if polled.poll.is_due(now) {
                polled.poll.started(now);
                due.push(ask_manager(
                    azure.clone(),
                    registry.login_server.clone(),
                    id,
                    reach.clone(),
                ));
            }
        }
        if let Some((url, polled)) = &mut self.url
            && polled.poll.is_due(now)
        {
            polled.poll.started(now);
            let (azure, reach, url) = (azure.clone(), reach.clone(), url.clone());
            let (etag, wanted) = (self.etag.clone(), wanted(&config.protect));
            due.push(Box::pin(async move {
                Fetched::Url(
                    azure
                        .tags_file(&url, etag.as_deref(), &wanted, &reach)
                        .await,
                )
            }));
        }
        if let Some((subscription, polled)) = &mut self.api
            && polled.poll.is_due(now)
        {
            polled.poll.started(now);
            let (reach, subscription) = (reach.clone(), subscription.clone());
            let wanted = wanted(&config.protect);
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
                let polled = self.managers.get_mut(&name)?;
                let said = answer.map(|endpoints| polled.said(endpoints, now));
                match said {
                    Ok(before) => before.map(|before| Before::Registry(name, before)),
                    Err(error) => {
                        polled.failed(error.to_string(), error.retry_after(), now);
                        None
                    }
                }
            }
            Fetched::Url(answer) => self.take_url(answer, in_force, now),
            Fetched::Api(answer) => {
                let (_, polled) = self.api.as_mut()?;
                match answer {
                    Ok(more) => polled.said(more, now).map(Before::Api),
                    Err(error) => {
                        polled.failed(error.to_string(), error.retry_after(), now);
                        None
                    }
                }
            }
        }
    }

    fn take_url(
        &mut self,
        answer: Result<Option<TagsFile>, FetchError>,
        in_force: &TagSnapshot,
        now: Duration,
    ) -> Option<Before> {
        let (_, polled) = self.url.as_mut()?;
        let file = match answer {
            Ok(Some(file)) => file,
            Ok(None) => {
                polled.good(now);
                return None;
            }
            Err(error) => {
                polled.failed(error.to_string(), error.retry_after(), now);
                return None;
            }
        };
        if let Err(error) = check_successor(in_force, &file.tags, false) {
            polled.failed(error.to_string(), None, now);
            return None;
        }
        self.etag = file.etag;
        polled.said(file.tags, now).map(Before::Url)
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
                self.etag = None;
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
