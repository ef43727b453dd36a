//! Clients whose socket to a resolver is older than the daemon, or than the configuration of that resolver.

use anyhow::Result;
use lab::{
    CONTOSO_LOGIN, Lab,
    clients::keepalive_client::KeepaliveClient,
    fixtures::enforcer::Enforcer,
    topology::addresses::{RESOLVER_V4, RESOLVER_V6},
};
use serde_json::Value;

use crate::{LOGIN, MINUTE, REGIONS, ip};

/// TTL in seconds, long enough that the daemon does not resolve again during the test.
const TTL: u32 = 3600;

#[test]
fn a_client_with_an_older_socket_to_the_resolver_reaches_each_new_address_immediately() -> Result<()>
{
    let lab = Lab::start()?;
    lab.dns().disable_caching()?;
    let move_to = |address: &str| lab.dns().set_addresses(CONTOSO_LOGIN, &[ip(address)], TTL);
    move_to(LOGIN[0])?;
    let mut older = KeepaliveClient::resolving(&lab, RESOLVER_V4.into())?;
    let mut other = KeepaliveClient::resolving(&lab, RESOLVER_V6.into())?;
    let mut enforcer = Enforcer::prepare(&lab, &REGIONS, "")?;
    let only_one = format!("[dns]\nservers = [\"{RESOLVER_V4}\"]");
    enforcer.edit("[dns]", &only_one)?;
    enforcer.run()?;
    enforcer.await_names()?;
    for address in ["198.51.100.11", "198.51.100.12", "198.51.100.13"] {
        move_to(address)?;
        assert_eq!(
            older.request()?,
            format!("{address} open"),
            "{}",
            enforcer.log()
        );
    }
    move_to("198.51.100.14")?;
    let refused = other.request()?;
    assert_eq!(
        refused, "198.51.100.14 Operation not permitted",
        "its server is not configured"
    );
    // The denial triggers a query by the daemon, and it does not repeat the query for minutes.
    enforcer.await_api_status("the daemon's own answer", MINUTE, |status| {
        let mut addresses = status.registries[0].names[0].addresses.iter();
        addresses.any(|one| one.address == ip("198.51.100.14") && !one.snooped)
    })?;
    let both = format!("[dns]\nservers = [\"{RESOLVER_V4}\", \"{RESOLVER_V6}\"]");
    enforcer.edit(&only_one, &both)?;
    enforcer.signal(libc::SIGHUP)?;
    await_reload(&enforcer)?;
    move_to("198.51.100.15")?;
    assert_eq!(other.request()?, "198.51.100.15 open", "{}", enforcer.log());
    let status = enforcer.status()?;
    let alarms = status["alarms"].as_array();
    let unlisted = |alarm: &&Value| alarm["kind"] == "dns-sockets-unlisted";
    assert_eq!(alarms.into_iter().flatten().find(unlisted), None);
    Ok(())
}

fn await_reload(enforcer: &Enforcer) -> Result<()> {
    enforcer.await_status("the reload", |_| {
        enforcer.log().contains("configuration reloaded")
    })?;
    Ok(())
}
