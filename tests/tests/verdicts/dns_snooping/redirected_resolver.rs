//! Queries that NAT in `OUTPUT` redirects, for example to a filter on the host: the programs see them leave for the filter, while the answers
//! come from the original server's address.

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

use super::fixture::{DnsFixture, REGISTRY, STUB};
use super::genuine_answers::start_server_at;
use super::lookup::{Lookup, LookupResult, grants, ip};
use super::scripted_server::{Script, Server, Source};

const V4: &str = "198.51.100.77";
const V6: &str = "2001:db8:acc::77";
const LIMIT: Duration = Duration::from_secs(20);
/// An address that is not a configured server and does not answer.
const NOBODY: &str = "10.53.0.99";
/// A server of the attacker.
const NEIGHBOUR: &str = "10.53.0.1";

/// Redirects the device's datagrams to port 53 of `from` to `to`.
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

/// Starts a DNS server at `address`.
fn filter(fixture: &DnsFixture, address: SocketAddr, answer_with: &'static str) -> Result<Server> {
    let answer = move |query: &[u8]| {
        Message::response_to(query)
            .address(QUESTION_NAME, ip(answer_with))
            .0
    };
    let script: Script = Box::new(move |query| vec![(0, answer(query))]);
    Server::start_at(fixture.base.network.device(), Source::At(address), script)
}

#[test]
fn an_answer_of_a_filter_in_place_of_a_server_is_accepted() -> Result<()> {
    let Ok(cache) = ToolCache::open() else {
        writeln!(io::stderr(), "NOT RUN: iptables is not available")?;
        return Ok(());
    };
    let mut fixture = DnsFixture::new()?;
    let to_filter: [(IpAddr, SocketAddr, u16, &str); 3] = [
        (RESOLVER_V4.into(), "127.0.0.1:5353".parse()?, A, V4),
        (RESOLVER_V6.into(), "[::1]:53".parse()?, AAAA, V6),
        // The filter's address is also a configured server.
        (ip(STUB), "127.0.0.1:53".parse()?, A, V4),
    ];
    fixture.apply(|inputs| inputs.resolvers.push(ip("127.0.0.1")))?;
    for (server, filter_at, kind, address) in to_filter {
        redirect(&cache, &fixture, server, filter_at)?;
        let _filter = filter(&fixture, filter_at, address)?;
        for method in ["connected", "unconnected"] {
            fixture.forget()?;
            let lookup = Lookup::once(server, REGISTRY, kind).by(method);
            let results = fixture.ask(&[lookup.look(&grants(0, ip(address), 1))])?;
            assert_eq!(results, [found(2)], "{server} {method}");
            assert_eq!(fixture.snooped_count()?, 2, "{server} {method}");
        }
    }
    Ok(())
}

#[test]
fn an_answer_of_a_filter_in_place_of_an_unknown_server_is_ignored() -> Result<()> {
    let Ok(cache) = ToolCache::open() else {
        writeln!(io::stderr(), "NOT RUN: iptables is not available")?;
        return Ok(());
    };
    let fixture = DnsFixture::new()?;
    let filter_at: SocketAddr = "127.0.0.1:5353".parse()?;
    redirect(&cache, &fixture, ip(NOBODY), filter_at)?;
    let _filter = filter(&fixture, filter_at, V4)?;
    for method in ["connected", "unconnected"] {
        let results = fixture.ask(&[Lookup::once(ip(NOBODY), REGISTRY, A).by(method)])?;
        assert_eq!(
            (results[0].errno, results[0].replies),
            (None, 1),
            "{method}"
        );
        assert_eq!(fixture.snooped_count()?, 0, "{method}");
    }
    Ok(())
}

/// A socket with a pending query to a server can send to an attacker's server next, whose answers have its own address.
#[test]
fn answers_of_another_server_to_a_socket_with_a_pending_query_are_ignored() -> Result<()> {
    let fixture = DnsFixture::new()?;
    let server: IpAddr = RESOLVER_V4.into();
    let _silent = start_server_at(&fixture, server, |answer| answer)?;
    let _other = start_server_at(&fixture, ip(NEIGHBOUR), |answer| {
        answer.address(QUESTION_NAME, ip(V4))
    })?;
    for (method, replies) in [("connected", 1), ("unconnected", 2)] {
        let lookup = Lookup {
            then: Some(ip(NEIGHBOUR)),
            replies,
            ..Lookup::once(server, REGISTRY, A).by(method)
        };
        let results = fixture.ask(&[lookup])?;
        assert_eq!(
            (results[0].errno, results[0].replies),
            (None, replies),
            "{method}"
        );
        assert_eq!(fixture.snooped_count()?, 0, "{method}");
    }
    Ok(())
}
