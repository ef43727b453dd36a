//! Answers that open what they say.

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

use super::fixture::{
    ACCOUNT, DnsFixture, LINGER, Lookup, LookupResult, REGISTRY, STUB, ip, openings, outcomes,
};
use super::scripted_server::Server;

const V4: &str = "198.51.100.77";
const V6: &str = "2001:db8:acc::77";
const SECOND: u64 = 1_000_000_000;
/// As much as servers answer in one datagram (DNS flag day 2020).
const LARGEST: usize = 1232;

fn found(count: usize) -> LookupResult {
    LookupResult {
        errno: None,
        replies: 1,
        found: vec![true; count],
    }
}

/// A server of the cloud that says the same to everybody.
pub(super) fn saying(
    fixture: &DnsFixture,
    answer: impl Fn(Message) -> Message + Send + 'static,
) -> Result<Server> {
    saying_at(fixture, RESOLVER_V4.into(), answer)
}

/// As [`saying`], at another address.
pub(super) fn saying_at(
    fixture: &DnsFixture,
    address: IpAddr,
    answer: impl Fn(Message) -> Message + Send + 'static,
) -> Result<Server> {
    let script = move |query: &[u8]| vec![(0, answer(Message::response_to(query)).0)];
    Server::start(fixture.base.network.cloud(), address, &[], Box::new(script))
}

/// Both families' addresses of the registry, by what is asked.
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
fn an_answer_opens_its_addresses_before_anybody_receives_it() -> Result<()> {
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
                let asked = Lookup::once(server, REGISTRY, kind).by(method);
                let told = fixture.ask(&[asked.look(&openings(0, address, 1))])?;
                assert_eq!(told, [found(2)], "{server} {method} {address}");
                assert_eq!(fixture.learned()?, 2, "{server} {method} {address}");
            }
        }
    }
    Ok(())
}

#[test]
fn aliases_are_followed_and_every_address_is_opened() -> Result<()> {
    let fixture = DnsFixture::new()?;
    let addresses: Vec<IpAddr> = (1..=24).map(|last| [198, 51, 100, last].into()).collect();
    let listed = addresses.clone();
    let _server = saying(&fixture, move |answer| {
        let chain = answer
            .alias("CONTOSO.azurecr.io", "r.trafficmanager.net")
            .alias("R.trafficmanager.net", "eus.cloudapp.azure.com");
        let owner = "eus.CloudApp.azure.com";
        let with = |answer: Message, address: &IpAddr| answer.address(owner, *address);
        listed.iter().fold(chain, with)
    })?;
    let keys: Vec<AddressGrant> = addresses
        .iter()
        .flat_map(|address| openings(0, *address, 1))
        .collect();
    let asked = Lookup::once(RESOLVER_V4.into(), "Contoso.AzureCR.io", A).look(&keys);
    assert_eq!(fixture.ask(&[asked])?, [found(48)]);
    assert_eq!(fixture.learned()?, 48);
    Ok(())
}

#[test]
fn an_answer_is_read_in_whatever_order_its_records_stand() -> Result<()> {
    let fixture = DnsFixture::new()?;
    let address: IpAddr = [198, 51, 100, 77].into();
    let _server = saying(&fixture, move |answer| {
        answer
            .address("eus-3.fe.azcr.io", address)
            .alias("eus.trafficmanager.net", "eus-3.fe.azcr.io")
            .alias("contoso.azurecr.io", "eus.trafficmanager.net")
    })?;
    let keys = openings(0, address, 1);
    let asked = Lookup::once(RESOLVER_V4.into(), REGISTRY, A).look(&keys);
    assert_eq!(fixture.ask(&[asked])?, [found(2)]);
    assert_eq!(fixture.learned()?, 2);
    Ok(())
}

#[test]
fn an_answer_as_large_as_a_datagram_opens_each_of_its_addresses() -> Result<()> {
    let mut fixture = DnsFixture::new()?;
    for kind in [A, AAAA] {
        let (answer, addresses) = large(kind);
        let size = answer.0.len();
        assert!((1100..=LARGEST).contains(&size), "{size} bytes");
        assert!(addresses.len() >= 16, "{addresses:?}");
        let keys: Vec<AddressGrant> = addresses
            .iter()
            .flat_map(|address| openings(0, *address, 1))
            .collect();
        let _server = saying(&fixture, move |_| answer.clone())?;
        fixture.forget()?;
        let asked = Lookup::once(RESOLVER_V4.into(), REGISTRY, kind).look(&keys);
        assert_eq!(fixture.ask(&[asked])?, [found(keys.len())]);
        assert_eq!(fixture.learned()?, keys.len());
    }
    Ok(())
}

/// Two aliases and as many addresses as there is room for.
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
fn a_second_label_may_be_any_where_a_name_says_so() -> Result<()> {
    let mut fixture = DnsFixture::new()?;
    let _server = saying(&fixture, |answer| answer.address(QUESTION_NAME, ip(V4)))?;
    let ask = |fixture: &mut DnsFixture, name: &str, key| -> Result<Vec<LookupResult>> {
        fixture.forget()?;
        let asked = Lookup::once(RESOLVER_V4.into(), name, A);
        fixture.ask(&[asked.look(&openings(0, ip(V4), key))])
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
        assert_eq!(fixture.learned()?, 0, "{name}");
    }
    Ok(())
}

#[test]
fn a_learned_address_stays_for_the_linger_whatever_its_time_to_live() -> Result<()> {
    let fixture = DnsFixture::new()?;
    let _server = saying(&fixture, |answer| answer.address(QUESTION_NAME, ip(V4)))?;
    let stays = LINGER;
    let before = boot_clock() + stays;
    fixture.ask(&[Lookup::once(RESOLVER_V4.into(), REGISTRY, A)])?;
    let after = boot_clock() + stays;
    let learned = fixture.base.loaded.kernel.maps.learned()?;
    let mut ends: Vec<u64> = learned.iter().map(|(_, deadline)| *deadline).collect();
    ends.dedup();
    assert_eq!(learned.len(), 2);
    assert!(
        ends.iter().all(|end| (before..=after).contains(end)),
        "{ends:?}"
    );
    Ok(())
}

#[test]
fn each_address_is_a_lesson_for_the_daemon() -> Result<()> {
    let fixture = DnsFixture::new()?;
    let _server = saying(&fixture, |answer| {
        answer
            .address(QUESTION_NAME, ip(V4))
            .address(QUESTION_NAME, ip("198.51.100.78"))
    })?;
    let lessons = fixture.lessons(|| {
        fixture.ask(&[Lookup::once(RESOLVER_V4.into(), REGISTRY, A)])?;
        Ok(())
    })?;
    assert_eq!(outcomes(&lessons), [(ObservationOutcome::Allowed, 1); 2]);
    let keys = [V4, "198.51.100.78"].map(|address| openings(0, ip(address), 1)[0].address);
    assert_eq!([lessons[0].address, lessons[1].address], keys);
    assert!(
        lessons
            .iter()
            .all(|lesson| lesson.ttl == TTL && lesson.time <= boot_clock())
    );
    Ok(())
}

#[test]
fn a_name_of_an_exception_opens_storage_for_its_unit_alone() -> Result<()> {
    let fixture = DnsFixture::new()?;
    let address = ip("203.0.113.7");
    let _server = saying(&fixture, move |answer| {
        answer.address(QUESTION_NAME, address)
    })?;
    let unit = loaded_policy::open(&fixture.base.device)?.id;
    let asked = Lookup::once(RESOLVER_V4.into(), ACCOUNT, A).look(&openings(unit, address, 3));
    assert_eq!(fixture.ask(&[asked])?, [found(2)]);
    assert_eq!(fixture.learned()?, 2);
    Ok(())
}

#[test]
fn an_exception_that_ends_ends_what_it_learned() -> Result<()> {
    let mut fixture = DnsFixture::new()?;
    let _server = saying(&fixture, |answer| {
        answer.address(QUESTION_NAME, ip("203.0.113.7"))
    })?;
    let soon = boot_clock() + 60 * SECOND;
    let ask = |fixture: &DnsFixture| fixture.ask(&[Lookup::once(RESOLVER_V4.into(), ACCOUNT, A)]);
    fixture.apply(|inputs| inputs.names[2].scopes[0].deadline = soon)?;
    ask(&fixture)?;
    let learned = fixture.base.loaded.kernel.maps.learned()?;
    assert_eq!(learned.len(), 2);
    assert!(
        learned.iter().all(|(_, deadline)| *deadline == soon),
        "{learned:?}"
    );
    fixture.forget()?;
    fixture.apply(|inputs| inputs.names[2].scopes[0].deadline = boot_clock())?;
    ask(&fixture)?;
    assert_eq!(fixture.learned()?, 0, "it is over");
    Ok(())
}

#[test]
fn what_a_name_opened_goes_with_the_name_and_stays_with_another_change() -> Result<()> {
    let mut fixture = DnsFixture::new()?;
    let _server = saying(&fixture, |answer| answer.address(QUESTION_NAME, ip(V4)))?;
    fixture.ask(&[Lookup::once(RESOLVER_V4.into(), REGISTRY, A)])?;
    fixture.apply(|inputs| inputs.audit = true)?;
    assert_eq!(fixture.learned()?, 2);
    fixture.apply(|inputs| {
        inputs.names.remove(0);
    })?;
    assert_eq!(fixture.learned()?, 0);
    Ok(())
}
