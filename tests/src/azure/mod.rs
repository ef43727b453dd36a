//! A stand-in for the Azure APIs that the daemon uses, in their documented wire format: Resource Manager with the Service Tag
//! Discovery API, Entra's token endpoint, the metadata service of a virtual machine, Azure Arc's agent on the device, and a web
//! server that mirrors the service-tags file.
//!
//! It runs in a network namespace behind the cloud's, so that its requests cross the link of
//! [`crate::topology::packet_counter::PacketCounter`] and only its own sockets refuse connections. The agent of Azure Arc listens on the
//! device's loopback.

mod entra;
mod http;
mod listen;
mod managed_identity;
mod mirror;
mod network;
mod principal;
mod resource_manager;
mod state;
mod tokens;

use std::{
    collections::BTreeSet,
    path::Path,
    sync::Arc,
    thread::JoinHandle,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail};

use self::{network::AzureNetwork, state::Shared};
pub use self::{
    network::{LOGIN_HOST, MANAGER_HOST, MIRROR_HOST, address_of},
    principal::{CLIENT, Principal, RESOURCE_GROUP, SUBSCRIPTION, TENANT, resource_id},
    state::{Fault, Request, Service},
};
use crate::Lab;

/// Interval between polls of the requests.
const POLL: Duration = Duration::from_millis(10);

/// The running stand-in; it ends when dropped. Metadata service and agent of Azure Arc refuse connections until [`Azure::recover`], as on a
/// device that is neither a virtual machine nor connected to Azure Arc.
#[derive(Debug)]
pub struct Azure {
    shared: Arc<Shared>,
    threads: Vec<JoinHandle<()>>,
    principal: Principal,
    network: AzureNetwork,
}

impl Azure {
    /// Starts all services for `lab` and adds their names to DNS.
    ///
    /// # Errors
    /// When a namespace, a certificate or a socket cannot be created.
    pub fn start(lab: &Lab) -> Result<Self> {
        let network =
            AzureNetwork::new(lab).context("create the network of the stand-in for Azure")?;
        let principal = Principal::new(lab.scratch())?;
        let shared = Arc::new(Shared::new(&principal, network.tokens_dir()));
        for service in [Service::Imds, Service::Arc] {
            shared.state().faults.insert(service, Fault::Refused);
        }
        let threads = listen::all(lab, &network, &shared)?;
        Ok(Self {
            shared,
            threads,
            principal,
            network,
        })
    }

    /// Returns the service principal that Entra accepts, and its files.
    #[must_use]
    pub fn principal(&self) -> &Principal {
        &self.principal
    }

    /// Returns the directory to mount over the daemon's `/var/opt`, which contains the agent's tokens directory.
    #[must_use]
    pub fn var_opt(&self) -> &Path {
        self.network.var_opt()
    }

    /// Injects a fault into `service`.
    pub fn fail(&self, service: Service, fault: Fault) {
        self.shared.state().faults.insert(service, fault);
        self.await_sockets(service);
    }

    /// Removes the fault of `service`.
    pub fn recover(&self, service: Service) {
        self.shared.state().faults.remove(&service);
        self.await_sockets(service);
    }

    /// Sets the data endpoints of the registry `contoso` in Resource Manager.
    pub fn set_data_endpoints<H: AsRef<str>>(&self, hosts: &[H]) {
        self.shared.state().data_endpoints =
            hosts.iter().map(|host| host.as_ref().to_owned()).collect();
    }

    /// Sets the lifetime of newly issued tokens in seconds.
    pub fn set_token_lifetime(&self, seconds: u64) {
        self.shared.state().token_life = seconds;
    }

    /// Invalidates all tokens issued so far, as a tenant's administrator can.
    pub fn revoke_tokens(&self) {
        self.shared.state().valid.clear();
    }

    /// Makes the agent of Azure Arc name this file, a path in the daemon's view, instead of one with a new secret.
    pub fn set_realm(&self, file: Option<&str>) {
        self.shared.state().realm = file.map(str::to_owned);
    }

    /// Sets the pages of the Service Tag Discovery API; tags have the format of the service-tags file.
    pub fn set_tag_pages(&self, change_number: u32, pages: Vec<Vec<serde_json::Value>>) {
        let mut state = self.shared.state();
        state.tag_pages = pages;
        state.tag_change_number = change_number;
    }

    /// Sets the next link of every page of the Service Tag Discovery API.
    pub fn set_next_link(&self, url: Option<&str>) {
        self.shared.state().next_link = url.map(str::to_owned);
    }

    /// Sets the file of the mirror; its ETag changes with it.
    pub fn set_mirrored(&self, file: impl Into<Vec<u8>>) {
        self.shared.state().mirrored = file.into();
    }

    /// Returns the requests so far, oldest first.
    #[must_use]
    pub fn requests(&self) -> Vec<Request> {
        self.shared.state().requests.clone()
    }

    /// Returns the number of requests to `service`.
    #[must_use]
    pub fn count(&self, service: Service) -> usize {
        let state = self.shared.state();
        let seen = state.requests.iter();
        seen.filter(|request| request.service == service).count()
    }

    /// Waits until `service` has received `more` requests for which `wanted` is true, counted from the call on.
    ///
    /// # Errors
    /// When they do not arrive within `limit`.
    pub fn await_requests(
        &self,
        service: Service,
        more: usize,
        limit: Duration,
        wanted: impl Fn(&Request) -> bool,
    ) -> Result<()> {
        let before = self.shared.state().requests.len();
        let deadline = Instant::now() + limit;
        loop {
            let seen = self.requests().split_off(before);
            let fitting = seen
                .iter()
                .filter(|request| request.service == service && wanted(request));
            if fitting.count() >= more {
                return Ok(());
            }
            if Instant::now() >= deadline {
                bail!("{service:?} did not receive {more} requests within {limit:?}: {seen:#?}");
            }
            std::thread::sleep(POLL);
        }
    }

    /// Returns everything that must not leak: tokens, the agent's secrets, and the principal's credentials.
    #[must_use]
    pub fn secrets(&self) -> BTreeSet<String> {
        let mut secrets = self.shared.state().secrets.clone();
        secrets.extend(self.principal.secrets());
        secrets
    }
}

impl Azure {
    /// Waits until the sockets of `service` are open, or closed, as its fault requires.
    fn await_sockets(&self, service: Service) {
        let is_open = self.shared.fault(service) != Some(Fault::Refused);
        let (_netns, addresses) = self.network.of(service);
        let is_as_required = |address| self.shared.state().open.contains(address) == is_open;
        while !addresses.iter().all(is_as_required) && !self.has_stopped() {
            std::thread::sleep(POLL);
        }
    }

    fn has_stopped(&self) -> bool {
        self.threads.iter().all(JoinHandle::is_finished)
    }
}

impl Drop for Azure {
    fn drop(&mut self) {
        self.shared.end();
        for thread in self.threads.drain(..) {
            if thread.join().is_err() {
                crate::fixtures::process::complain("a thread of the stand-in for Azure panicked");
            }
        }
    }
}
