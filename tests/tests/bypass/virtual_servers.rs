//! IP virtual servers (ipvsadm(8)), as Kubernetes' Services have them: an unprivileged process connects to an unprotected address, and the kernel leads
//! the connection to a storage account.

use std::{net::Ipv4Addr, time::Duration};

use anyhow::Result;
use enforcer_common::Reason;
use lab::fixtures::process::run;

use crate::{
    bypasses,
    client::Client,
    comparison::{Attempt, Target, Technique, With},
    fixture::Fixture,
    lane::{Lane, lane},
    redirected_connections::exchange,
    support,
};

const LIMIT: Duration = Duration::from_secs(20);
const SERVER: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 90);
const PORT: u16 = 9000;

fn ipvsadm(fixture: &Fixture, arguments: &str) -> Result<()> {
    let mut command = fixture.network.device_env().command("ipvsadm");
    command.args(arguments.split(' '));
    run(command, LIMIT)?.success()?;
    Ok(())
}

/// Returns the technique, if this system has virtual servers.
pub(crate) fn techniques(fixture: &Fixture) -> Result<Option<Box<dyn Lane>>> {
    let is_there = ipvsadm(fixture, "--list --numeric").is_ok();
    if !support::report("IP virtual servers", is_there, &[])? {
        return Ok(None);
    }
    let act = |fixture: &Fixture, client: &mut Client, attempt: &Attempt| {
        let port = PORT + attempt.number;
        let (server, to) = (format!("-t {SERVER}:{port}"), attempt.to);
        ipvsadm(fixture, &format!("--add-service {server} -s rr"))?;
        ipvsadm(fixture, &format!("--add-server {server} -r {to}:443 -m"))?;
        exchange(client, SERVER, port, &attempt.marker)
    };
    let technique = Technique::new(
        "an unprivileged process: TCP to a virtual server",
        (Target::Storage, true),
        With::Denied(Reason::Storage),
        act,
    );
    let client = Client::start_unprivileged(&fixture.host())?;
    Ok(Some(lane(
        &bypasses::VIRTUAL_SERVERS,
        client,
        vec![technique],
    )))
}
