//! Why a fetch brings nothing: each names the target and the mend, and never a token.

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
    /// A service-tags file at this URL, which is written without its query.
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

/// Why a fetch brings nothing.
#[derive(Debug)]
pub struct FetchError {
    target: Box<FetchTarget>,
    problem: Box<FetchProblem>,
}

/// What went wrong.
#[derive(Debug, thiserror::Error)]
pub enum FetchProblem {
    /// The host has no address yet.
    #[error("{0} has no address; check that the resolvers answer for this name")]
    NotResolved(Name),
    /// Nobody is there to ask as.
    #[error("no token: {0}")]
    Credential(#[from] CredentialError),
    /// There is no whole answer.
    #[error(transparent)]
    Https(#[from] HttpsError),
    /// The answer, or the token to ask with, is not there in time.
    #[error("no whole answer within {0:?}; check the network, or try again later")]
    Late(Duration),
    /// The answer is a refusal, a redirect, or that the server is busy or broken.
    #[error("the server answers {}", status.as_u16())]
    Refused {
        /// The status.
        status: StatusCode,
        /// Who asked, when anybody in particular.
        identity: Option<CredentialKind>,
        /// How long the server asks to wait.
        retry_after: Option<Duration>,
    },
    /// The answer is no JSON, cut short, or of another shape.
    #[error("the answer is not what the API documents ({0}); check what answers there")]
    Malformed(String),
    /// The registry's names are refused.
    #[error(transparent)]
    Endpoints(#[from] EndpointError),
    /// The service tags are refused.
    #[error(transparent)]
    Tags(#[from] TagError),
    /// The list goes on elsewhere, or for ever.
    #[error("the list {0}, and is refused; check what answers there")]
    Pages(&'static str),
    /// The address of the target is none.
    #[error(transparent)]
    Url(#[from] UrlError),
}

impl FetchTarget {
    /// The error that fetching this met.
    pub(crate) fn failed(&self, problem: impl Into<FetchProblem>) -> FetchError {
        FetchError {
            target: Box::new(self.clone()),
            problem: Box::new(problem.into()),
        }
    }
}

impl FetchError {
    /// What went wrong.
    pub fn problem(&self) -> &FetchProblem {
        &self.problem
    }

    /// The host that has no address in the [`super::PinnedAddresses`], when that is what is wrong.
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

    /// How long a server asks to wait before the next question, as it wrote it.
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
            // These name the target themselves.
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

/// What a status means here, and the mend.
fn meaning(target: &FetchTarget, status: StatusCode, identity: Option<CredentialKind>) -> String {
    let code = status.as_u16();
    let identity = in_words(identity);
    match (status, target) {
        (StatusCode::UNAUTHORIZED, FetchTarget::Registry(_) | FetchTarget::ServiceTags(_)) => {
            format!(
                "Azure Resource Manager does not take the token of {identity} ({code}); check that azure.tenant-id is the subscription's tenant, \
             and this host's clock"
            )
        }
        (StatusCode::FORBIDDEN, FetchTarget::Registry(_)) => format!(
            "{identity} may not read the registry ({code}); give it the right Microsoft.ContainerRegistry/registries/read there, \
             as the role Reader has it"
        ),
        (StatusCode::FORBIDDEN, FetchTarget::ServiceTags(_)) => format!(
            "{identity} may not list service tags ({code}); give it the right Microsoft.Network/locations/serviceTags/read on the \
             subscription, as the role Reader has it"
        ),
        (StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN, FetchTarget::TagsFile(_)) => {
            format!("the server refuses the file ({code}); let this host read it without a log-in")
        }
        (StatusCode::NOT_FOUND, FetchTarget::Registry(_)) => format!(
            "there is no such registry ({code}); mend registry.resource-id (az acr show --name <registry> --query id), or remove it"
        ),
        (StatusCode::NOT_FOUND, FetchTarget::ServiceTags(_)) => format!(
            "there is no such subscription ({code}); mend protect.service-tags-subscription"
        ),
        (StatusCode::NOT_FOUND, FetchTarget::TagsFile(_)) => {
            format!("there is no such file ({code}); mend protect.service-tags-url")
        }
        (StatusCode::TOO_MANY_REQUESTS, _) => {
            format!(
                "the server is asked too often ({code}); it is asked again later, less often with a longer poll"
            )
        }
        _ if status.is_server_error() => {
            format!("the server is not well ({code}); it is asked again later")
        }
        _ if status.is_redirection() && status != StatusCode::NOT_MODIFIED => format!(
            "the server sends elsewhere ({code}), which is not followed; write the address of the target itself"
        ),
        _ => format!("the server answers {code}; check what answers there"),
    }
}
