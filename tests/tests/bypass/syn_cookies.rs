//! SYN cookies (tcp(7)): the kernel answers a connection from a storage account before there is a socket for it.

use std::{fs, net::IpAddr};

use anyhow::{Context as _, Result, bail};
use enforcer_common::Reason;
use serde_json::json;

use crate::{
    bypasses,
    client::Client,
    comparison::{Attempt, SendResult, Target, Technique, With},
    fixture::Fixture,
    lane::{Lane, lane_between},
};

const HOST: [u8; 4] = [10, 53, 0, 2];
const PORT: u16 = 7000;

/// An unprivileged process that listens, and one at every address of the far side.
struct Ends {
    host: Client,
    far: Client,
}

/// Returns the technique, which runs alone: the setting is the network namespace's.
pub(crate) fn techniques(fixture: &Fixture) -> Result<Box<dyn Lane>> {
    let ends = Ends {
        host: Client::start_unprivileged(&fixture.host())?,
        far: Client::start(&fixture.network.cloud_env())?,
    };
    let act = |_: &Fixture, ends: &mut Ends, attempt: &Attempt| {
        let port = PORT + attempt.number;
        let order = json!({"do": "serve", "address": "0.0.0.0", "port": port});
        ends.host.open(order)?;
        let host = IpAddr::from(HOST);
        let order = json!({"do": "connect", "to": host, "port": port, "source": attempt.to});
        Ok(match ends.far.try_open(order)? {
            Ok(_connected) => SendResult::Answered,
            Err(_errno) => SendResult::Unanswered,
        })
    };
    let technique = Technique::new(
        "the answer to a connection from a storage account, with SYN cookies",
        (Target::Storage, true),
        With::Denied(Reason::Storage),
        act,
    );
    let technique = technique.recognised_by(|attempt| answer(attempt).unwrap_or_default());
    let changes = [always as fn(&Fixture) -> _, on_overflow];
    let bypass = &bypasses::SYN_COOKIES;
    Ok(lane_between(changes, bypass, ends, vec![technique]))
}

fn always(fixture: &Fixture) -> Result<()> {
    set(fixture, "2")
}

fn on_overflow(fixture: &Fixture) -> Result<()> {
    set(fixture, "1")
}

fn set(fixture: &Fixture, value: &str) -> Result<()> {
    let file = "/proc/sys/net/ipv4/tcp_syncookies";
    let set = || fs::write(file, value).with_context(|| format!("set {file}"));
    fixture.network.device().run(set)
}

/// Addresses and source port of the answer.
fn answer(attempt: &Attempt) -> Result<Vec<u8>> {
    let IpAddr::V4(to) = attempt.to else {
        bail!("no IPv4 address");
    };
    let port = (PORT + attempt.number).to_be_bytes();
    Ok([&HOST[..], &to.octets(), &port].concat())
}
