//! Identities and their tokens for Azure Resource Manager.
//!
//! Wire formats: how-to-use-vm-token (virtual machines), managed-identity-authentication (Azure Arc), v2-oauth2-client-creds-grant-flow
//! and certificate-credentials (Microsoft Entra ID). A token is in memory only, appears in no log, and is dropped with its credential.

mod arc;
mod assertion;
mod entra;
mod environment;
mod error;
mod imds;
mod secret_file;
#[cfg(test)]
mod tests;
mod token;

use std::cell::{Cell, RefCell};
use std::time::Instant;

use tokio::sync::Mutex;

use self::environment::CredentialSettings;
pub use self::environment::Environment;
pub(super) use self::error::in_words;
pub use self::error::{CredentialError, CredentialProblem};
pub use self::token::Token;
use self::token::TokenCache;
use super::pinned_addresses::PinnedAddresses;
use crate::config::{self, Cloud, CredentialKind};
use crate::https::{Client, Url};

/// The credentials tried under `auto`, in this order.
const AUTO: [CredentialKind; 4] = [
    CredentialKind::ManagedIdentity,
    CredentialKind::Arc,
    CredentialKind::WorkloadIdentity,
    CredentialKind::ServicePrincipal,
];

/// The configured credential. Under `auto`, the first one that works is tried first from then on.
#[derive(Debug)]
pub struct Credential {
    settings: CredentialSettings,
    candidates: Vec<CredentialKind>,
    chosen: Cell<Option<CredentialKind>>,
    cache: RefCell<TokenCache>,
    /// Locked while a token is requested, so that concurrent requests share one token.
    asking: Mutex<()>,
}

impl Credential {
    /// Creates the credential that `azure` configures; `environment` supplies missing values.
    pub fn new(azure: &config::Azure, cloud: Cloud, environment: Environment) -> Self {
        Self::at(azure, cloud, environment, cloud_url(cloud.login_host()))
    }

    /// Like [`Credential::new`], with Entra ID at `login`.
    pub(super) fn at(
        azure: &config::Azure,
        cloud: Cloud,
        environment: Environment,
        login: Url,
    ) -> Self {
        let candidates = match azure.credential {
            CredentialKind::Auto => AUTO.to_vec(),
            kind @ (CredentialKind::ManagedIdentity
            | CredentialKind::Arc
            | CredentialKind::WorkloadIdentity
            | CredentialKind::ServicePrincipal) => vec![kind],
        };
        Self {
            settings: CredentialSettings {
                azure: azure.clone(),
                environment,
                resource: format!("https://{}", cloud.manager_host()),
                login,
            },
            candidates,
            chosen: Cell::new(None),
            cache: RefCell::default(),
            asking: Mutex::new(()),
        }
    }

    /// Whether requests go to Entra ID, so that its host must be allowed.
    pub fn needs_login_host(&self) -> bool {
        self.candidates.iter().any(|kind| match kind {
            CredentialKind::WorkloadIdentity => entra::has_federation(&self.settings),
            CredentialKind::ServicePrincipal => entra::has_principal(&self.settings.azure),
            CredentialKind::ManagedIdentity | CredentialKind::Arc | CredentialKind::Auto => false,
        })
    }

    /// The credential that issued the last token.
    pub fn chosen(&self) -> Option<CredentialKind> {
        self.chosen.get()
    }

    /// Returns a token that is valid for at least five minutes, or a new one.
    ///
    /// # Errors
    /// One line with the reason of each credential that was tried.
    pub async fn token(
        &self,
        client: &Client,
        pinned: &PinnedAddresses,
    ) -> Result<Token, CredentialError> {
        let _alone = self.asking.lock().await;
        if let Some(token) = self.cache.borrow().get(Instant::now()) {
            return Ok(token);
        }
        let mut tried = Vec::new();
        for kind in self.order() {
            match self.request_token(kind, client, pinned).await {
                Ok(token) => {
                    self.chosen.set(Some(kind));
                    self.cache.borrow_mut().store(token.clone());
                    return Ok(token);
                }
                Err(problem) => tried.push((kind, problem)),
            }
        }
        Err(CredentialError { tried })
    }

    /// Drops the token after a server refused it.
    pub fn forget_token(&self) {
        *self.cache.borrow_mut() = TokenCache::default();
    }

    /// Blocks requests for tokens while the guard is held.
    #[cfg(test)]
    pub(super) async fn asking_held(&self) -> tokio::sync::MutexGuard<'_, ()> {
        self.asking.lock().await
    }

    fn order(&self) -> Vec<CredentialKind> {
        let mut order = self.candidates.clone();
        // Stable: the others keep their order.
        order.sort_by_key(|kind| Some(*kind) != self.chosen.get());
        order
    }

    /// Requests a token with one credential.
    async fn request_token(
        &self,
        kind: CredentialKind,
        client: &Client,
        pinned: &PinnedAddresses,
    ) -> Result<Token, CredentialProblem> {
        let is_probe = self.candidates.len() > 1 && self.chosen.get() != Some(kind);
        match kind {
            CredentialKind::ManagedIdentity => imds::token(&self.settings, client, is_probe).await,
            CredentialKind::Arc => arc::token(&self.settings, client).await,
            CredentialKind::WorkloadIdentity => {
                entra::federated(&self.settings, client, pinned).await
            }
            CredentialKind::ServicePrincipal | CredentialKind::Auto => {
                entra::principal(&self.settings, client, pinned).await
            }
        }
    }
}

/// The URL of a built-in host.
#[expect(
    clippy::expect_used,
    reason = "the hosts are constants, and a test parses each"
)]
pub(super) fn cloud_url(host: &str) -> Url {
    format!("https://{host}/").parse().expect("a host name")
}
