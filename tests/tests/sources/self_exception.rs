//! What the daemon opens for itself is open to nobody else.

use std::net::IpAddr;

use anyhow::{Context, Result};
use lab::{
    azure::{Service, address_of},
    fixtures::{process::run, process_env::Place, replicas::Replica},
};

use crate::fixture::{LIMIT, Stage, azure, by_resource, with_secret};

const SERVICES: [Service; 3] = [Service::ResourceManager, Service::Entra, Service::Mirror];

const PROTECT: &str = "default = \"deny\"
service-tags-url = \"https://mirror.example.org/ServiceTags_Public.json\"
service-tags-poll = \"2s\"";

#[test]
fn resource_manager_and_entra_are_open_to_the_daemon_and_to_nobody_else() -> Result<()> {
    let mut stage = Stage::prepare()?;
    let own = stage.lab.device_cgroup().child("daemon")?;
    let sibling = stage.lab.device_cgroup().child("sibling")?;
    let others = [stage.lab.device(), stage.lab.device_in(&sibling)];
    let addresses = addresses()?;
    for address in &addresses {
        assert!(stage.reaches(*address)?, "{address} tells nothing");
    }
    stage.enforcer.move_to(own);
    let replica = Replica::number(0);
    replica.appear(&stage.lab)?;
    stage
        .azure
        .set_data_endpoints(&["contoso.eastus.data.azurecr.io", &replica.host]);
    stage
        .azure
        .set_mirrored(std::fs::read(stage.lab.world().service_tags())?);
    stage.start(&by_resource(), PROTECT, &azure(&with_secret(&stage.azure)))?;
    stage.await_replica(&replica)?;
    stage.await_mended()?;
    for service in SERVICES {
        assert!(stage.azure.count(service) > 0, "{service:?} was not asked");
    }
    for place in &others {
        for address in &addresses {
            assert!(!stage.reaches_from(place, *address)?, "{address} is open");
            assert!(datagram(place, *address)?.contains("Operation not permitted"));
        }
    }
    stage.pulls_from(&replica)?;
    // It goes on asking.
    stage
        .azure
        .await_requests(Service::ResourceManager, 2, LIMIT, |request| {
            request.status == 200
        })
}

fn addresses() -> Result<Vec<IpAddr>> {
    let of = |service| address_of(service).context("an address");
    let found: Result<Vec<[IpAddr; 2]>> = SERVICES.into_iter().map(of).collect();
    Ok(found?.concat())
}

/// What bash said when it sent a datagram.
fn datagram(place: &Place, address: IpAddr) -> Result<String> {
    let mut bash = place.command("bash");
    bash.arg("-c")
        .arg(format!("echo data >/dev/udp/{address}/443"));
    Ok(run(bash, LIMIT)?.stderr)
}
