//! Forged answers without number: they displace only what their own cgroup brought in, and nothing lives longer for what they say.

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

use super::fixture::{DnsFixture, LINGER, Lookup, REGISTRY, ip, openings, outcomes};
use super::genuine_answers::saying_at;
use super::scripted_server::{Script, Server};

const SERVER: IpAddr = IpAddr::V6(RESOLVER_V6);
const GENUINE: &str = "198.51.100.77";
/// What a flood consists of: answers, and the addresses of each.
const ANSWERS: u16 = 700;
const EACH: u16 = 16;
const DAY: u32 = 86_400;

fn numbered(number: u16) -> Ipv6Addr {
    Ipv6Addr::new(0x2001, 0xdb8, 0xacc, 0, 0, 0, 0, number)
}

/// Other addresses in each answer, from `first` on.
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

fn learned_of(fixture: &DnsFixture, number: u16) -> Result<bool> {
    let wanted = openings(0, numbered(number).into(), 1);
    let learned = fixture.base.loaded.kernel.maps.learned()?;
    let has = |opening: &AddressGrant| learned.iter().any(|(found, _)| found == opening);
    Ok(wanted.iter().all(has))
}

/// What another cgroup of the device's learned is there after this.
fn genuine_first(fixture: &DnsFixture) -> Result<()> {
    let _server = saying_at(fixture, SERVER, |answer| {
        answer.address(QUESTION_NAME, ip(GENUINE))
    })?;
    let other = fixture.base.device.child("other")?;
    fixture.ask_from(&other, &[Lookup::once(SERVER, REGISTRY, A)])?;
    assert_eq!(fixture.learned()?, 2);
    Ok(())
}

#[test]
fn a_flood_displaces_only_what_its_own_cgroup_brought_in() -> Result<()> {
    let fixture = DnsFixture::new()?;
    genuine_first(&fixture)?;
    let cloud = fixture.base.network.cloud();
    let _server = Server::start(cloud, SERVER, &[], numbering(1))?;
    fixture.ask(&[flood(ANSWERS)])?;
    let learned = fixture.base.loaded.kernel.maps.learned()?;
    assert_eq!(learned.len(), 2 + BUDGET as usize);
    let genuine = openings(0, ip(GENUINE), 1);
    for opening in genuine {
        assert!(
            learned.iter().any(|(found, _)| *found == opening),
            "{opening:?}"
        );
    }
    let newest = ANSWERS * EACH;
    assert!(learned_of(&fixture, newest)? && learned_of(&fixture, newest - 255)?);
    assert!(!learned_of(&fixture, newest - 256)?);
    let latest = boot_clock() + LINGER;
    assert!(
        learned.iter().all(|(_, deadline)| *deadline <= latest),
        "a TTL of a day"
    );
    Ok(())
}

#[test]
fn a_flood_does_not_displace_what_another_cgroup_was_told_as_well() -> Result<()> {
    let fixture = DnsFixture::new()?;
    let cloud = fixture.base.network.cloud();
    let server = Server::start(cloud, SERVER, &[], numbering(1))?;
    fixture.ask(&[flood(1)])?;
    drop(server);
    let server = Server::start(cloud, SERVER, &[], numbering(1))?;
    let other = fixture.base.device.child("other")?;
    fixture.ask_from(&other, &[flood(1)])?;
    assert_eq!(fixture.learned()?, 2 * usize::from(EACH));
    drop(server);
    let _server = Server::start(cloud, SERVER, &[], numbering(1000))?;
    fixture.ask(&[flood(100)])?;
    for number in 1..=EACH {
        assert!(learned_of(&fixture, number)?, "{number}");
    }
    assert_eq!(fixture.learned()?, 2 * usize::from(EACH) + BUDGET as usize);
    fixture.ask_from(&other, &[flood(100)])?;
    for number in 1..=EACH {
        assert!(
            !learned_of(&fixture, number)?,
            "{number}: nobody's any more"
        );
    }
    Ok(())
}

#[test]
fn the_newest_finds_room_after_any_flood_and_the_asker_is_told() -> Result<()> {
    let fixture = DnsFixture::new()?;
    let cloud = fixture.base.network.cloud();
    let _server = Server::start(cloud, SERVER, &[], numbering(1))?;
    let lessons = fixture.lessons(|| {
        fixture.ask(&[flood(100)])?;
        Ok(())
    })?;
    let learned = outcomes(&lessons).into_iter();
    assert!(
        learned
            .clone()
            .all(|(outcome, _)| outcome == ObservationOutcome::Allowed)
    );
    assert_eq!(learned.count(), 100 * usize::from(EACH));
    let asker = lab::bpf::loaded_policy::open(&fixture.base.device)?.id;
    let told = lessons.first().context("no lesson")?.cgroup;
    assert_eq!(told, asker);
    Ok(())
}
