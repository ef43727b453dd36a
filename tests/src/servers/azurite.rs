//! Azurite, Microsoft's storage emulator: the storage accounts of a bad actor and of contoso behind one address.

use std::{
    net::{Ipv4Addr, SocketAddrV4},
    time::Duration,
};

use anyhow::Result;

use crate::{
    ScratchDir,
    fixtures::{
        server::{Server, accepts},
        tool_cache::ToolCache,
    },
    topology::{netns::Netns, network::Network},
};

/// The emulator's address behind the front end, inside the cloud.
pub(crate) const AZURITE: SocketAddrV4 = SocketAddrV4::new(Ipv4Addr::LOCALHOST, 10000);

/// The host name of contoso's account.
pub const CONTOSO_HOST: &str = "contosologs.blob.core.windows.net";
/// The host name of contoso's account in an Azure DNS zone.
pub const CONTOSO_ZONE_HOST: &str = "contosologs.z12.blob.storage.azure.net";
/// The host name of the bad actor's account.
pub const HOST: &str = "evil.blob.core.windows.net";
/// The name of the bad actor's account, the first label of its host name.
pub const ACCOUNT: &str = "evil";
/// The accounts' key in base64, valid for this emulator only.
pub const ACCOUNT_KEY: &str = "bm90IGEgc2VjcmV0OiB0aGUgbGFiJ3Mgb3duIHN0b3JhZ2UgZW11bGF0b3I=";

/// The running emulator.
#[derive(Debug)]
pub struct Azurite {
    server: Server,
    cloud: Netns,
}

impl Azurite {
    /// Starts the emulator in the cloud with empty storage in `scratch`.
    ///
    /// # Errors
    /// When it cannot be started.
    pub(crate) fn start(
        cache: &ToolCache,
        network: &Network,
        scratch: &ScratchDir,
    ) -> Result<Self> {
        let mut command = network.cloud_env().command("node");
        command
            .arg(cache.path("npm/node_modules/azurite/dist/src/blob/main.js"))
            .args(["--silent", "--disableTelemetry", "--skipApiVersionCheck"])
            .args(["--blobHost", &AZURITE.ip().to_string()])
            .args(["--blobPort", &AZURITE.port().to_string()])
            .arg("--location")
            .arg(scratch.dir("azurite-data")?)
            .env(
                "AZURITE_ACCOUNTS",
                format!("{ACCOUNT}:{ACCOUNT_KEY};contosologs:{ACCOUNT_KEY}"),
            );
        Ok(Self {
            server: Server::start("azurite", command, scratch.path())?,
            cloud: network.cloud().clone(),
        })
    }

    /// Waits until it accepts connections.
    ///
    /// # Errors
    /// When it ends or accepts none within 20 s.
    pub(crate) fn await_ready(&mut self) -> Result<()> {
        let cloud = &self.cloud;
        self.server.await_ready(Duration::from_secs(20), || {
            cloud.run(|| Ok(accepts(AZURITE.into()))).unwrap_or(false)
        })
    }
}
