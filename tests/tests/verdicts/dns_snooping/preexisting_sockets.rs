//! Sockets that were connected to a server before the programs were attached. Their answers are accepted once the daemon has listed them, and
//! the daemon lists sockets of its own network namespace only.

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

use super::fixture::{DnsFixture, LIMIT, REGISTRY, alone};
use super::genuine_answers::start_server_at;
use super::lookup::{Lookup, LookupResult, grants, ip, parse_report};
use crate::fixture::{await_true, new_dir};

const ADDRESS: &str = "198.51.100.77";
const SERVERS: [IpAddr; 2] = [IpAddr::V4(RESOLVER_V4), IpAddr::V6(RESOLVER_V6)];
/// A host that is not a configured server.
const NEIGHBOUR: &str = "10.53.0.1";

/// A process in the device's cgroup with connected sockets.
struct PendingLookups {
    go: PathBuf,
    thread: JoinHandle<Result<String>>,
}

impl PendingLookups {
    fn start(fixture: &DnsFixture, alone: &Value, questions: &[Lookup]) -> Result<Self> {
        let flags = new_dir(fixture.base.loaded.scratch().path())?;
        let (ready, go) = (flags.join("ready"), flags.join("go"));
        // Also writable after the process has dropped root.
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
        parse_report(&self.thread.join().ok().context("the thread panicked")??)
    }
}

/// Lists the sockets of the device's network namespace and replaces the previous list, as the daemon does; returns their number.
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

fn lookup(server: IpAddr) -> Lookup {
    Lookup::once(server, REGISTRY, A).look(&grants(0, ip(ADDRESS), 1))
}

fn answered(found: bool) -> LookupResult {
    LookupResult {
        errno: None,
        replies: 1,
        found: vec![found; 2],
    }
}

#[test]
fn a_socket_older_than_the_programs_is_snooped_once_it_is_listed() -> Result<()> {
    for server in SERVERS {
        for is_listed in [false, true] {
            let mut fixture = DnsFixture::before_attaching()?;
            let _server = start_server_at(&fixture, server, |answer| {
                answer.address(QUESTION_NAME, ip(ADDRESS))
            })?;
            let pending = PendingLookups::start(&fixture, &Value::Null, &[lookup(server)])?;
            fixture.base.attach()?;
            if is_listed {
                assert_eq!(list(&mut fixture)?, 1);
            }
            assert_eq!(pending.go()?, [answered(is_listed)], "{server}");
            assert_eq!(
                fixture.snooped_count()?,
                if is_listed { 2 } else { 0 },
                "{server}"
            );
        }
    }
    Ok(())
}

#[test]
fn a_socket_older_than_its_servers_entry_is_snooped_and_one_of_a_removed_server_is_not()
-> Result<()> {
    let mut fixture = DnsFixture::new()?;
    let [server, _] = SERVERS;
    let _server = start_server_at(&fixture, server, |answer| {
        answer.address(QUESTION_NAME, ip(ADDRESS))
    })?;
    let servers = std::mem::take(&mut fixture.inputs.resolvers);
    fixture.apply(|_| {})?;
    let pending = PendingLookups::start(&fixture, &Value::Null, &[lookup(server)])?;
    assert_eq!(list(&mut fixture)?, 0);
    fixture.apply(|inputs| inputs.resolvers = servers)?;
    assert_eq!(list(&mut fixture)?, 1);
    assert_eq!(pending.go()?, [answered(true)]);
    assert_eq!(fixture.snooped_count()?, 2);

    fixture.forget()?;
    let pending = PendingLookups::start(&fixture, &Value::Null, &[lookup(server)])?;
    fixture.apply(|inputs| inputs.resolvers.retain(|known| *known != server))?;
    assert_eq!(list(&mut fixture)?, 0, "the list is replaced completely");
    assert_eq!(pending.go()?, [answered(false)]);
    assert_eq!(fixture.snooped_count()?, 0);
    Ok(())
}

/// Any user can create a network namespace in which the server's address is local, and connect sockets to it there.
#[test]
fn a_socket_in_a_network_namespace_of_an_unprivileged_user_is_neither_listed_nor_snooped()
-> Result<()> {
    let answer =
        Message::response_to(&Message::query(REGISTRY, A).0).address(QUESTION_NAME, ip(ADDRESS));
    for server in SERVERS {
        let mut fixture = DnsFixture::before_attaching()?;
        let alone = alone(server, &answer.0);
        let pending = PendingLookups::start(&fixture, &alone, &[lookup(server)])?;
        fixture.base.attach()?;
        assert_eq!(list(&mut fixture)?, 0, "{server}");
        assert_eq!(pending.go()?, [answered(false)], "{server}");
        assert_eq!(fixture.snooped_count()?, 0, "{server}");
    }
    Ok(())
}

/// The owner of a listed socket can connect it to any other server.
#[test]
fn a_listed_socket_that_connects_to_another_server_is_not_snooped() -> Result<()> {
    let mut fixture = DnsFixture::before_attaching()?;
    let [server, _] = SERVERS;
    let _server = start_server_at(&fixture, server, |answer| answer)?;
    let _other = start_server_at(&fixture, ip(NEIGHBOUR), |answer| {
        answer.address(QUESTION_NAME, ip(ADDRESS))
    })?;
    let lookup = Lookup {
        then: Some(ip(NEIGHBOUR)),
        ..lookup(server)
    };
    let pending = PendingLookups::start(&fixture, &Value::Null, &[lookup])?;
    fixture.base.attach()?;
    assert_eq!(list(&mut fixture)?, 1);
    assert_eq!(pending.go()?, [answered(false)]);
    assert_eq!(fixture.snooped_count()?, 0);
    Ok(())
}
