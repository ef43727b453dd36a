//! Floods of forged answers: they evict only addresses of their own cgroup, and cannot extend any lifetime.

use std::cell::Cell;
use std::net::{IpAddr, Ipv6Addr};

use anyhow::{Context as _, Result};
use enforcer::sys::boot_clock;
use enforcer_common::ObservationOutcome;
use enforcer_common::layout::{AddressGrant, BUDGET};
use lab::topology::addresses::RESOLVER_V6;
use test_data::dns::{
    Message, QUESTION_NAME,
    record_type::{A, AAAA},
};

use super::fixture::{DnsFixture, LINGER, REGISTRY, outcomes};
use super::genuine_answers::start_server_at;
use super::lookup::{Lookup, grants, ip};
use super::scripted_server::{Script, Server};

const SERVER: IpAddr = IpAddr::V6(RESOLVER_V6);
const GENUINE: &str = "198.51.100.77";
/// Size of a flood: answers, and addresses per answer.
const ANSWERS: u16 = 700;
const EACH: u16 = 16;
const DAY: u32 = 86_400;

fn numbered(number: u16) -> Ipv6Addr {
    Ipv6Addr::new(0x2001, 0xdb8, 0xacc, 0, 0, 0, 0, number)
}

/// Returns a script with new addresses in each answer, from number `first` on.
fn numbering(first: u16) -> Script {
    let next = Cell::new(first);
    Box::new(move |query| {
        let numbers = next.get()..next.get() + EACH;
        next.set(numbers.end);
        let with = |answer: Message, number| {
            answer.address_for(DAY, QUESTION_NAME, numbered(number).into())
        };
        vec![(0, numbers.fold(Message::response_to(query), with).0)]
    })
}

fn flood(answers: u16) -> Lookup {
    Lookup {
        rounds: answers.into(),
        ..Lookup::once(SERVER, REGISTRY, AAAA)
    }
}

fn is_snooped(fixture: &DnsFixture, number: u16) -> Result<bool> {
    let wanted = grants(0, numbered(number).into(), 1);
    let snooped = fixture.base.loaded.kernel.maps.snooped_grants()?;
    let has = |grant: &AddressGrant| snooped.iter().any(|(found, _)| found == grant);
    Ok(wanted.iter().all(has))
}

/// Snoops one genuine address for another cgroup of the device.
fn genuine_first(fixture: &DnsFixture) -> Result<()> {
    let _server = start_server_at(fixture, SERVER, |answer| {
        answer.address(QUESTION_NAME, ip(GENUINE))
    })?;
    let other = fixture.base.device.child("other")?;
    fixture.ask_from(&other, &[Lookup::once(SERVER, REGISTRY, A)])?;
    assert_eq!(fixture.snooped_count()?, 2);
    Ok(())
}

#[test]
fn a_flood_evicts_only_addresses_of_its_own_cgroup() -> Result<()> {
    let fixture = DnsFixture::new()?;
    genuine_first(&fixture)?;
    let cloud = fixture.base.network.cloud();
    let _server = Server::start(cloud, SERVER, &[], numbering(1))?;
    fixture.ask(&[flood(ANSWERS)])?;
    let snooped = fixture.base.loaded.kernel.maps.snooped_grants()?;
    assert_eq!(snooped.len(), 2 + BUDGET as usize);
    let genuine = grants(0, ip(GENUINE), 1);
    for grant in genuine {
        assert!(
            snooped.iter().any(|(found, _)| *found == grant),
            "{grant:?}"
        );
    }
    let newest = ANSWERS * EACH;
    assert!(is_snooped(&fixture, newest)? && is_snooped(&fixture, newest - 255)?);
    assert!(!is_snooped(&fixture, newest - 256)?);
    let latest = boot_clock() + LINGER;
    assert!(
        snooped.iter().all(|(_, deadline)| *deadline <= latest),
        "a TTL of a day"
    );
    Ok(())
}

#[test]
fn a_flood_does_not_evict_addresses_that_another_cgroup_also_received() -> Result<()> {
    let fixture = DnsFixture::new()?;
    let cloud = fixture.base.network.cloud();
    let server = Server::start(cloud, SERVER, &[], numbering(1))?;
    fixture.ask(&[flood(1)])?;
    drop(server);
    let server = Server::start(cloud, SERVER, &[], numbering(1))?;
    let other = fixture.base.device.child("other")?;
    fixture.ask_from(&other, &[flood(1)])?;
    assert_eq!(fixture.snooped_count()?, 2 * usize::from(EACH));
    drop(server);
    let _server = Server::start(cloud, SERVER, &[], numbering(1000))?;
    fixture.ask(&[flood(100)])?;
    for number in 1..=EACH {
        assert!(is_snooped(&fixture, number)?, "{number}");
    }
    assert_eq!(
        fixture.snooped_count()?,
        2 * usize::from(EACH) + BUDGET as usize
    );
    fixture.ask_from(&other, &[flood(100)])?;
    for number in 1..=EACH {
        assert!(
            !is_snooped(&fixture, number)?,
            "{number}: evicted for both cgroups"
        );
    }
    Ok(())
}

#[test]
fn the_newest_address_is_always_stored_and_the_client_is_reported() -> Result<()> {
    let fixture = DnsFixture::new()?;
    let cloud = fixture.base.network.cloud();
    let _server = Server::start(cloud, SERVER, &[], numbering(1))?;
    let observations = fixture.observations(|| {
        fixture.ask(&[flood(100)])?;
        Ok(())
    })?;
    let snooped = outcomes(&observations).into_iter();
    assert!(
        snooped
            .clone()
            .all(|(outcome, _)| outcome == ObservationOutcome::Allowed)
    );
    assert_eq!(snooped.count(), 100 * usize::from(EACH));
    let client = lab::bpf::loaded_policy::open(&fixture.base.device)?.id;
    let reported = observations.first().context("no observation")?.cgroup;
    assert_eq!(reported, client);
    Ok(())
}
