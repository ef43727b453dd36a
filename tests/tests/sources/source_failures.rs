//! Every kind of source failure: the last good data stays, an alarm is raised, and the source recovers by itself.

use std::thread;

use anyhow::{Context, Result, anyhow, ensure};
use lab::{
    azure::{Azure, Fault, SUBSCRIPTION, Service},
    fixtures::replicas::{Replica, renumbered},
};

use crate::{
    fixture::{Fixture, azure, by_resource, with_secret},
    status::hosts,
};

const FAULTS: [Fault; 10] = [
    Fault::Status(401),
    Fault::Status(403),
    Fault::Status(404),
    Fault::Throttled(1),
    Fault::Status(500),
    Fault::Truncated,
    Fault::NotJson,
    Fault::OtherJson,
    Fault::HangsUp,
    Fault::Refused,
];

/// A daemon with sources that fail together.
struct Scenario {
    name: &'static str,
    /// The failing services.
    services: &'static [Service],
    /// Number of failing sources.
    sources: usize,
    protect: String,
    credential: fn(&Azure) -> String,
    faults: &'static [Fault],
}

/// Scenarios run in parallel, because they mostly wait.
#[test]
fn every_failure_of_every_source_changes_nothing_raises_an_alarm_and_recovers() -> Result<()> {
    let identity = |name, services, credential| Scenario {
        name,
        services,
        sources: 1,
        protect: String::new(),
        credential,
        faults: &FAULTS,
    };
    let scenarios = [
        Scenario {
            name: "Resource Manager, a mirror, the Discovery API",
            services: &[Service::ResourceManager, Service::Mirror],
            sources: 3,
            protect: format!(
                "service-tags-url = \"https://mirror.example.org/ServiceTags_Public.json\"\n\
                 service-tags-subscription = {SUBSCRIPTION:?}\nservice-tags-poll = \"2s\""
            ),
            credential: with_secret,
            faults: &FAULTS,
        },
        identity("Entra", &[Service::Entra], with_secret),
        identity("managed identity", &[Service::Imds], |_azure| {
            "credential = \"managed-identity\"".to_owned()
        }),
        identity("Azure Arc", &[Service::Arc], |_azure| {
            "credential = \"arc\"".to_owned()
        }),
    ];
    thread::scope(|scope| {
        let running: Vec<_> = scenarios
            .iter()
            .map(|scenario| scope.spawn(|| run(scenario).with_context(|| scenario.name)))
            .collect();
        let mut ended = running.into_iter().map(|thread| thread.join());
        ended.try_for_each(|ended| ended.map_err(|_panic| anyhow!("a thread panicked"))?)
    })
}

fn run(scenario: &Scenario) -> Result<()> {
    let mut fixture = Fixture::prepare()?;
    let replica = Replica::number(0);
    replica.appear(&fixture.lab)?;
    fixture
        .azure
        .set_data_endpoints(&["contoso.eastus.data.azurecr.io", &replica.host]);
    fixture
        .azure
        .set_mirrored(std::fs::read(fixture.lab.network().service_tags())?);
    let tags = renumbered(fixture.lab.network().service_tags(), 1)?;
    let tags = tags["values"].as_array().cloned().unwrap_or_default();
    fixture.azure.set_tag_pages(1, vec![tags]);
    if scenario.sources == 1 {
        // Every request needs a new token.
        fixture.azure.set_token_lifetime(60);
    }
    for service in scenario.services {
        fixture.azure.recover(*service);
    }
    let credential = (scenario.credential)(&fixture.azure);
    fixture.start(&by_resource(), &scenario.protect, &azure(&credential))?;
    fixture.await_replica(&replica)?;
    fixture.await_sources_recovered()?;
    for fault in scenario.faults {
        check_failure(&fixture, scenario, *fault, &replica)
            .with_context(|| format!("{fault:?}"))?;
    }
    fixture.check_no_secret_leaks()?;
    check_restart_during_failure(&mut fixture, scenario, &replica)
}

fn check_failure(
    fixture: &Fixture,
    scenario: &Scenario,
    fault: Fault,
    replica: &Replica,
) -> Result<()> {
    let known = || {
        anyhow::Ok(hosts(&serde_json::to_value(
            fixture.enforcer.api_status()?,
        )?))
    };
    let before = known()?;
    for service in scenario.services {
        fixture.azure.fail(*service, fault);
    }
    fixture.await_source_failures(scenario.sources)?;
    ensure!(known()? == before, "{:?}, not {before:?}", known()?);
    fixture.pulls_from(replica)?;
    for service in scenario.services {
        fixture.azure.recover(*service);
    }
    fixture.await_sources_recovered()
}

/// Checks that the last good data survives a restart while the sources fail.
fn check_restart_during_failure(
    fixture: &mut Fixture,
    scenario: &Scenario,
    replica: &Replica,
) -> Result<()> {
    for service in scenario.services {
        fixture.azure.fail(*service, Fault::Refused);
    }
    fixture.end()?;
    fixture.run()?;
    fixture.await_source_failures(scenario.sources)?;
    fixture.await_replica(replica)?;
    fixture.pulls_from(replica)?;
    for service in scenario.services {
        fixture.azure.recover(*service);
    }
    fixture.await_sources_recovered()
}
