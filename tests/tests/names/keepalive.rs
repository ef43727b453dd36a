//! A verified connection survives restarts and reloads of the daemon.

use std::{
    thread,
    time::{Duration, Instant},
};

use anyhow::{Result, ensure};
use lab::{
    CONTOSO_LOGIN, EVIL_LOGIN, Lab, clients::keepalive_client::KeepaliveClient,
    fixtures::enforcer::Enforcer, topology::capture::Capture,
};
use serde_json::Value;

use crate::{MINUTE, REGIONS};

#[test]
fn a_verified_connection_survives_restarts_and_reloads() -> Result<()> {
    let lab = Lab::start()?;
    let capture = Capture::watch(lab.network())?;
    let mut enforcer = Enforcer::start(&lab, &REGIONS, "")?;
    enforcer.await_names()?;
    let mut client = KeepaliveClient::start(&lab)?;
    let mut pulls = |when: &str| -> Result<()> {
        assert_eq!(client.request()?, "200", "{when}");
        Ok(())
    };
    pulls("at first")?;
    for signal in [libc::SIGKILL, libc::SIGTERM] {
        enforcer.end(signal)?;
        pulls("without a daemon")?;
        enforcer.run()?;
        pulls("right after the restart")?;
        enforcer.await_names()?;
        pulls("under the next daemon")?;
    }
    let regions = [
        "regions = [\"eastus\"]",
        "regions = [\"eastus\", \"westus\"]",
    ];
    for (old, new, names) in [(regions[0], regions[1], 3), (regions[1], regions[0], 2)] {
        reload(&enforcer, old, new, |status| {
            let listed = status["registries"][0]["names"].as_array();
            listed.is_some_and(|listed| listed.len() == names)
        })?;
        pulls("after a reload")?;
    }
    assert_eq!(capture.take()?.len(), 1, "connections");

    enforcer.edit("linger = \"15m\"", "linger = \"1s\"")?;
    reload(&enforcer, CONTOSO_LOGIN, EVIL_LOGIN, |status| {
        let registries = status["registries"].as_array();
        registries.is_some_and(|all| all.iter().all(|each| each["login-server"] == EVIL_LOGIN))
    })?;
    let deadline = Instant::now() + MINUTE;
    while client.request()? == "200" {
        ensure!(Instant::now() < deadline, "contoso is no longer allowed");
        thread::sleep(Duration::from_millis(20));
    }
    Ok(())
}

fn reload(enforcer: &Enforcer, old: &str, new: &str, taken: impl Fn(&Value) -> bool) -> Result<()> {
    enforcer.edit(old, new)?;
    enforcer.signal(libc::SIGHUP)?;
    enforcer.await_status("the new configuration", taken)?;
    Ok(())
}
