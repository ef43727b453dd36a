//! Answers that nobody trusted gave, or nobody asked for. None of them opens anything.

use std::net::{IpAddr, SocketAddr};

use anyhow::{Result, ensure};
use lab::topology::addresses::{RESOLVER_V4, RESOLVER_V6};
use test_data::dns::{
    ID, Message, QUESTION_NAME, pointer,
    record_type::{A, AAAA},
};

use super::fixture::{DnsFixture, Lookup, REGISTRY, ip, openings};
use super::genuine_answers::{saying, saying_at};
use super::scripted_server::{Script, Server, Source};

const SERVER: IpAddr = IpAddr::V4(RESOLVER_V4);
/// The server over IPv4 and over IPv6, and a neighbour of each.
const SERVERS: [(IpAddr, &str); 2] = [(SERVER, "10.53.0.1"), (IpAddr::V6(RESOLVER_V6), "fd53::1")];
const ADDRESS: &str = "198.51.100.77";
/// Forged answers from each server.
const TRIES: u64 = 50_000;

/// The server itself, its other port, its neighbour's port 53, and headers that say whatever they like.
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

/// Answers to `query` that leave its question open, each with its voice and what is wrong with it.
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
        // Allowed, but not what was asked.
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

/// Answers by the right server to the right question that are wrong in themselves: each takes the question.
fn spoiled(query: &[u8]) -> Vec<Message> {
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
fn a_hundred_thousand_forged_answers_open_nothing() -> Result<()> {
    for from in SERVERS {
        let fixture = DnsFixture::new()?;
        let (script, replies) = forger();
        let (address, cloud) = (from.0, fixture.base.network.cloud());
        let server = Server::start(cloud, address, &sources(from), script)?;
        let asked = Lookup {
            rounds: u32::try_from(TRIES.div_ceil(replies))?,
            replies: u32::try_from(replies)?,
            ..Lookup::once(address, REGISTRY, A).by("unconnected")
        };
        let told = fixture.ask(&[asked])?;
        ensure!(server.sent() >= TRIES, "{} were sent", server.sent());
        assert_eq!(
            (told[0].errno, u64::from(told[0].replies)),
            (None, server.sent())
        );
        assert_eq!(fixture.base.loaded.kernel.maps.learned()?, []);
        drop(server);

        let _server = saying_at(&fixture, address, |answer| {
            answer.address(QUESTION_NAME, ip(ADDRESS))
        })?;
        fixture.ask(&[Lookup::once(address, REGISTRY, A)])?;
        assert_eq!(fixture.learned()?, 2, "and the right one opens");
    }
    Ok(())
}

/// Says all forgeries, another spoiled answer each time, and the right one; how many that are.
fn forger() -> (Script, u64) {
    let genuine = Message::query(REGISTRY, A).0;
    let each = forgeries(&genuine);
    let lone = spoiled(&genuine);
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
        // The question is taken by then, and what comes after it is one answer too many.
        messages.extend(last.map(|answer| (OWN, answer.0)));
        messages.push((OWN, good(&genuine).0));
        messages
    });
    (script, replies)
}

/// Anyone can have this: a network of their own in which the server's address is theirs.
#[test]
fn a_network_that_an_unprivileged_user_made_teaches_nothing() -> Result<()> {
    let fixture = DnsFixture::new()?;
    let answer = good(&Message::query(REGISTRY, A).0);
    for (server, _) in SERVERS {
        for method in ["connected", "unconnected"] {
            let asked = Lookup {
                rounds: 500,
                ..Lookup::once(server, REGISTRY, A).by(method)
            };
            let told = fixture.ask_alone(server, &answer.0, &[asked])?;
            assert_eq!((told[0].errno, told[0].replies), (None, 500), "{server}");
            assert_eq!(fixture.learned()?, 0, "{server} {method}");
        }
    }
    Ok(())
}

#[test]
fn one_question_has_one_answer() -> Result<()> {
    let fixture = DnsFixture::new()?;
    let other = "198.51.100.78";
    let script: Script = Box::new(move |query| {
        let second = Message::response_to(query).address(QUESTION_NAME, ip(other));
        vec![(0, good(query).0), (0, second.0.clone()), (0, second.0)]
    });
    let _server = Server::start(fixture.base.network.cloud(), SERVER, &[], script)?;
    let asked = Lookup {
        replies: 3,
        ..Lookup::once(SERVER, REGISTRY, A)
    };
    assert_eq!(fixture.ask(&[asked])?[0].replies, 3);
    let opened: Vec<_> = fixture.base.loaded.kernel.maps.learned()?;
    let opened: Vec<_> = opened.iter().map(|(opening, _)| opening.address).collect();
    assert_eq!(opened, [openings(0, ip(ADDRESS), 1)[0].address; 2]);
    Ok(())
}

#[test]
fn nothing_is_learned_while_learning_is_off_or_from_who_is_no_server() -> Result<()> {
    let mut fixture = DnsFixture::new()?;
    let _server = saying(&fixture, |answer| {
        answer.address(QUESTION_NAME, ip(ADDRESS))
    })?;
    let asked = Lookup::once(SERVER, REGISTRY, A);
    let learned = |fixture: &mut DnsFixture| -> Result<usize> {
        fixture.forget()?;
        assert_eq!(fixture.ask(std::slice::from_ref(&asked))?[0].replies, 1);
        fixture.learned()
    };
    assert_eq!(learned(&mut fixture)?, 2);
    fixture.apply(|inputs| inputs.snooping.enabled = 0)?;
    assert_eq!(learned(&mut fixture)?, 0, "off");
    fixture.apply(|inputs| {
        inputs.snooping.enabled = 1;
        inputs.resolvers.remove(0);
    })?;
    assert_eq!(learned(&mut fixture)?, 0, "no server");
    fixture.apply(|inputs| {
        inputs.resolvers.push(SERVER);
        inputs.names.remove(0);
    })?;
    assert_eq!(learned(&mut fixture)?, 0, "no name");
    Ok(())
}
