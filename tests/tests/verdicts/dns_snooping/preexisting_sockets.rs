//! Sockets that were connected to a server before any program could see that. Their questions count once the daemon has found them in its own
//! network namespace, and nobody else's do.

use std::{
    collections::BTreeMap,
    fs,
    net::IpAddr,
    os::unix::fs::PermissionsExt as _,
    path::PathBuf,
    thread::{self, JoinHandle},
};

use anyhow::{Context as _, Result};
use enforcer::{policy::address, sys::dns_sockets};
use lab::fixtures::process::run_with_input;
use lab::topology::addresses::{RESOLVER_V4, RESOLVER_V6};
use serde_json::{Value, json};
use test_data::dns::{Message, QUESTION_NAME, record_type::A};

use super::fixture::{
    DnsFixture, LIMIT, Lookup, LookupResult, REGISTRY, alone, ip, openings, parse_report,
};
use super::genuine_answers::saying_at;
use crate::fixture::{await_true, new_dir};

const ADDRESS: &str = "198.51.100.77";
const SERVERS: [IpAddr; 2] = [IpAddr::V4(RESOLVER_V4), IpAddr::V6(RESOLVER_V6)];
/// A neighbour of the server's that is no server.
const NEIGHBOUR: &str = "10.53.0.1";

/// A process in the device's cgroup whose sockets are connected.
struct Waiting {
    go: PathBuf,
    thread: JoinHandle<Result<String>>,
}

impl Waiting {
    fn start(fixture: &DnsFixture, alone: &Value, questions: &[Lookup]) -> Result<Self> {
        let flags = new_dir(fixture.base.loaded.scratch().path())?;
        let (ready, go) = (flags.join("ready"), flags.join("go"));
        // Also for a process that is not root any more.
        fs::set_permissions(&flags, fs::Permissions::from_mode(0o777))?;
        let order = json!({"alone": alone, "wait": flags, "questions": questions});
        let (tool, order) = (fixture.tool(&fixture.base.device), fixture.order(order));
        let thread = thread::spawn(move || run_with_input(tool, &order, LIMIT)?.success());
        await_true("the sockets are connected", || {
            Ok(ready.exists() || thread.is_finished())
        })?;
        Ok(Self { go, thread })
    }

    fn go(self) -> Result<Vec<LookupResult>> {
        fs::write(&self.go, "")?;
        parse_report(&self.thread.join().ok().context("a panic")??)
    }
}

/// Does what the daemon does: lists the sockets of the device's network, and puts them in the place of those before. How many there are.
fn list(fixture: &mut DnsFixture) -> Result<usize> {
    let keys = fixture.inputs.resolvers.iter().map(|ip| address(*ip).key());
    let servers: BTreeMap<_, _> = keys.zip(1..).collect();
    let listed = fixture
        .base
        .network
        .device()
        .run(|| Ok(dns_sockets(&servers)?))?;
    let maps = &mut fixture.base.loaded.kernel.maps;
    maps.set_dns_sockets(&listed)?;
    assert_eq!(maps.dns_sockets()?, listed);
    Ok(listed.len())
}

fn asked(server: IpAddr) -> Lookup {
    Lookup::once(server, REGISTRY, A).look(&openings(0, ip(ADDRESS), 1))
}

fn answered(found: bool) -> LookupResult {
    LookupResult {
        errno: None,
        replies: 1,
        found: vec![found; 2],
    }
}

#[test]
fn a_socket_that_is_older_than_the_programs_learns_once_it_is_listed() -> Result<()> {
    for server in SERVERS {
        for is_listed in [false, true] {
            let mut fixture = DnsFixture::before_attaching()?;
            let _server = saying_at(&fixture, server, |answer| {
                answer.address(QUESTION_NAME, ip(ADDRESS))
            })?;
            let waiting = Waiting::start(&fixture, &Value::Null, &[asked(server)])?;
            fixture.base.attach()?;
            if is_listed {
                assert_eq!(list(&mut fixture)?, 1);
            }
            assert_eq!(waiting.go()?, [answered(is_listed)], "{server}");
            assert_eq!(
                fixture.learned()?,
                if is_listed { 2 } else { 0 },
                "{server}"
            );
        }
    }
    Ok(())
}

#[test]
fn a_socket_that_is_older_than_its_servers_entry_learns_and_one_of_a_former_server_does_not()
-> Result<()> {
    let mut fixture = DnsFixture::new()?;
    let [server, _] = SERVERS;
    let _server = saying_at(&fixture, server, |answer| {
        answer.address(QUESTION_NAME, ip(ADDRESS))
    })?;
    let servers = std::mem::take(&mut fixture.inputs.resolvers);
    fixture.apply(|_| {})?;
    let waiting = Waiting::start(&fixture, &Value::Null, &[asked(server)])?;
    assert_eq!(list(&mut fixture)?, 0);
    fixture.apply(|inputs| inputs.resolvers = servers)?;
    assert_eq!(list(&mut fixture)?, 1);
    assert_eq!(waiting.go()?, [answered(true)]);
    assert_eq!(fixture.learned()?, 2);

    fixture.forget()?;
    let waiting = Waiting::start(&fixture, &Value::Null, &[asked(server)])?;
    fixture.apply(|inputs| inputs.resolvers.retain(|known| *known != server))?;
    assert_eq!(list(&mut fixture)?, 0, "the list is replaced whole");
    assert_eq!(waiting.go()?, [answered(false)]);
    assert_eq!(fixture.learned()?, 0);
    Ok(())
}

/// Anyone can have this: a network of their own in which the server's address is theirs, and sockets in it that are connected to it.
#[test]
fn a_socket_of_a_network_that_an_unprivileged_user_made_is_not_listed_and_learns_nothing()
-> Result<()> {
    let answer =
        Message::response_to(&Message::query(REGISTRY, A).0).address(QUESTION_NAME, ip(ADDRESS));
    for server in SERVERS {
        let mut fixture = DnsFixture::before_attaching()?;
        let alone = alone(server, &answer.0);
        let waiting = Waiting::start(&fixture, &alone, &[asked(server)])?;
        fixture.base.attach()?;
        assert_eq!(list(&mut fixture)?, 0, "{server}");
        assert_eq!(waiting.go()?, [answered(false)], "{server}");
        assert_eq!(fixture.learned()?, 0, "{server}");
    }
    Ok(())
}

/// A listed socket is its owner's, who may connect it to whom they like.
#[test]
fn a_listed_socket_that_turns_to_another_server_learns_nothing_from_that() -> Result<()> {
    let mut fixture = DnsFixture::before_attaching()?;
    let [server, _] = SERVERS;
    let _server = saying_at(&fixture, server, |answer| answer)?;
    let _other = saying_at(&fixture, ip(NEIGHBOUR), |answer| {
        answer.address(QUESTION_NAME, ip(ADDRESS))
    })?;
    let asked = Lookup {
        then: Some(ip(NEIGHBOUR)),
        ..asked(server)
    };
    let waiting = Waiting::start(&fixture, &Value::Null, &[asked])?;
    fixture.base.attach()?;
    assert_eq!(list(&mut fixture)?, 1);
    assert_eq!(waiting.go()?, [answered(false)]);
    assert_eq!(fixture.learned()?, 0);
    Ok(())
}
