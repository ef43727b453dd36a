//! Why a fetch fails: each error names the target and the fix, and never contains a token.

use std::fmt;
use std::time::Duration;

use hyper::StatusCode;

use crate::azure::TagError;
use crate::azure::endpoints::EndpointError;
use crate::azure::identity::{CredentialError, in_words};
use crate::config::{CredentialKind, ResourceId};
use crate::https::{HttpsError, UrlError};
use crate::name::Name;

/// What is fetched.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FetchTarget {
    /// A registry by its resource.
    Registry(ResourceId),
    /// The Service Tag Discovery API on behalf of this subscription.
    ServiceTags(String),
    /// A service-tags file at this URL, shown without its query.
    TagsFile(String),
}

impl fmt::Display for FetchTarget {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Registry(id) => id.fmt(formatter),
            Self::ServiceTags(subscription) => {
                write!(formatter, "service tags of subscription {subscription}")
            }
            Self::TagsFile(url) => formatter.write_str(url),
        }
    }
}

/// Why a fetch fails.
#[derive(Debug)]
pub struct FetchError {
    target: Box<FetchTarget>,
    problem: Box<FetchProblem>,
}

/// The cause of a failed fetch.
#[derive(Debug, thiserror::Error)]
pub enum FetchProblem {
    /// The host has no address yet.
    #[error("{0} has no address; check that the resolvers resolve it")]
    NotResolved(Name),
    /// No credential issues a token.
    #[error("no token: {0}")]
    Credential(#[from] CredentialError),
    /// The request failed.
    #[error(transparent)]
    Https(#[from] HttpsError),
    /// The answer, or the token for the request, did not arrive in time.
    #[error("no complete answer within {0:?}; check the network, or try again later")]
    Late(Duration),
    /// The status is not 200: the request is refused or redirected, or the server is busy or faulty.
    #[error("the server answers {}", status.as_u16())]
    Refused {
        /// The status.
        status: StatusCode,
        /// The identity of the request, if any.
        identity: Option<CredentialKind>,
        /// The wait that the server requests.
        retry_after: Option<Duration>,
    },
    /// The answer is not JSON, truncated, or has another structure.
    #[error(
        "the answer does not match the API's documentation ({0}); check which server answers there"
    )]
    Malformed(String),
    /// The registry's names are refused.
    #[error(transparent)]
    Endpoints(#[from] EndpointError),
    /// The service tags are refused.
    #[error(transparent)]
    Tags(#[from] TagError),
    /// The list continues elsewhere, or has too many pages.
    #[error("the list {0}, so it is refused; check which server answers there")]
    Pages(&'static str),
    /// The URL of the target is invalid.
    #[error(transparent)]
    Url(#[from] UrlError),
}

impl FetchTarget {
    /// Returns the error of fetching this.
    pub(crate) fn failed(&self, problem: impl Into<FetchProblem>) -> FetchError {
        FetchError {
            target: Box::new(self.clone()),
            problem: Box::new(problem.into()),
        }
    }
}

impl FetchError {
    /// The cause.
    pub fn problem(&self) -> &FetchProblem {
        &self.problem
    }

    /// The host without an address in [`PinnedAddresses`](crate::azure::PinnedAddresses), if that is the cause.
    pub fn not_resolved(&self) -> Option<&Name> {
        match &*self.problem {
            FetchProblem::NotResolved(name) => Some(name),
            FetchProblem::Credential(error) => error.not_resolved(),
            FetchProblem::Https(_)
            | FetchProblem::Late(_)
            | FetchProblem::Refused { .. }
            | FetchProblem::Malformed(_)
            | FetchProblem::Endpoints(_)
            | FetchProblem::Tags(_)
            | FetchProblem::Pages(_)
            | FetchProblem::Url(_) => None,
        }
    }

    /// The wait before the next request, as requested by the server.
    pub fn retry_after(&self) -> Option<Duration> {
        match &*self.problem {
            FetchProblem::Refused { retry_after, .. } => *retry_after,
            FetchProblem::Credential(error) => error.retry_after(),
            FetchProblem::NotResolved(_)
            | FetchProblem::Https(_)
            | FetchProblem::Late(_)
            | FetchProblem::Malformed(_)
            | FetchProblem::Endpoints(_)
            | FetchProblem::Tags(_)
            | FetchProblem::Pages(_)
            | FetchProblem::Url(_) => None,
        }
    }
}

impl std::error::Error for FetchError {}

impl fmt::Display for FetchError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let target = &self.target;
        match &*self.problem {
            // Their messages contain the target.
            FetchProblem::Endpoints(error) => error.fmt(formatter),
            FetchProblem::Tags(error) => error.fmt(formatter),
            FetchProblem::Refused {
                status, identity, ..
            } => {
                write!(
                    formatter,
                    "{target}: {}",
                    meaning(target, *status, *identity)
                )
            }
            problem @ (FetchProblem::NotResolved(_)
            | FetchProblem::Credential(_)
            | FetchProblem::Https(_)
            | FetchProblem::Late(_)
            | FetchProblem::Malformed(_)
            | FetchProblem::Pages(_)
            | FetchProblem::Url(_)) => write!(formatter, "{target}: {problem}"),
        }
    }
}

/// Returns the meaning of a status, and the fix.
fn meaning(target: &FetchTarget, status: StatusCode, identity: Option<CredentialKind>) -> String {
    let code = status.as_u16();
    let identity = in_words(identity);
    match (status, target) {
        (StatusCode::UNAUTHORIZED, FetchTarget::Registry(_) | FetchTarget::ServiceTags(_)) => {
            format!(
                "Azure Resource Manager rejects the token of {identity} ({code}); check that azure.tenant-id is the subscription's tenant, \
             and this host's clock"
            )
        }
        (StatusCode::FORBIDDEN, FetchTarget::Registry(_)) => format!(
            "{identity} may not read the registry ({code}); grant it the permission Microsoft.ContainerRegistry/registries/read on the \
             registry, for example with the role Reader"
        ),
        (StatusCode::FORBIDDEN, FetchTarget::ServiceTags(_)) => format!(
            "{identity} may not list service tags ({code}); grant it the permission Microsoft.Network/locations/serviceTags/read on the \
             subscription, for example with the role Reader"
        ),
        (StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN, FetchTarget::TagsFile(_)) => {
            format!(
                "the server denies access to the file ({code}); make it readable without authentication"
            )
        }
        (StatusCode::NOT_FOUND, FetchTarget::Registry(_)) => format!(
            "there is no such registry ({code}); fix registry.resource-id (az acr show --name <registry> --query id), or remove it"
        ),
        (StatusCode::NOT_FOUND, FetchTarget::ServiceTags(_)) => {
            format!("there is no such subscription ({code}); fix protect.service-tags-subscription")
        }
        (StatusCode::NOT_FOUND, FetchTarget::TagsFile(_)) => {
            format!("there is no such file ({code}); fix protect.service-tags-url")
        }
        (StatusCode::TOO_MANY_REQUESTS, _) => {
            format!(
                "the server received too many requests ({code}); the daemon retries later, and polls less often with a longer poll interval"
            )
        }
        _ if status.is_server_error() => {
            format!("the server has an internal error ({code}); the daemon retries later")
        }
        _ if status.is_redirection() && status != StatusCode::NOT_MODIFIED => {
            format!("the server redirects ({code}), which is not followed; configure the final URL")
        }
        _ => format!("the server answers {code}; check which server answers there"),
    }
}
