//! Genuine answers that the kernel does not apply, and their observations for the daemon.

use std::net::{IpAddr, TcpListener};

use anyhow::Result;
use enforcer_common::ObservationOutcome;
use lab::topology::addresses::RESOLVER_V4;
use test_data::dns::{
    Message, QUESTION_NAME,
    record_type::{A, AAAA},
};

use super::fixture::{ACCOUNT, DnsFixture, REGISTRY, outcomes};
use super::genuine_answers::start_server;
use super::lookup::{Lookup, ip};

const SERVER: IpAddr = IpAddr::V4(RESOLVER_V4);
const ADDRESS: &str = "198.51.100.77";

/// Queries `name` with the answer `answer`; returns the observations and the number of grants.
fn outcome(
    fixture: &DnsFixture,
    name: &str,
    kind: u16,
    answer: impl Fn(Message) -> Message + Send + 'static,
) -> Result<(Vec<(ObservationOutcome, u32)>, usize)> {
    let _server = start_server(fixture, answer)?;
    let observations = fixture.observations(|| {
        fixture.ask(&[Lookup::once(SERVER, name, kind)])?;
        Ok(())
    })?;
    Ok((outcomes(&observations), fixture.snooped_count()?))
}

#[test]
fn an_address_outside_the_names_tag_is_left_to_the_daemon() -> Result<()> {
    let fixture = DnsFixture::new()?;
    for (name, id, kind, address) in [
        (REGISTRY, 1, A, "203.0.113.7"),
        (REGISTRY, 1, AAAA, "2001:db8:b10b::7"),
        (REGISTRY, 1, A, "93.184.0.1"),
        (REGISTRY, 1, A, "10.0.0.1"),
        (REGISTRY, 1, A, "127.0.0.1"),
        (REGISTRY, 1, A, "0.0.0.0"),
        (REGISTRY, 1, AAAA, "::1"),
        (REGISTRY, 1, AAAA, "::ffff:198.51.100.77"),
        (REGISTRY, 1, AAAA, "64:ff9b::198.51.100.77"),
        (REGISTRY, 1, AAAA, "64:ff9b:1::198.51.100.77"),
        (ACCOUNT, 3, A, "198.51.100.77"),
        (ACCOUNT, 3, AAAA, "2001:db8:acc::7"),
    ] {
        let results = outcome(&fixture, name, kind, move |answer| {
            answer.address(QUESTION_NAME, ip(address))
        })?;
        assert_eq!(
            results,
            (vec![(ObservationOutcome::Unchecked, id)], 0),
            "{name} {address}"
        );
    }
    Ok(())
}

#[test]
fn an_address_in_no_tag_is_left_to_the_daemon_also_with_default_deny() -> Result<()> {
    let mut fixture = DnsFixture::new()?;
    for default_allow in [true, false] {
        fixture.apply(|inputs| inputs.default_allow = default_allow)?;
        for address in ["93.184.0.1", "10.0.0.1"] {
            let results = outcome(&fixture, REGISTRY, A, |answer| {
                answer.address(QUESTION_NAME, ip(address))
            })?;
            assert_eq!(
                results,
                (vec![(ObservationOutcome::Unchecked, 1)], 0),
                "{address}"
            );
        }
    }
    Ok(())
}

#[test]
fn a_name_without_name_checks_is_left_to_the_daemon() -> Result<()> {
    let mut fixture = DnsFixture::new()?;
    fixture.apply(|inputs| inputs.names[0].scopes[0].unchecked = true)?;
    let results = outcome(&fixture, REGISTRY, A, |answer| {
        answer.address(QUESTION_NAME, ip(ADDRESS))
    })?;
    assert_eq!(results, (vec![(ObservationOutcome::Unchecked, 1)], 0));
    Ok(())
}

#[test]
fn an_unusable_answer_is_reported() -> Result<()> {
    let fixture = DnsFixture::new()?;
    let unusable = (vec![(ObservationOutcome::Unusable, 1)], 0);
    let results = outcome(&fixture, REGISTRY, A, |answer| answer.set(2, 0x83))?;
    assert_eq!(results, unusable, "truncated");
    let results = outcome(&fixture, REGISTRY, A, |answer| {
        answer
            .address("c.example", ip(ADDRESS))
            .alias(REGISTRY, "b.example")
    })?;
    assert_eq!(results, unusable, "an address that no alias leads to");
    let results = outcome(&fixture, REGISTRY, A, |answer| {
        (0..129).fold(answer, |answer, last| {
            answer.address(QUESTION_NAME, [198, 51, 100, last].into())
        })
    })?;
    assert_eq!(results, unusable, "129 addresses");
    let results = outcome(&fixture, REGISTRY, A, |answer| {
        let at = u8::try_from(answer.0.len()).unwrap_or(0);
        answer.address([0xc0, at], ip(ADDRESS))
    })?;
    assert_eq!(results, unusable, "a name that points to itself");
    Ok(())
}

#[test]
fn an_answer_without_addresses_is_not_reported() -> Result<()> {
    let fixture = DnsFixture::new()?;
    for code in [0x80, 0x82, 0x83, 0x85] {
        let results = outcome(&fixture, REGISTRY, A, move |answer| answer.set(3, code))?;
        assert_eq!(results, (vec![], 0), "{code}");
    }
    Ok(())
}

#[test]
fn a_query_over_tcp_is_reported() -> Result<()> {
    let fixture = DnsFixture::new()?;
    let cloud = fixture.base.network.cloud();
    let _server = cloud.run(|| Ok(TcpListener::bind((SERVER, 53))?))?;
    let framed = |name: &str| {
        let query = Message::query(name, A).0;
        let mut framed = (query.len() as u16).to_be_bytes().to_vec();
        framed.extend(query);
        framed
    };
    let ask = |query: Vec<u8>| {
        let lookup = Lookup {
            replies: 0,
            query,
            ..Lookup::once(SERVER, REGISTRY, A).by("tcp")
        };
        fixture.observations(|| {
            fixture.ask(&[lookup])?;
            Ok(())
        })
    };
    for (what, query) in [
        ("in one segment", framed(REGISTRY)),
        (
            "after a segment with the length",
            Message::query(REGISTRY, A).0,
        ),
    ] {
        assert_eq!(
            outcomes(&ask(query)?),
            [(ObservationOutcome::Unusable, 1)],
            "{what}"
        );
    }
    assert_eq!(outcomes(&ask(framed("example.com"))?), []);
    Ok(())
}
