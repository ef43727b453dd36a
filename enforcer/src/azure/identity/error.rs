//! Why there is no token: each error names the cause and the fix, and never contains a secret.

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use hyper::StatusCode;

use crate::config::CredentialKind;
use crate::https::{HttpsError, UrlError};
use crate::name::Name;

/// Why there is no token: the problem of each credential that was tried, in order.
#[derive(Debug)]
pub struct CredentialError {
    /// Each credential, and why it issued no token.
    pub tried: Vec<(CredentialKind, CredentialProblem)>,
}

impl CredentialError {
    /// The longest wait that a server requested.
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

    /// The host without an address, when a credential needs it.
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

/// Why one credential issues no token.
#[derive(Debug, thiserror::Error)]
pub enum CredentialProblem {
    /// This host has no such credential.
    #[error("{0}")]
    NotHere(String),
    /// The name of Entra ID has no address yet.
    #[error("{0} has no address; check that the resolvers resolve it")]
    NotResolved(Name),
    /// The request failed.
    #[error(transparent)]
    Https(#[from] HttpsError),
    /// A URL in the environment is invalid, or not on this host.
    #[error("{0}")]
    Url(#[from] UrlError),
    /// The server refused the request.
    #[error("{server} answers {}{}; {fix}", status.as_u16(), code.as_ref().map(|code| format!(" ({code})")).unwrap_or_default())]
    Refused {
        /// The server.
        server: String,
        /// The status.
        status: StatusCode,
        /// The error's code, when there is one in plain text.
        code: Option<String>,
        /// The fix.
        fix: &'static str,
        /// The wait that the server requests.
        retry_after: Option<Duration>,
    },
    /// The request succeeded, but the answer has no token.
    #[error("{server}: {problem}; check which server answers there")]
    NoToken {
        /// The server.
        server: String,
        /// What is wrong with the answer, without any of its content.
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

/// Returns the credential's name in the configuration.
fn name(kind: CredentialKind) -> &'static str {
    match kind {
        CredentialKind::Auto => "auto",
        CredentialKind::ManagedIdentity => "managed-identity",
        CredentialKind::Arc => "arc",
        CredentialKind::WorkloadIdentity => "workload-identity",
        CredentialKind::ServicePrincipal => "service-principal",
    }
}

/// Describes the identity for the person who grants its rights.
pub(in crate::azure) fn in_words(kind: Option<CredentialKind>) -> &'static str {
    match kind {
        Some(CredentialKind::ManagedIdentity) => "the managed identity of this virtual machine",
        Some(CredentialKind::Arc) => "the identity of this Azure Arc-enabled server",
        Some(CredentialKind::WorkloadIdentity) => "the federated workload identity",
        Some(CredentialKind::ServicePrincipal) => "the service principal in the section [azure]",
        Some(CredentialKind::Auto) | None => "the identity",
    }
}
