//! Answers that allow their addresses.

use std::net::{IpAddr, Ipv6Addr};

use anyhow::Result;
use enforcer::sys::boot_clock;
use enforcer_common::{ObservationOutcome, layout::AddressGrant};
use lab::{
    bpf::loaded_policy,
    topology::addresses::{RESOLVER_V4, RESOLVER_V6},
};
use test_data::dns::{
    Message, QUESTION_NAME, TTL,
    record_type::{A, AAAA},
};

use super::fixture::{ACCOUNT, DnsFixture, LINGER, REGISTRY, STUB, outcomes};
use super::lookup::{Lookup, LookupResult, grants, ip};
use super::scripted_server::Server;

const V4: &str = "198.51.100.77";
const V6: &str = "2001:db8:acc::77";
const SECOND: u64 = 1_000_000_000;
/// Size of the largest datagram that servers send (DNS flag day 2020).
const LARGEST: usize = 1232;

fn found(count: usize) -> LookupResult {
    LookupResult {
        errno: None,
        replies: 1,
        found: vec![true; count],
    }
}

/// Starts a server in the cloud with the same answer to every query.
pub(super) fn start_server(
    fixture: &DnsFixture,
    answer: impl Fn(Message) -> Message + Send + 'static,
) -> Result<Server> {
    start_server_at(fixture, RESOLVER_V4.into(), answer)
}

/// As [`start_server`], at another address.
pub(super) fn start_server_at(
    fixture: &DnsFixture,
    address: IpAddr,
    answer: impl Fn(Message) -> Message + Send + 'static,
) -> Result<Server> {
    let script = move |query: &[u8]| vec![(0, answer(Message::response_to(query)).0)];
    Server::start(fixture.base.network.cloud(), address, &[], Box::new(script))
}

/// Answers with the registry's address of the queried family.
fn registry(query: &[u8]) -> Vec<(usize, Vec<u8>)> {
    let asked_v6 = query.get(query.len() - 3) == Some(&(AAAA as u8));
    let address = ip(if asked_v6 { V6 } else { V4 });
    vec![(
        0,
        Message::response_to(query)
            .address(QUESTION_NAME, address)
            .0,
    )]
}

#[test]
fn an_answer_allows_its_addresses_before_the_client_receives_it() -> Result<()> {
    let mut fixture = DnsFixture::new()?;
    let network = &fixture.base.network;
    let start = |netns, address| Server::start(netns, address, &[], Box::new(registry));
    let _remote = start(network.cloud(), RESOLVER_V4.into())?;
    let _remote_v6 = start(network.cloud(), RESOLVER_V6.into())?;
    let _stub = start(network.device(), ip(STUB))?;
    for server in [RESOLVER_V4.into(), RESOLVER_V6.into(), ip(STUB)] {
        for method in ["connected", "unconnected"] {
            for (kind, address) in [(A, ip(V4)), (AAAA, ip(V6))] {
                fixture.forget()?;
                let lookup = Lookup::once(server, REGISTRY, kind).by(method);
                let results = fixture.ask(&[lookup.look(&grants(0, address, 1))])?;
                assert_eq!(results, [found(2)], "{server} {method} {address}");
                assert_eq!(fixture.snooped_count()?, 2, "{server} {method} {address}");
            }
        }
    }
    Ok(())
}

#[test]
fn aliases_are_followed_and_every_address_is_allowed() -> Result<()> {
    let fixture = DnsFixture::new()?;
    let addresses: Vec<IpAddr> = (1..=24).map(|last| [198, 51, 100, last].into()).collect();
    let listed = addresses.clone();
    let _server = start_server(&fixture, move |answer| {
        let chain = answer
            .alias("CONTOSO.azurecr.io", "r.trafficmanager.net")
            .alias("R.trafficmanager.net", "eus.cloudapp.azure.com");
        let owner = "eus.CloudApp.azure.com";
        let with = |answer: Message, address: &IpAddr| answer.address(owner, *address);
        listed.iter().fold(chain, with)
    })?;
    let keys: Vec<AddressGrant> = addresses
        .iter()
        .flat_map(|address| grants(0, *address, 1))
        .collect();
    let lookup = Lookup::once(RESOLVER_V4.into(), "Contoso.AzureCR.io", A).look(&keys);
    assert_eq!(fixture.ask(&[lookup])?, [found(48)]);
    assert_eq!(fixture.snooped_count()?, 48);
    Ok(())
}

#[test]
fn the_order_of_records_in_an_answer_does_not_matter() -> Result<()> {
    let fixture = DnsFixture::new()?;
    let address: IpAddr = [198, 51, 100, 77].into();
    let _server = start_server(&fixture, move |answer| {
        answer
            .address("eus-3.fe.azcr.io", address)
            .alias("eus.trafficmanager.net", "eus-3.fe.azcr.io")
            .alias("contoso.azurecr.io", "eus.trafficmanager.net")
    })?;
    let keys = grants(0, address, 1);
    let lookup = Lookup::once(RESOLVER_V4.into(), REGISTRY, A).look(&keys);
    assert_eq!(fixture.ask(&[lookup])?, [found(2)]);
    assert_eq!(fixture.snooped_count()?, 2);
    Ok(())
}

#[test]
fn an_answer_of_maximum_size_allows_all_its_addresses() -> Result<()> {
    let mut fixture = DnsFixture::new()?;
    for kind in [A, AAAA] {
        let (answer, addresses) = large(kind);
        let size = answer.0.len();
        assert!((1100..=LARGEST).contains(&size), "{size} bytes");
        assert!(addresses.len() >= 16, "{addresses:?}");
        let keys: Vec<AddressGrant> = addresses
            .iter()
            .flat_map(|address| grants(0, *address, 1))
            .collect();
        let _server = start_server(&fixture, move |_| answer.clone())?;
        fixture.forget()?;
        let lookup = Lookup::once(RESOLVER_V4.into(), REGISTRY, kind).look(&keys);
        assert_eq!(fixture.ask(&[lookup])?, [found(keys.len())]);
        assert_eq!(fixture.snooped_count()?, keys.len());
    }
    Ok(())
}

/// Returns an answer with two aliases and the maximum number of addresses.
fn large(kind: u16) -> (Message, Vec<IpAddr>) {
    let stamp = "eus-3-fe-0123456789abcdef.fe.azcr.io";
    let machine = "r0330eus-3.eastus.cloudapp.azure.com";
    let chain = Message::response(REGISTRY, kind).alias(REGISTRY, stamp);
    let mut answer = chain.alias(stamp, machine);
    let mut addresses = Vec::new();
    for last in 1.. {
        let address = match kind {
            A => [198, 51, 100, last].into(),
            _ => Ipv6Addr::new(0x2001, 0xdb8, 0xacc, 0, 0, 0, 0, last.into()).into(),
        };
        let longer = answer.clone().address(machine, address);
        if longer.0.len() > LARGEST {
            break;
        }
        answer = longer;
        addresses.push(address);
    }
    (answer, addresses)
}

#[test]
fn a_wildcard_matches_any_single_second_label() -> Result<()> {
    let mut fixture = DnsFixture::new()?;
    let _server = start_server(&fixture, |answer| answer.address(QUESTION_NAME, ip(V4)))?;
    let ask = |fixture: &mut DnsFixture, name: &str, key| -> Result<Vec<LookupResult>> {
        fixture.forget()?;
        let lookup = Lookup::once(RESOLVER_V4.into(), name, A);
        fixture.ask(&[lookup.look(&grants(0, ip(V4), key))])
    };
    for region in ["eastus", "x", "no-such-region"] {
        let name = format!("contoso.{region}.data.azurecr.io");
        assert_eq!(ask(&mut fixture, &name, 2)?, [found(2)], "{name}");
    }
    for name in [
        "contoso.a.b.data.azurecr.io",
        "contoso.data.azurecr.io",
        "evil.eastus.data.azurecr.io",
        "contoso.eastus.data.azurecr.com",
    ] {
        ask(&mut fixture, name, 2)?;
        assert_eq!(fixture.snooped_count()?, 0, "{name}");
    }
    Ok(())
}

#[test]
fn a_snooped_address_stays_for_the_linger_time_regardless_of_its_ttl() -> Result<()> {
    let fixture = DnsFixture::new()?;
    let _server = start_server(&fixture, |answer| answer.address(QUESTION_NAME, ip(V4)))?;
    let stays = LINGER;
    let before = boot_clock() + stays;
    fixture.ask(&[Lookup::once(RESOLVER_V4.into(), REGISTRY, A)])?;
    let after = boot_clock() + stays;
    let snooped = fixture.base.loaded.kernel.maps.snooped_grants()?;
    let mut ends: Vec<u64> = snooped.iter().map(|(_, deadline)| *deadline).collect();
    ends.dedup();
    assert_eq!(snooped.len(), 2);
    assert!(
        ends.iter().all(|end| (before..=after).contains(end)),
        "{ends:?}"
    );
    Ok(())
}

#[test]
fn every_address_is_reported_to_the_daemon() -> Result<()> {
    let fixture = DnsFixture::new()?;
    let _server = start_server(&fixture, |answer| {
        answer
            .address(QUESTION_NAME, ip(V4))
            .address(QUESTION_NAME, ip("198.51.100.78"))
    })?;
    let observations = fixture.observations(|| {
        fixture.ask(&[Lookup::once(RESOLVER_V4.into(), REGISTRY, A)])?;
        Ok(())
    })?;
    assert_eq!(
        outcomes(&observations),
        [(ObservationOutcome::Allowed, 1); 2]
    );
    let keys = [V4, "198.51.100.78"].map(|address| grants(0, ip(address), 1)[0].address);
    assert_eq!([observations[0].address, observations[1].address], keys);
    assert!(
        observations
            .iter()
            .all(|observation| observation.ttl == TTL && observation.time <= boot_clock())
    );
    Ok(())
}

#[test]
fn a_name_of_an_exception_allows_storage_for_its_unit_only() -> Result<()> {
    let fixture = DnsFixture::new()?;
    let address = ip("203.0.113.7");
    let _server = start_server(&fixture, move |answer| {
        answer.address(QUESTION_NAME, address)
    })?;
    let unit = loaded_policy::open(&fixture.base.device)?.id;
    let lookup = Lookup::once(RESOLVER_V4.into(), ACCOUNT, A).look(&grants(unit, address, 3));
    assert_eq!(fixture.ask(&[lookup])?, [found(2)]);
    assert_eq!(fixture.snooped_count()?, 2);
    Ok(())
}

#[test]
fn snooped_addresses_of_an_exception_end_with_it() -> Result<()> {
    let mut fixture = DnsFixture::new()?;
    let _server = start_server(&fixture, |answer| {
        answer.address(QUESTION_NAME, ip("203.0.113.7"))
    })?;
    let soon = boot_clock() + 60 * SECOND;
    let ask = |fixture: &DnsFixture| fixture.ask(&[Lookup::once(RESOLVER_V4.into(), ACCOUNT, A)]);
    fixture.apply(|inputs| inputs.names[2].scopes[0].deadline = soon)?;
    ask(&fixture)?;
    let snooped = fixture.base.loaded.kernel.maps.snooped_grants()?;
    assert_eq!(snooped.len(), 2);
    assert!(
        snooped.iter().all(|(_, deadline)| *deadline == soon),
        "{snooped:?}"
    );
    fixture.forget()?;
    fixture.apply(|inputs| inputs.names[2].scopes[0].deadline = boot_clock())?;
    ask(&fixture)?;
    assert_eq!(fixture.snooped_count()?, 0, "the exception has ended");
    Ok(())
}

#[test]
fn snooped_addresses_are_removed_with_their_name_and_survive_other_changes() -> Result<()> {
    let mut fixture = DnsFixture::new()?;
    let _server = start_server(&fixture, |answer| answer.address(QUESTION_NAME, ip(V4)))?;
    fixture.ask(&[Lookup::once(RESOLVER_V4.into(), REGISTRY, A)])?;
    fixture.apply(|inputs| inputs.audit = true)?;
    assert_eq!(fixture.snooped_count()?, 2);
    fixture.apply(|inputs| {
        inputs.names.remove(0);
    })?;
    assert_eq!(fixture.snooped_count()?, 0);
    Ok(())
}
