//! A stand-in for the parts of Azure that the daemon asks, in the documented wire format: Resource Manager with the Service Tag
//! Discovery API, Entra's token endpoint, the metadata service of a virtual machine, Azure Arc's agent on the device, and a web
//! server that mirrors the service-tags file.
//!
//! It lives in a network namespace behind the cloud's, so that what refuses a connection is nobody, and what it is asked crosses
//! the link that [`crate::topology::packet_counter::PacketCounter`] watches. The agent of Azure Arc listens on the device's loopback.

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

/// Between two looks at the requests.
const LOOK: Duration = Duration::from_millis(10);

/// The running stand-in; it ends when dropped. No virtual machine's metadata service and no agent of Azure Arc answers until
/// [`Azure::mend`] says so, as on a device that is neither.
#[derive(Debug)]
pub struct Azure {
    shared: Arc<Shared>,
    threads: Vec<JoinHandle<()>>,
    principal: Principal,
    network: AzureNetwork,
}

impl Azure {
    /// Starts all of it for `lab`, and gives its names addresses.
    ///
    /// # Errors
    /// When a namespace, a certificate or a socket cannot be made.
    pub fn start(lab: &Lab) -> Result<Self> {
        let network = AzureNetwork::new(lab).context("make room for the stand-in of Azure")?;
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

    /// The service principal that Entra knows, and its files.
    #[must_use]
    pub fn principal(&self) -> &Principal {
        &self.principal
    }

    /// What the daemon has to see at `/var/opt` for the agent's tokens directory to be there.
    #[must_use]
    pub fn var_opt(&self) -> &Path {
        self.network.var_opt()
    }

    /// Has `service` fail this way from here on.
    pub fn fail(&self, service: Service, fault: Fault) {
        self.shared.state().faults.insert(service, fault);
        self.await_sockets(service);
    }

    /// Has `service` answer rightly from here on.
    pub fn recover(&self, service: Service) {
        self.shared.state().faults.remove(&service);
        self.await_sockets(service);
    }

    /// What Resource Manager says of the registry `contoso`: the hosts of its data endpoints.
    pub fn set_data_endpoints<H: AsRef<str>>(&self, hosts: &[H]) {
        self.shared.state().data_endpoints =
            hosts.iter().map(|host| host.as_ref().to_owned()).collect();
    }

    /// How long the tokens that are issued from here on are good for, in seconds.
    pub fn set_token_lifetime(&self, seconds: u64) {
        self.shared.state().token_life = seconds;
    }

    /// Makes every token that was issued so far invalid, as a tenant's administrator can.
    pub fn revoke_tokens(&self) {
        self.shared.state().valid.clear();
    }

    /// Has the agent of Azure Arc name this file, as the daemon sees the file system, instead of one with a new secret.
    pub fn set_realm(&self, file: Option<&str>) {
        self.shared.state().realm = file.map(str::to_owned);
    }

    /// What the Service Tag Discovery API answers, in pages: tags as the service-tags file has them.
    pub fn set_tag_pages(&self, change_number: u32, pages: Vec<Vec<serde_json::Value>>) {
        let mut state = self.shared.state();
        state.tag_pages = pages;
        state.tag_change_number = change_number;
    }

    /// Has every page of the Service Tag Discovery API name this one as the next, whatever it is.
    pub fn set_next_link(&self, url: Option<&str>) {
        self.shared.state().next_link = url.map(str::to_owned);
    }

    /// The file that the mirror serves; its ETag changes with it.
    pub fn set_mirrored(&self, file: impl Into<Vec<u8>>) {
        self.shared.state().mirrored = file.into();
    }

    /// The requests seen so far, oldest first.
    #[must_use]
    pub fn requests(&self) -> Vec<Request> {
        self.shared.state().requests.clone()
    }

    /// How many requests `service` has seen.
    #[must_use]
    pub fn count(&self, service: Service) -> usize {
        let state = self.shared.state();
        let seen = state.requests.iter();
        seen.filter(|request| request.service == service).count()
    }

    /// Waits until `service` has seen `more` requests that `wanted` holds of, counted from now on.
    ///
    /// # Errors
    /// When they do not come within `limit`.
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
                bail!("{service:?} was not asked {more} times within {limit:?}: {seen:#?}");
            }
            std::thread::sleep(LOOK);
        }
    }

    /// Everything that nobody may learn: tokens, the agent's secrets, and what the principal proves itself with.
    #[must_use]
    pub fn secrets(&self) -> BTreeSet<String> {
        let mut secrets = self.shared.state().secrets.clone();
        secrets.extend(self.principal.secrets());
        secrets
    }
}

impl Azure {
    /// Waits until the sockets of `service` are there, or are not.
    fn await_sockets(&self, service: Service) {
        let is_open = self.shared.fault(service) != Some(Fault::Refused);
        let (_netns, addresses) = self.network.of(service);
        let is_settled = |address| self.shared.state().open.contains(address) == is_open;
        while !addresses.iter().all(is_settled) && !self.has_stopped() {
            std::thread::sleep(LOOK);
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
                crate::fixtures::process::complain("a thread of the stand-in of Azure panicked");
            }
        }
    }
}
