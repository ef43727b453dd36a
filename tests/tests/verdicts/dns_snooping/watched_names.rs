//! Answers to names that are not allowed: reported for events, and worth nothing else.

use std::net::IpAddr;

use anyhow::Result;
use enforcer::policy::NameInput;
use enforcer_common::{ObservationOutcome, layout::NameEntry};
use lab::topology::addresses::RESOLVER_V4;
use test_data::dns::{
    QUESTION_NAME,
    record_type::{A, AAAA},
};

use super::fixture::{ACCOUNT, DnsFixture, REGISTRY, outcomes};
use super::genuine_answers::start_server;
use super::lookup::{Lookup, ip};

const SERVER: IpAddr = IpAddr::V4(RESOLVER_V4);
/// The number of the watched names.
const WATCHED: u32 = 9;
/// Addresses of storage accounts, as the allowed account has them.
const V4: &str = "203.0.113.7";
const V6: &str = "2001:db8:b10b::7";

#[test]
fn an_answer_to_a_foreign_accounts_name_is_reported_and_allows_nothing() -> Result<()> {
    let mut fixture = DnsFixture::new()?;
    fixture.apply(|inputs| {
        inputs.names.push(NameInput {
            text: ".blob.core.windows.net".to_owned(),
            id: WATCHED,
            flags: NameEntry::WATCHED | NameEntry::ASK_DAEMON,
            ..NameInput::default()
        });
    })?;
    let reported = [(ObservationOutcome::Unchecked, WATCHED)];
    for (name, kind, address, expected, grants) in [
        ("evil.blob.core.windows.net", A, V4, reported.as_slice(), 0),
        ("evil.blob.core.windows.net", AAAA, V6, &reported, 0),
        ("EVIL.Blob.core.windows.net", A, V4, &reported, 0),
        ("evil.more.blob.core.windows.net", A, V4, &[], 0),
        ("blob.core.windows.net", A, V4, &[], 0),
        ("evil.example.net", A, V4, &[], 0),
        // An allowed name has an entry of its own. The address and its name are one grant each.
        (ACCOUNT, A, V4, &[(ObservationOutcome::Allowed, 3)], 2),
    ] {
        let _server = start_server(&fixture, move |answer| {
            answer.address(QUESTION_NAME, ip(address))
        })?;
        let observations = fixture.observations(|| {
            fixture.ask(&[Lookup::once(SERVER, name, kind)])?;
            Ok(())
        })?;
        assert_eq!(outcomes(&observations), expected, "{name}");
        assert_eq!(fixture.snooped_count()?, grants, "{name}");
        fixture.forget()?;
    }
    Ok(())
}

/// The server of an attacker answers a watched name with many addresses: they displace no grant.
#[test]
fn answers_to_watched_names_displace_no_grant() -> Result<()> {
    let mut fixture = DnsFixture::new()?;
    fixture.apply(|inputs| {
        inputs.names.push(NameInput {
            text: ".azurecr.io".to_owned(),
            id: WATCHED,
            flags: NameEntry::WATCHED | NameEntry::ASK_DAEMON,
            ..NameInput::default()
        });
    })?;
    let allowed = |fixture: &DnsFixture| -> Result<usize> {
        let _server = start_server(fixture, |answer| {
            answer.address(QUESTION_NAME, ip("198.51.100.77"))
        })?;
        fixture.ask(&[Lookup::once(SERVER, REGISTRY, A)])?;
        fixture.snooped_count()
    };
    assert_eq!(allowed(&fixture)?, 2);
    let _server = start_server(&fixture, |answer| {
        (0..100).fold(answer, |answer, last| {
            answer.address(QUESTION_NAME, [198, 51, 100, last].into())
        })
    })?;
    let evil: Vec<Lookup> = (0..20)
        .map(|number| Lookup::once(SERVER, &format!("evil{number}.azurecr.io"), A))
        .collect();
    fixture.ask(&evil)?;
    assert_eq!(fixture.snooped_count()?, 2);
    Ok(())
}
