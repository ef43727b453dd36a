//! Why there is no token: each reason names the thing and the fix, and never a secret.

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use hyper::StatusCode;

use crate::config::CredentialKind;
use crate::https::{HttpsError, UrlError};
use crate::name::Name;

/// Why there is no token: the reason of each credential that was tried, in their order.
#[derive(Debug)]
pub struct CredentialError {
    /// Which credential, and why it gave none.
    pub tried: Vec<(CredentialKind, CredentialProblem)>,
}

impl CredentialError {
    /// The longest wait that a server asked for.
    pub fn retry_after(&self) -> Option<Duration> {
        let waits = self.tried.iter().filter_map(|(_, problem)| match problem {
            CredentialProblem::Refused { retry_after, .. } => *retry_after,
            CredentialProblem::NotHere(_)
            | CredentialProblem::NotResolved(_)
            | CredentialProblem::Https(_)
            | CredentialProblem::Url(_)
            | CredentialProblem::NoToken { .. }
            | CredentialProblem::File { .. } => None,
        });
        waits.max()
    }

    /// The host that has no address, when a credential waits for it.
    pub fn not_resolved(&self) -> Option<&Name> {
        self.tried.iter().find_map(|(_, problem)| match problem {
            CredentialProblem::NotResolved(name) => Some(name),
            CredentialProblem::Refused { .. }
            | CredentialProblem::NotHere(_)
            | CredentialProblem::Https(_)
            | CredentialProblem::Url(_)
            | CredentialProblem::NoToken { .. }
            | CredentialProblem::File { .. } => None,
        })
    }
}

impl std::error::Error for CredentialError {}

impl fmt::Display for CredentialError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let [(kind, problem)] = self.tried.as_slice() {
            return write!(formatter, "{}: {problem}", name(*kind));
        }
        formatter.write_str("no credential of this host works")?;
        for (kind, problem) in &self.tried {
            write!(formatter, "; {}: {problem}", name(*kind))?;
        }
        Ok(())
    }
}

/// Why one credential gives no token.
#[derive(Debug, thiserror::Error)]
pub enum CredentialProblem {
    /// This host has no such credential.
    #[error("{0}")]
    NotHere(String),
    /// The name of Entra ID has no address yet.
    #[error("{0} has no address; check that the resolvers answer for this name")]
    NotResolved(Name),
    /// There was no answer.
    #[error(transparent)]
    Https(#[from] HttpsError),
    /// An address in the environment is none, or not on this host.
    #[error("{0}")]
    Url(#[from] UrlError),
    /// The answer is a refusal.
    #[error("{server} answers {}{}; {fix}", status.as_u16(), code.as_ref().map(|code| format!(" ({code})")).unwrap_or_default())]
    Refused {
        /// Who answers.
        server: String,
        /// The status.
        status: StatusCode,
        /// The error's code, when there is one in plain text.
        code: Option<String>,
        /// What to do.
        fix: &'static str,
        /// How long to wait.
        retry_after: Option<Duration>,
    },
    /// The answer is good and holds no token.
    #[error("{server}: {problem}; check what answers there")]
    NoToken {
        /// Who answers.
        server: String,
        /// What is wrong with it, without any of its content.
        problem: &'static str,
    },
    /// A file with a secret cannot be used.
    #[error("{}: {problem}", file.display())]
    File {
        /// The file.
        file: PathBuf,
        /// What is wrong with it, and the fix.
        problem: String,
    },
}

/// The credential's name in the configuration.
fn name(kind: CredentialKind) -> &'static str {
    match kind {
        CredentialKind::Auto => "auto",
        CredentialKind::ManagedIdentity => "managed-identity",
        CredentialKind::Arc => "arc",
        CredentialKind::WorkloadIdentity => "workload-identity",
        CredentialKind::ServicePrincipal => "service-principal",
    }
}

/// Who asks, for those who give it rights.
pub(in crate::azure) fn in_words(kind: Option<CredentialKind>) -> &'static str {
    match kind {
        Some(CredentialKind::ManagedIdentity) => "the managed identity of this virtual machine",
        Some(CredentialKind::Arc) => "the identity of this Azure Arc-enabled server",
        Some(CredentialKind::WorkloadIdentity) => "the federated workload identity",
        Some(CredentialKind::ServicePrincipal) => "the service principal in the section [azure]",
        Some(CredentialKind::Auto) | None => "the identity",
    }
}
