//! Unsolicited answers and answers of untrusted servers do not allow any address.

use std::net::{IpAddr, SocketAddr};

use anyhow::{Result, ensure};
use lab::topology::addresses::{RESOLVER_V4, RESOLVER_V6};
use test_data::dns::{
    ID, Message, QUESTION_NAME, pointer,
    record_type::{A, AAAA},
};

use super::fixture::{DnsFixture, REGISTRY};
use super::genuine_answers::{start_server, start_server_at};
use super::lookup::{Lookup, grants, ip};
use super::scripted_server::{Script, Server, Source};

const SERVER: IpAddr = IpAddr::V4(RESOLVER_V4);
/// The server over IPv4 and IPv6, and another host in each network.
const SERVERS: [(IpAddr, &str); 2] = [(SERVER, "10.53.0.1"), (IpAddr::V6(RESOLVER_V6), "fd53::1")];
const ADDRESS: &str = "198.51.100.77";
/// Number of forged answers per server.
const TRIES: u64 = 50_000;

/// Sources of answers: the server, another port of it, port 53 of another host, and spoofed packet headers.
const OWN: usize = 0;
const OTHER_PORT: usize = 1;
const NEIGHBOUR: usize = 2;
const SPOOFED: usize = 3;

fn sources((server, neighbour): (IpAddr, &str)) -> [Source; 3] {
    [
        Source::At(SocketAddr::new(server, 5353)),
        Source::At(SocketAddr::new(ip(neighbour), 53)),
        Source::Spoofed(server),
    ]
}

fn good(query: &[u8]) -> Message {
    Message::response_to(query).address(QUESTION_NAME, ip(ADDRESS))
}

/// Returns answers to `query` that do not match the pending query, with their sources.
fn forgeries(query: &[u8]) -> Vec<(usize, Message)> {
    let about = |name: &str| Message::response(name, A).address(QUESTION_NAME, ip(ADDRESS));
    let id = |id: u16| good(query).id(id);
    let class = Message::response_to(query).0.len() - 1;
    let mut forged = vec![
        (OTHER_PORT, good(query)),
        (NEIGHBOUR, good(query)),
        (OWN, id(ID ^ 1)),
        (OWN, id(ID.swap_bytes())),
        (OWN, id(0)),
        (SPOOFED, id(ID ^ 0x8000)),
        (SPOOFED, id(ID.wrapping_add(1))),
        (OWN, good(query).set(2, 0x01)),
        (OWN, good(query).set(2, 0xa1)),
        (OWN, good(query).set(5, 0)),
        (OWN, good(query).set(5, 2)),
        (OWN, good(query).set(class, 3)),
        (
            OWN,
            Message::response(REGISTRY, AAAA).address(QUESTION_NAME, ip("2001:db8:acc::77")),
        ),
    ];
    for name in [
        "contosp.azurecr.io",
        "contoso.azurecr.ip",
        "contoso.azurecr.i",
        "ontoso.azurecr.io",
        "x.contoso.azurecr.io",
        "contoso.azurecr.io.x",
        "contosoxazurecr.io",
        // Allowed, but not the name in the query.
        "contoso.eastus.data.azurecr.io",
        "contosologs.blob.core.windows.net",
    ] {
        forged.push((OWN, about(name)));
        forged.push((SPOOFED, about(name)));
    }
    let dotted = [&[18][..], REGISTRY.as_bytes(), &[0, 0, 1, 0, 1]].concat();
    let header = good(query).0[..12].to_vec();
    forged.push((OWN, Message([header.clone(), dotted].concat())));
    for pointer in [[0xc0, 12], [0xc0, 0], [0xff, 0xff], [0x40, 12], [0x80, 12]] {
        let question = [&pointer[..], &[0, 1, 0, 1]].concat();
        forged.push((OWN, Message([header.clone(), question].concat())));
    }
    forged
}

/// Returns invalid answers by the right server to the right query; each consumes the pending query.
fn invalid(query: &[u8]) -> Vec<Message> {
    let end = Message::response_to(query).0.len();
    let own = |at| Message::response_to(query).address(pointer(at), ip(ADDRESS));
    let alias = |target: &str| Message::response_to(query).alias(REGISTRY, target);
    vec![
        own(end),
        own(end + 1),
        own(end + 2),
        own(0),
        own(11),
        own(13),
        own(0x3fff),
        Message::response_to(query).address("contosp.azurecr.io", ip(ADDRESS)),
        Message::response_to(query).address("azurecr.io", ip(ADDRESS)),
        Message::response_to(query).address(QUESTION_NAME, ip("203.0.113.7")),
        Message::response_to(query).address(QUESTION_NAME, ip("93.184.0.1")),
        Message::response_to(query).address(QUESTION_NAME, ip("10.0.0.1")),
        good(query).set(2, 0x83),
        good(query).set(3, 0x83),
        good(query).set(7, 2),
        good(query).set(7, 33),
        alias("b.example").address(QUESTION_NAME, ip(ADDRESS)),
        alias("b.example").address("c.example", ip(ADDRESS)),
        good(query).set(good(query).0.len() - 5, 5),
        Message::response_to(query).address(QUESTION_NAME, ip("2001:db8:acc::77")),
    ]
}

#[test]
fn a_hundred_thousand_forged_answers_allow_no_address() -> Result<()> {
    for from in SERVERS {
        let fixture = DnsFixture::new()?;
        let (script, replies) = forger();
        let (address, cloud) = (from.0, fixture.base.network.cloud());
        let server = Server::start(cloud, address, &sources(from), script)?;
        let lookup = Lookup {
            rounds: u32::try_from(TRIES.div_ceil(replies))?,
            replies: u32::try_from(replies)?,
            ..Lookup::once(address, REGISTRY, A).by("unconnected")
        };
        let results = fixture.ask(&[lookup])?;
        ensure!(server.sent() >= TRIES, "{} were sent", server.sent());
        assert_eq!(
            (results[0].errno, u64::from(results[0].replies)),
            (None, server.sent())
        );
        assert_eq!(fixture.base.loaded.kernel.maps.snooped_grants()?, []);
        drop(server);

        let _server = start_server_at(&fixture, address, |answer| {
            answer.address(QUESTION_NAME, ip(ADDRESS))
        })?;
        fixture.ask(&[Lookup::once(address, REGISTRY, A)])?;
        assert_eq!(
            fixture.snooped_count()?,
            2,
            "the genuine answer is accepted"
        );
    }
    Ok(())
}

/// Returns a script that sends all forgeries, a different invalid answer each time, and the genuine one; and the number of messages.
fn forger() -> (Script, u64) {
    let genuine = Message::query(REGISTRY, A).0;
    let each = forgeries(&genuine);
    let lone = invalid(&genuine);
    let replies = each.len() as u64 + 2;
    let next = std::cell::Cell::new(0);
    let script: Script = Box::new(move |_| {
        let turn = next.get();
        next.set(turn + 1);
        let last = lone.get(turn % lone.len()).cloned();
        let mut messages: Vec<(usize, Vec<u8>)> = each
            .iter()
            .map(|(source, answer)| (*source, answer.0.clone()))
            .collect();
        // This answer consumes the pending query, so that the following genuine answer is unsolicited.
        messages.extend(last.map(|answer| (OWN, answer.0)));
        messages.push((OWN, good(&genuine).0));
        messages
    });
    (script, replies)
}

/// Any user can create a network namespace in which the server's address is local.
#[test]
fn answers_in_a_network_namespace_of_an_unprivileged_user_are_ignored() -> Result<()> {
    let fixture = DnsFixture::new()?;
    let answer = good(&Message::query(REGISTRY, A).0);
    for (server, _) in SERVERS {
        for method in ["connected", "unconnected"] {
            let lookup = Lookup {
                rounds: 500,
                ..Lookup::once(server, REGISTRY, A).by(method)
            };
            let results = fixture.ask_alone(server, &answer.0, &[lookup])?;
            assert_eq!(
                (results[0].errno, results[0].replies),
                (None, 500),
                "{server}"
            );
            assert_eq!(fixture.snooped_count()?, 0, "{server} {method}");
        }
    }
    Ok(())
}

#[test]
fn only_the_first_answer_to_a_query_is_accepted() -> Result<()> {
    let fixture = DnsFixture::new()?;
    let other = "198.51.100.78";
    let script: Script = Box::new(move |query| {
        let second = Message::response_to(query).address(QUESTION_NAME, ip(other));
        vec![(0, good(query).0), (0, second.0.clone()), (0, second.0)]
    });
    let _server = Server::start(fixture.base.network.cloud(), SERVER, &[], script)?;
    let lookup = Lookup {
        replies: 3,
        ..Lookup::once(SERVER, REGISTRY, A)
    };
    assert_eq!(fixture.ask(&[lookup])?[0].replies, 3);
    let allowed: Vec<_> = fixture.base.loaded.kernel.maps.snooped_grants()?;
    let allowed: Vec<_> = allowed.iter().map(|(grant, _)| grant.address).collect();
    assert_eq!(allowed, [grants(0, ip(ADDRESS), 1)[0].address; 2]);
    Ok(())
}

#[test]
fn answers_are_ignored_while_snooping_is_disabled_or_without_the_server_or_the_name() -> Result<()>
{
    let mut fixture = DnsFixture::new()?;
    let _server = start_server(&fixture, |answer| {
        answer.address(QUESTION_NAME, ip(ADDRESS))
    })?;
    let lookup = Lookup::once(SERVER, REGISTRY, A);
    let snooped = |fixture: &mut DnsFixture| -> Result<usize> {
        fixture.forget()?;
        assert_eq!(fixture.ask(std::slice::from_ref(&lookup))?[0].replies, 1);
        fixture.snooped_count()
    };
    assert_eq!(snooped(&mut fixture)?, 2);
    fixture.apply(|inputs| inputs.snooping.enabled = 0)?;
    assert_eq!(snooped(&mut fixture)?, 0, "off");
    fixture.apply(|inputs| {
        inputs.snooping.enabled = 1;
        inputs.resolvers.remove(0);
    })?;
    assert_eq!(snooped(&mut fixture)?, 0, "no server");
    fixture.apply(|inputs| {
        inputs.resolvers.push(SERVER);
        inputs.names.remove(0);
    })?;
    assert_eq!(snooped(&mut fixture)?, 0, "no name");
    Ok(())
}
