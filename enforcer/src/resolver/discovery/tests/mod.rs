//! Discovery in simulated time, with the tags of the bundle.

mod persist;
mod properties;
mod rate_limit;

use std::sync::LazyLock;

use super::*;
use crate::azure::bundle;
use crate::azure::regions;
use crate::resolver::answer::{LookupFailure, Resolved};

const HOUR: Duration = Duration::from_secs(3600);
/// A front end in East US from public documentation.
const EAST_US: &str = "20.42.66.0";

fn at(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

fn name(text: &str) -> Name {
    text.parse().unwrap()
}

fn contoso() -> Name {
    name("contoso.azurecr.io")
}

fn east_us() -> Name {
    name("contoso.eastus.data.azurecr.io")
}

fn tags() -> &'static TagSnapshot {
    static TAGS: LazyLock<TagSnapshot> = LazyLock::new(|| bundle::load(Cloud::Public).unwrap());
    &TAGS
}

fn registry(login_server: &str) -> Registry {
    Registry {
        custom_domain: None,
        login_server: name(login_server),
        regions: Vec::new(),
        discover: true,
        data_endpoints: Vec::new(),
        endpoints_file: None,
        resource_id: None,
        private_endpoints: vec!["10.1.0.0/24".parse().unwrap()],
        patterns: Vec::new(),
        sni: crate::config::Sni::Required,
    }
}

fn set(discovery: &mut Discovery, registries: &[Registry], now: Duration) {
    let regions = regions::all(tags(), &[]);
    discovery.set(registries, Cloud::Public, &regions, HOUR, now);
}

fn discovery() -> Discovery {
    let mut discovery = Discovery::new(7);
    set(&mut discovery, &[registry("contoso.azurecr.io")], at(0));
    discovery
}

fn answer(addresses: &[&str]) -> Answer {
    let addresses: Vec<IpAddr> = addresses.iter().map(|text| text.parse().unwrap()).collect();
    let (v4, v6): (Vec<IpAddr>, Vec<IpAddr>) = addresses.into_iter().partition(IpAddr::is_ipv4);
    let family = |addresses: Vec<IpAddr>| {
        if addresses.is_empty() {
            return Err(LookupFailure::NoAddress { ttl: None });
        }
        Ok(Resolved {
            addresses,
            ttl: at(10),
            chain: Vec::new(),
        })
    };
    Answer {
        v4: family(v4),
        v6: family(v6),
    }
}

fn failed(failure: LookupFailure) -> Answer {
    Answer {
        v4: Err(failure.clone()),
        v6: Err(failure),
    }
}

fn tell(discovery: &mut Discovery, name: &Name, answer: &Answer, now: Duration) -> bool {
    discovery.answered(name, answer, tags(), &|address| address, now)
}

fn replicas(discovery: &Discovery, now: Duration) -> Vec<String> {
    let replicas = discovery.replicas(&contoso(), now).into_iter();
    replicas
        .map(|replica| replica.endpoint.origin.to_string())
        .collect()
}

/// When the next query of the name is due.
fn next_query(discovery: &Discovery, name: &Name) -> Duration {
    discovery.probes[name].query.next()
}

#[test]
fn a_name_with_addresses_of_its_region_is_an_endpoint_at_once() {
    let mut discovery = discovery();
    assert!(tell(&mut discovery, &east_us(), &answer(&[EAST_US]), at(3)));
    assert!(!tell(
        &mut discovery,
        &east_us(),
        &answer(&[EAST_US]),
        at(10)
    ));
    let found: Vec<Replica> = discovery.replicas(&contoso(), at(15));
    assert_eq!(found.len(), 1);
    assert_eq!(found[0].endpoint.name, east_us());
    assert_eq!(found[0].endpoint.origin.to_string(), "DNS, region eastus");
    assert_eq!(found[0].age, at(5));
    assert_eq!(
        discovery.replicas(&name("other.azurecr.io"), at(15)).len(),
        0
    );
}

#[test]
fn a_configured_private_endpoint_confirms_any_region() {
    let mut discovery = discovery();
    assert!(tell(
        &mut discovery,
        &east_us(),
        &answer(&["10.1.0.7"]),
        at(0)
    ));
    let (other, address) = (
        name("contoso.westus.data.azurecr.io"),
        answer(&["10.2.0.7"]),
    );
    assert!(!tell(&mut discovery, &other, &address, at(0)));
}

#[test]
fn one_address_elsewhere_rejects_the_answer_and_is_reported() {
    let mut discovery = discovery();
    for elsewhere in ["52.239.169.228", "192.0.2.1", "127.0.0.1", "2001:db8::1"] {
        let mixed = answer(&[EAST_US, elsewhere]);
        assert!(!tell(&mut discovery, &east_us(), &mixed, at(0)));
        let told: Vec<_> = discovery.elsewhere(&contoso()).collect();
        assert_eq!(told, [(&east_us(), &[elsewhere.parse().unwrap()][..])]);
    }
    assert_eq!(replicas(&discovery, at(0)), [""; 0]);
    discovery.tags_changed(at(5));
    assert_eq!(next_query(&discovery, &east_us()), at(5));
    tell(&mut discovery, &east_us(), &answer(&[]), at(6));
    assert_eq!(discovery.elsewhere(&contoso()).count(), 0);
}

#[test]
fn the_address_inside_a_nat64_one_counts() {
    let mut discovery = discovery();
    let translated = answer(&["64:ff9b::142a:4200"]);
    assert!(!tell(&mut discovery, &east_us(), &translated, at(0)));
    let judged = |_: IpAddr| EAST_US.parse().unwrap();
    assert!(discovery.answered(&east_us(), &translated, tags(), &judged, at(0)));
}

#[test]
fn an_endpoint_is_removed_after_three_absences_in_a_row() {
    let mut discovery = discovery();
    let (here, gone) = (answer(&[EAST_US]), failed(LookupFailure::NxDomain));
    tell(&mut discovery, &east_us(), &here, at(0));
    for other in [here, answer(&["192.0.2.1"])] {
        assert!(!tell(&mut discovery, &east_us(), &gone, at(10)));
        assert!(!tell(&mut discovery, &east_us(), &gone, at(10)));
        assert!(!tell(&mut discovery, &east_us(), &other, at(10)));
        assert_eq!(replicas(&discovery, at(10)).len(), 1);
    }
    assert!(!tell(&mut discovery, &east_us(), &gone, at(20)));
    let wait = next_query(&discovery, &east_us()) - at(20);
    assert!((at(300)..=at(330)).contains(&wait), "{wait:?}");
    assert!(!tell(&mut discovery, &east_us(), &answer(&[]), at(320)));
    assert!(tell(&mut discovery, &east_us(), &gone, at(620)));
    assert_eq!(replicas(&discovery, at(620)), [""; 0]);
    assert!(next_query(&discovery, &east_us()) >= at(620) + HOUR);
}

#[test]
fn failures_change_nothing_and_retries_back_off() {
    let mut discovery = discovery();
    tell(&mut discovery, &east_us(), &answer(&[EAST_US]), at(0));
    let mut now = at(10);
    for shortest in [60, 120, 240, 480, 960, 1920, 3270, 3270] {
        let half = Answer {
            v4: Err(LookupFailure::Timeout),
            ..answer(&[])
        };
        assert!(!tell(&mut discovery, &east_us(), &half, now));
        let wait = next_query(&discovery, &east_us()) - now;
        assert!(wait >= at(shortest) && wait <= HOUR, "{wait:?}");
        now += wait;
    }
    assert_eq!(replicas(&discovery, now).len(), 1);
}

#[test]
fn discovery_fails_once_no_name_gets_an_answer() {
    let mut discovery = discovery();
    let names: Vec<Name> = discovery.probes.keys().cloned().collect();
    let (last, others) = names.split_last().unwrap();
    let silent = failed(LookupFailure::Timeout);
    tell(&mut discovery, &others[0], &answer(&[]), at(1));
    for (second, name) in (2..).zip(others) {
        tell(&mut discovery, name, &silent, at(second));
        assert_eq!(discovery.failing(), None);
    }
    tell(&mut discovery, last, &silent, at(100));
    let failing = discovery.failing().unwrap();
    assert_eq!(
        (failing.since, &failing.error),
        (at(2), &LookupFailure::Timeout)
    );
    tell(
        &mut discovery,
        last,
        &failed(LookupFailure::NxDomain),
        at(101),
    );
    assert_eq!(discovery.failing(), None);
    assert_eq!(Discovery::new(1).failing(), None);
}

#[test]
fn only_registries_with_discovery_and_regional_names_are_probed() {
    let mut discovery = Discovery::new(7);
    let listed = Registry {
        discover: false,
        ..registry("listed.azurecr.io")
    };
    let hashed = registry("contoso-e7ggejfuhzhgedc8.azurecr.io");
    set(&mut discovery, &[listed, hashed], at(0));
    assert_eq!(discovery.next_wake(&RateLimiter::default()), None);
}

#[test]
fn a_changed_configuration_keeps_replicas_of_registries_that_stay() {
    let mut discovery = discovery();
    let more = ["newregion".to_owned()].into();
    let of = [registry("contoso.azurecr.io"), registry("other.azurecr.io")];
    tell(&mut discovery, &east_us(), &answer(&[EAST_US]), at(0));
    discovery.set(&of, Cloud::Public, &more, HOUR, at(1));
    assert_eq!(replicas(&discovery, at(1)), ["DNS, region eastus"]);
    assert!(next_query(&discovery, &east_us()) >= HOUR);
    assert_eq!(discovery.probes.len(), 3);
    discovery.set(&of, Cloud::Public, &more, at(60), at(2));
    assert_eq!(next_query(&discovery, &east_us()), at(62));
    discovery.set(&of[1..], Cloud::Public, &more, HOUR, at(3));
    assert_eq!(replicas(&discovery, at(3)), [""; 0]);
    assert!(!tell(
        &mut discovery,
        &east_us(),
        &answer(&[EAST_US]),
        at(4)
    ));
}
