//! Names, addresses, configurations and lookups of the simulated host.

use std::time::Duration;

use super::super::event::{CgroupRef, ResolverSet, Surroundings, TargetCgroups};
use super::super::start::Start;
use super::super::state::Run;
use super::model::Maps;
use crate::config::{REGISTRY_TAG, STORAGE_TAG, Target};
use crate::now::Now;
use crate::sources::Sources;
use crate::state::State as SavedAddresses;

/// Maximum TTL of an answer.
pub(super) const MAX_TTL: Duration = Duration::from_secs(60);
pub(super) const NAMES: [&str; 2] = ["contoso.azurecr.io", "fabrikam.azurecr.io"];
/// Three addresses in the registries' service tag, two of a private endpoint, and one of another service, refused for every name.
pub(super) const ADDRESSES: [&str; 6] = [
    "20.42.66.1",
    "20.42.66.2",
    "20.42.66.3",
    "10.1.0.4",
    "10.1.0.5",
    "20.60.0.9",
];

/// Returns the configurations to start with and to reload.
pub(super) fn configurations() -> Vec<Sources> {
    let registry = |name: &str| {
        format!("[[registry]]\nlogin-server = \"{name}\"\nprivate-endpoints = [\"10.1.0.0/24\"]\n")
    };
    let [contoso, fabrikam] = NAMES.map(registry);
    let exception = "[[exception]]\nreason = \"logs\"\ncgroup = \"/agent\"\ncidrs = [\"203.0.113.7/32\"]\n\
        names = [\"logs.example.com\"]\nuntil = 2999-01-01T00:00:00Z\n";
    let texts = [
        contoso.clone(),
        format!("{contoso}{fabrikam}"),
        format!("{contoso}{exception}"),
        format!("mode = \"audit\"\n{fabrikam}"),
        "registry = []\n".to_owned(),
    ];
    texts.iter().map(|text| with_few_prefixes(text)).collect()
}

/// Returns the sources of a configuration, with few service-tag prefixes so that they compile fast.
fn with_few_prefixes(text: &str) -> Sources {
    let mut sources = Sources::of_text(text);
    sources.given.tags.families.clear();
    for (tag, prefix) in [
        (REGISTRY_TAG, "20.42.66.0/24"),
        (STORAGE_TAG, "20.60.0.0/16"),
    ] {
        let prefixes = [prefix.parse().unwrap()].into_iter().collect();
        sources.given.tags.families.insert(tag.to_owned(), prefixes);
    }
    sources.given.tags.registry_regions.clear();
    sources.tags = sources.given.tags.clone();
    sources
}

pub(super) fn now(since_start: Duration) -> Now {
    Now::after(since_start)
}

pub(super) fn resolvers() -> ResolverSet {
    ResolverSet {
        ask: vec!["10.0.0.53:53".parse().unwrap()],
        exempt: vec!["10.0.0.53".parse().unwrap()],
    }
}

pub(super) fn surroundings(maps: &Maps, agent_runs: bool) -> Surroundings {
    let agent = CgroupRef {
        id: 40,
        level: 1,
        path: "/agent".into(),
    };
    let cgroups = Vec::from_iter(agent_runs.then_some(agent));
    Surroundings {
        scope_is_current: true,
        own_cgroup: None,
        cgroups: TargetCgroups(vec![(Target::Cgroup("/agent".into()), Ok(cgroups))]),
        observations: Ok(maps.listed()),
        settings: Ok(maps.settings),
    }
}

pub(super) fn start(
    sources: &Sources,
    maps: &Maps,
    saved: Option<SavedAddresses>,
    agent_runs: bool,
) -> Start {
    Start {
        run: Run {
            ephemeral: false,
            scope: "/".into(),
            config: None,
            pid: 1,
            started: now(Duration::ZERO).wall,
            network: 0,
            seed: 1,
        },
        sources: sources.clone(),
        refused: None,
        hosts: Vec::new(),
        persisted: Default::default(),
        addresses: Ok(saved),
        held: maps.read(),
        settings: maps.settings,
        is_takeover: false,
        allowed_by_others: Ok(Vec::new()),
        judged_cgroup: None,
        local_addresses: Vec::new(),
        resolvers: Ok(resolvers()),
        surroundings: surroundings(maps, agent_runs),
    }
}
