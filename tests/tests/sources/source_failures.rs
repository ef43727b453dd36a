//! Every way in which a source can fail: what was known stays, it is told, and it mends by itself.

use std::thread;

use anyhow::{Context, Result, anyhow, ensure};
use lab::{
    azure::{Azure, Fault, SUBSCRIPTION, Service},
    fixtures::replicas::{Replica, renumbered},
};

use crate::{
    fixture::{Stage, azure, by_resource, with_secret},
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

/// A daemon whose sources fail together.
struct Scenario {
    name: &'static str,
    /// What fails.
    services: &'static [Service],
    /// How many sources that are.
    sources: usize,
    protect: String,
    credential: fn(&Azure) -> String,
    faults: &'static [Fault],
}

/// Side by side, as all of them wait most of the time.
#[test]
fn each_error_of_each_source_changes_nothing_is_told_and_mends_by_itself() -> Result<()> {
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
            .map(|scenario| scope.spawn(|| play(scenario).with_context(|| scenario.name)))
            .collect();
        let mut ended = running.into_iter().map(|thread| thread.join());
        ended.try_for_each(|ended| ended.map_err(|_panic| anyhow!("a panic"))?)
    })
}

fn play(scenario: &Scenario) -> Result<()> {
    let mut stage = Stage::prepare()?;
    let replica = Replica::number(0);
    replica.appear(&stage.lab)?;
    stage
        .azure
        .set_data_endpoints(&["contoso.eastus.data.azurecr.io", &replica.host]);
    stage
        .azure
        .set_mirrored(std::fs::read(stage.lab.world().service_tags())?);
    let tags = renumbered(stage.lab.world().service_tags(), 1)?;
    let tags = tags["values"].as_array().cloned().unwrap_or_default();
    stage.azure.set_tag_pages(1, vec![tags]);
    if scenario.sources == 1 {
        // Each question needs a token of its own.
        stage.azure.set_token_life(60);
    }
    for service in scenario.services {
        stage.azure.mend(*service);
    }
    let credential = (scenario.credential)(&stage.azure);
    stage.start(&by_resource(), &scenario.protect, &azure(&credential))?;
    stage.await_replica(&replica)?;
    stage.await_mended()?;
    for fault in scenario.faults {
        fails(&stage, scenario, *fault, &replica).with_context(|| format!("{fault:?}"))?;
    }
    stage.secrets_are_nowhere()?;
    starts_without(&mut stage, scenario, &replica)
}

fn fails(stage: &Stage, scenario: &Scenario, fault: Fault, replica: &Replica) -> Result<()> {
    let known = || anyhow::Ok(hosts(&serde_json::to_value(stage.enforcer.told()?)?));
    let before = known()?;
    for service in scenario.services {
        stage.azure.fail(*service, fault);
    }
    stage.await_failing(scenario.sources)?;
    ensure!(known()? == before, "{:?}, not {before:?}", known()?);
    stage.pulls_from(replica)?;
    for service in scenario.services {
        stage.azure.mend(*service);
    }
    stage.await_mended()
}

/// What the sources said outlives the daemon.
fn starts_without(stage: &mut Stage, scenario: &Scenario, replica: &Replica) -> Result<()> {
    for service in scenario.services {
        stage.azure.fail(*service, Fault::Refused);
    }
    stage.end()?;
    stage.run()?;
    stage.await_failing(scenario.sources)?;
    stage.await_replica(replica)?;
    stage.pulls_from(replica)?;
    for service in scenario.services {
        stage.azure.mend(*service);
    }
    stage.await_mended()
}
