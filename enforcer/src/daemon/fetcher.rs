//! Fetches sources over HTTPS.

use std::rc::Rc;

use tokio::task::JoinSet;

use crate::azure::resource_manager::AzureClient;
use crate::config::{self, Cloud, Config};
use crate::core::FetchBatch;
use crate::name::Name;
use crate::sources::{Fetched, fetches};

/// The client of the last used identity.
#[derive(Default)]
pub(super) struct Fetcher {
    client: Option<(config::Azure, Cloud, Rc<AzureClient>)>,
}

impl Fetcher {
    /// Returns the hosts that the sources of `config` are fetched from.
    pub(super) fn hosts(config: &Config) -> Vec<Name> {
        if !fetches(config) {
            return Vec::new();
        }
        let client = AzureClient::new(&config.azure, config.protect.cloud);
        client.hosts(config).into_iter().collect()
    }

    /// Starts the requests of `batch`, each in a separate task.
    pub(super) fn fetch(&mut self, batch: FetchBatch, tasks: &mut JoinSet<Fetched>) {
        let client = self.client(&batch);
        for request in batch.requests {
            let (client, reach) = (client.clone(), batch.reach.clone());
            tasks.spawn_local(async move { request.run(&client, &reach).await });
        }
    }

    fn client(&mut self, batch: &FetchBatch) -> Rc<AzureClient> {
        if let Some((azure, cloud, client)) = &self.client
            && *azure == batch.azure
            && *cloud == batch.cloud
        {
            return client.clone();
        }
        let client = Rc::new(AzureClient::new(&batch.azure, batch.cloud));
        self.client = Some((batch.azure.clone(), batch.cloud, client.clone()));
        client
    }
}
