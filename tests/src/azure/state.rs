//! What the stand-in knows, what it is told to do wrong, and what it was asked.

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

use serde_json::Value;

use super::{http::Head, principal::Known};
use crate::azure::Principal;

/// Who is asked.
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
    /// All of them.
    pub const ALL: [Self; 5] = [
        Self::ResourceManager,
        Self::Entra,
        Self::Imds,
        Self::Arc,
        Self::Mirror,
    ];
}

/// What a service does wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// Answers with this status and the body that the service has for it.
    Status(u16),
    /// Answers 429, with `Retry-After` in seconds.
    Throttled(u64),
    /// Answers rightly, after this time.
    Slow(Duration),
    /// Announces its whole answer, sends half of it and hangs up.
    Truncated,
    /// Answers 200 with something that is no JSON.
    NotJson,
    /// Answers 200 with JSON of another shape.
    OtherJson,
    /// Hangs up in the middle of the handshake or of the request.
    HangsUp,
    /// Does not accept connections.
    Refused,
}

/// A request that the stand-in has read.
#[derive(Clone, Debug)]
pub struct Request {
    /// When it was read.
    pub at: Instant,
    /// Who was asked.
    pub service: Service,
    /// `GET` or `POST`.
    pub method: String,
    /// Path and query.
    pub target: String,
    /// The headers, their names in lower case.
    pub headers: Vec<(String, String)>,
    /// The body.
    pub body: String,
    /// The status of the answer.
    pub status: u16,
}

impl Request {
    /// The value of a header, by its name in lower case.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        let mut headers = self.headers.iter();
        headers
            .find(|(known, _)| known == name)
            .map(|(_, value)| value.as_str())
    }
}

/// What all threads share.
#[derive(Debug)]
pub(super) struct Shared {
    ended: AtomicBool,
    state: Mutex<State>,
}

#[derive(Debug)]
pub(super) struct State {
    pub(super) faults: BTreeMap<Service, Fault>,
    pub(super) requests: Vec<Request>,
    /// Where somebody listens.
    pub(super) open: BTreeSet<SocketAddr>,
    pub(super) known: Known,
    pub(super) data_endpoints: Vec<String>,
    /// Tokens that Resource Manager takes.
    pub(super) valid: BTreeSet<String>,
    /// Tokens and agent's secrets ever made.
    pub(super) secrets: BTreeSet<String>,
    /// Of the secret files that the agent has named and nobody has used.
    pub(super) challenges: BTreeSet<String>,
    pub(super) token_life: u64,
    pub(super) tokens_dir: PathBuf,
    pub(super) realm: Option<String>,
    pub(super) tag_pages: Vec<Vec<Value>>,
    pub(super) tag_change_number: u32,
    pub(super) next_link: Option<String>,
    pub(super) mirrored: Vec<u8>,
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

    /// A panicking test leaves it sound: every change is one assignment.
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
