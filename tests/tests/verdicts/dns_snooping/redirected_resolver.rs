//! Questions that NAT in `OUTPUT` leads elsewhere, to a filter on the host for example: the kernel sees them leave for the filter, and their
//! answers come from the server that was asked.

use std::io::{self, Write as _};
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use anyhow::Result;
use lab::fixtures::process::run;
use lab::fixtures::tool_cache::ToolCache;
use lab::topology::addresses::{RESOLVER_V4, RESOLVER_V6};
use test_data::dns::{
    Message, QUESTION_NAME,
    record_type::{A, AAAA},
};

use super::fixture::{DnsFixture, Lookup, LookupResult, REGISTRY, STUB, ip, openings};
use super::genuine_answers::saying_at;
use super::scripted_server::{Script, Server, Source};

const V4: &str = "198.51.100.77";
const V6: &str = "2001:db8:acc::77";
const LIMIT: Duration = Duration::from_secs(20);
/// No server, and nobody answers there.
const NOBODY: &str = "10.53.0.99";
/// A server of the attacker's.
const NEIGHBOUR: &str = "10.53.0.1";

/// Leads datagrams to port 53 of `from` to `to`, for the device.
fn redirect(cache: &ToolCache, fixture: &DnsFixture, from: IpAddr, to: SocketAddr) -> Result<()> {
    let program = if from.is_ipv4() {
        "usr/sbin/iptables-legacy"
    } else {
        "usr/sbin/ip6tables-legacy"
    };
    let env = fixture.base.network.device_env();
    let mut iptables = cache.debian(&env, program);
    let libraries = cache.path("root/usr/lib");
    let libraries = libraries.join(format!("{}-linux-gnu/xtables", std::env::consts::ARCH));
    iptables
        .env("XTABLES_LIBDIR", libraries)
        .env(
            "XTABLES_LOCKFILE",
            fixture.base.loaded.scratch().path().join("xtables.lock"),
        )
        .args(["-t", "nat", "-A", "OUTPUT", "-d", &from.to_string()])
        .args([
            "-p",
            "udp",
            "--dport",
            "53",
            "-j",
            "DNAT",
            "--to-destination",
        ])
        .arg(to.to_string());
    run(iptables, LIMIT)?.success()?;
    Ok(())
}

fn found(count: usize) -> LookupResult {
    LookupResult {
        errno: None,
        replies: 1,
        found: vec![true; count],
    }
}

/// A server at another port of `address`.
fn filter(fixture: &DnsFixture, address: SocketAddr, says: &'static str) -> Result<Server> {
    let answer = move |query: &[u8]| {
        Message::response_to(query)
            .address(QUESTION_NAME, ip(says))
            .0
    };
    let script: Script = Box::new(move |query| vec![(0, answer(query))]);
    Server::start_at(fixture.base.network.device(), Source::At(address), script)
}

#[test]
fn an_answer_counts_that_a_filter_gave_in_the_servers_place() -> Result<()> {
    let Ok(cache) = ToolCache::open() else {
        writeln!(io::stderr(), "NOT RUN: there is no iptables here")?;
        return Ok(());
    };
    let mut fixture = DnsFixture::new()?;
    let to_filter: [(IpAddr, SocketAddr, u16, &str); 3] = [
        (RESOLVER_V4.into(), "127.0.0.1:5353".parse()?, A, V4),
        (RESOLVER_V6.into(), "[::1]:53".parse()?, AAAA, V6),
        // To a server that is known as well.
        (ip(STUB), "127.0.0.1:53".parse()?, A, V4),
    ];
    fixture.apply(|inputs| inputs.resolvers.push(ip("127.0.0.1")))?;
    for (server, filter_at, kind, address) in to_filter {
        redirect(&cache, &fixture, server, filter_at)?;
        let _filter = filter(&fixture, filter_at, address)?;
        for method in ["connected", "unconnected"] {
            fixture.forget()?;
            let asked = Lookup::once(server, REGISTRY, kind).by(method);
            let told = fixture.ask(&[asked.look(&openings(0, ip(address), 1))])?;
            assert_eq!(told, [found(2)], "{server} {method}");
            assert_eq!(fixture.learned()?, 2, "{server} {method}");
        }
    }
    Ok(())
}

#[test]
fn an_answer_does_not_count_that_a_filter_gave_in_the_place_of_no_server() -> Result<()> {
    let Ok(cache) = ToolCache::open() else {
        writeln!(io::stderr(), "NOT RUN: there is no iptables here")?;
        return Ok(());
    };
    let fixture = DnsFixture::new()?;
    let filter_at: SocketAddr = "127.0.0.1:5353".parse()?;
    redirect(&cache, &fixture, ip(NOBODY), filter_at)?;
    let _filter = filter(&fixture, filter_at, V4)?;
    for method in ["connected", "unconnected"] {
        let told = fixture.ask(&[Lookup::once(ip(NOBODY), REGISTRY, A).by(method)])?;
        assert_eq!((told[0].errno, told[0].replies), (None, 1), "{method}");
        assert_eq!(fixture.learned()?, 0, "{method}");
    }
    Ok(())
}

/// Whoever has a socket that has asked a server can have it ask a server of their own next, whose answers come from there.
#[test]
fn a_socket_that_asked_a_server_learns_nothing_from_another_that_it_asks_next() -> Result<()> {
    let fixture = DnsFixture::new()?;
    let server: IpAddr = RESOLVER_V4.into();
    let _silent = saying_at(&fixture, server, |answer| answer)?;
    let _other = saying_at(&fixture, ip(NEIGHBOUR), |answer| {
        answer.address(QUESTION_NAME, ip(V4))
    })?;
    for (method, replies) in [("connected", 1), ("unconnected", 2)] {
        let asked = Lookup {
            then: Some(ip(NEIGHBOUR)),
            replies,
            ..Lookup::once(server, REGISTRY, A).by(method)
        };
        let told = fixture.ask(&[asked])?;
        assert_eq!(
            (told[0].errno, told[0].replies),
            (None, replies),
            "{method}"
        );
        assert_eq!(fixture.learned()?, 0, "{method}");
    }
    Ok(())
}
