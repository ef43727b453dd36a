//! The stand-in's shared state: data, injected faults, and recorded requests.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::SocketAddr,
    path::{Path, PathBuf},
    sync::{
        Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use anyhow::Result;
use serde_json::Value;

use super::{http::Head, principal::Known, tokens};
use crate::azure::Principal;

/// A service of the stand-in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Service {
    /// Azure Resource Manager.
    ResourceManager,
    /// Entra's token endpoint.
    Entra,
    /// The metadata service of a virtual machine.
    Imds,
    /// The agent of Azure Arc on the device.
    Arc,
    /// The web server that mirrors the service-tags file.
    Mirror,
}

impl Service {
    /// All services.
    pub const ALL: [Self; 5] = [
        Self::ResourceManager,
        Self::Entra,
        Self::Imds,
        Self::Arc,
        Self::Mirror,
    ];
}

/// A fault of a service.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// Answers with this status and the service's body for it.
    Status(u16),
    /// Answers 429, with `Retry-After` in seconds.
    Throttled(u64),
    /// Answers correctly after this delay.
    Slow(Duration),
    /// Announces the whole response, sends half of it and closes the connection.
    Truncated,
    /// Answers 200 with a body that is not JSON.
    NotJson,
    /// Answers 200 with JSON of another schema.
    OtherJson,
    /// Closes the connection during the handshake or the request.
    HangsUp,
    /// Does not accept connections.
    Refused,
}

/// A request to the stand-in.
#[derive(Clone, Debug)]
pub struct Request {
    /// Time of receipt.
    pub at: Instant,
    /// The service that received it.
    pub service: Service,
    /// `GET` or `POST`.
    pub method: String,
    /// Path and query.
    pub target: String,
    /// The headers, their names in lower case.
    pub headers: Vec<(String, String)>,
    /// The body.
    pub body: String,
    /// The status of the response.
    pub status: u16,
}

impl Request {
    /// Returns the value of a header by its name in lower case.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        let mut headers = self.headers.iter();
        headers
            .find(|(known, _)| known == name)
            .map(|(_, value)| value.as_str())
    }
}

/// State shared by all threads.
#[derive(Debug)]
pub(super) struct Shared {
    ended: AtomicBool,
    state: Mutex<State>,
}

#[derive(Debug)]
pub(super) struct State {
    pub(super) faults: BTreeMap<Service, Fault>,
    pub(super) requests: Vec<Request>,
    /// Addresses with a listening socket.
    pub(super) open: BTreeSet<SocketAddr>,
    pub(super) known: Known,
    pub(super) data_endpoints: Vec<String>,
    /// Tokens that Resource Manager accepts.
    pub(super) valid: BTreeSet<String>,
    /// All tokens and agent's secrets issued so far.
    pub(super) secrets: BTreeSet<String>,
    /// Contents of the agent's secret files that have been named but not yet used.
    pub(super) challenges: BTreeSet<String>,
    pub(super) token_life: u64,
    pub(super) tokens_dir: PathBuf,
    pub(super) realm: Option<String>,
    pub(super) tag_pages: Vec<Vec<Value>>,
    pub(super) tag_change_number: u32,
    pub(super) next_link: Option<String>,
    pub(super) mirrored: Vec<u8>,
}

impl State {
    /// Issues a token that Resource Manager accepts. It has the form of Entra's tokens, which are opaque to clients.
    pub(super) fn issue_token(&mut self) -> Result<String> {
        let token = format!(
            "eyJ0eXAiOiJKV1QifQ.{}.{}",
            tokens::random()?,
            tokens::random()?
        );
        self.valid.insert(token.clone());
        self.secrets.insert(token.clone());
        Ok(token)
    }
}

impl Shared {
    pub(super) fn new(principal: &Principal, tokens_dir: &Path) -> Self {
        let state = State {
            faults: BTreeMap::new(),
            requests: Vec::new(),
            open: BTreeSet::new(),
            known: principal.known(),
            data_endpoints: vec!["contoso.eastus.data.azurecr.io".to_owned()],
            valid: BTreeSet::new(),
            secrets: BTreeSet::new(),
            challenges: BTreeSet::new(),
            token_life: 3599,
            tokens_dir: tokens_dir.to_owned(),
            realm: None,
            tag_pages: Vec::new(),
            tag_change_number: 1,
            next_link: None,
            mirrored: Vec::new(),
        };
        Self {
            ended: AtomicBool::new(false),
            state: Mutex::new(state),
        }
    }

    /// Locks the state, ignoring poison: every change is one assignment, so a panic leaves it consistent.
    pub(super) fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn fault(&self, service: Service) -> Option<Fault> {
        self.state().faults.get(&service).copied()
    }

    pub(super) fn end(&self) {
        self.ended.store(true, Ordering::Relaxed);
    }

    pub(super) fn has_ended(&self) -> bool {
        self.ended.load(Ordering::Relaxed)
    }

    pub(super) fn note(&self, service: Service, head: &Head, status: u16) {
        let request = Request {
            at: Instant::now(),
            service,
            method: head.method.clone(),
            target: head.target.clone(),
            headers: head.headers.clone(),
            body: head.body.clone(),
            status,
        };
        self.state().requests.push(request);
    }
}
