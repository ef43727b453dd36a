//! The daemon's own exception for its sources applies to no other process.

use std::net::IpAddr;

use anyhow::{Context, Result};
use lab::{
    azure::{Service, address_of},
    fixtures::{process::run, process_env::ProcessEnv, replicas::Replica},
};

use crate::fixture::{Fixture, LIMIT, azure, by_resource, with_secret};

const SERVICES: [Service; 3] = [Service::ResourceManager, Service::Entra, Service::Mirror];

const PROTECT: &str = "default = \"deny\"
service-tags-url = \"https://mirror.example.org/ServiceTags_Public.json\"
service-tags-poll = \"2s\"";

#[test]
fn resource_manager_and_entra_are_allowed_for_the_daemon_only() -> Result<()> {
    let mut fixture = Fixture::prepare()?;
    let own = fixture.lab.device_cgroup().child("daemon")?;
    let sibling = fixture.lab.device_cgroup().child("sibling")?;
    let others = [fixture.lab.device(), fixture.lab.device_in(&sibling)];
    let addresses = addresses()?;
    for address in &addresses {
        assert!(
            fixture.reaches(*address)?,
            "{address} is unreachable before enforcement"
        );
    }
    fixture.enforcer.move_to(own);
    let replica = Replica::number(0);
    replica.appear(&fixture.lab)?;
    fixture
        .azure
        .set_data_endpoints(&["contoso.eastus.data.azurecr.io", &replica.host]);
    fixture
        .azure
        .set_mirrored(std::fs::read(fixture.lab.network().service_tags())?);
    fixture.start(
        &by_resource(),
        PROTECT,
        &azure(&with_secret(&fixture.azure)),
    )?;
    fixture.await_replica(&replica)?;
    fixture.await_sources_recovered()?;
    for service in SERVICES {
        assert!(
            fixture.azure.count(service) > 0,
            "{service:?} received no request"
        );
    }
    for env in &others {
        for address in &addresses {
            assert!(
                !fixture.reaches_from(env, *address)?,
                "{address} is allowed"
            );
            assert!(datagram(env, *address)?.contains("Operation not permitted"));
        }
    }
    fixture.pulls_from(&replica)?;
    // The daemon continues to poll.
    fixture
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

/// Sends a datagram with bash and returns its standard error.
fn datagram(env: &ProcessEnv, address: IpAddr) -> Result<String> {
    let mut bash = env.command("bash");
    bash.arg("-c")
        .arg(format!("echo data >/dev/udp/{address}/443"));
    Ok(run(bash, LIMIT)?.stderr)
}
