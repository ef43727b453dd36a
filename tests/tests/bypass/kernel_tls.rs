//! TLS in the kernel (kTLS), which encrypts what a socket sends before its hook judges it.

use anyhow::{Result, bail};
use enforcer_common::{Hook, Reason};
use lab::topology::cgroup::Cgroup;
use serde_json::json;
use test_data::client_hello::client_hello;

use crate::{
    bypasses,
    client::{Client, Socket, hex},
    comparison::{Attempt, SendResult, Target, Technique, With},
    fixture::{Fixture, LOGIN},
    lane::{Lane, lane},
    places::Place,
    server::ANSWER,
    support,
};

/// The cgroup of the clients that send no ClientHello.
const CGROUP: &str = "ktls";
const IN_SCOPE: &str = "device/ktls";
/// What a client sends through the kernel, and the header of its record with the explicit nonce and the tag (RFC 5288 section 3).
const REQUEST: &[u8] = b"a request";
const RECORD: [u8; 5] = [23, 3, 3, 0, 8 + 9 + 16];
/// Bytes of an explicit nonce.
const NONCE: usize = 8;

/// The part of the marker that is the explicit nonce of the attempt's first record.
fn nonce(attempt: &Attempt) -> &[u8] {
    attempt.marker.get(..NONCE).unwrap_or_default()
}

/// The beginning of the attempt's first record.
fn record(attempt: &Attempt) -> Vec<u8> {
    [&RECORD[..], nonce(attempt)].concat()
}

fn connect(client: &mut Client, attempt: &Attempt) -> Result<Socket> {
    client.open(json!({"do": "connect", "to": attempt.to, "port": 443}))
}

/// Hands the connection to the kernel, sends a record, and waits for an answer.
fn request(client: &mut Client, socket: Socket, attempt: &Attempt) -> Result<SendResult> {
    client.on(
        socket,
        json!({"do": "encrypt", "nonce": hex(nonce(attempt))}),
    )?;
    client.send(socket, REQUEST)?;
    Ok(if client.is_answered(socket, ANSWER)? {
        SendResult::Answered
    } else {
        SendResult::Unanswered
    })
}

/// Whether the kernel encrypts, which a client tries.
fn is_there(client: &mut Client) -> Result<bool> {
    let tried = client.try_open(json!({"do": "has_tls"}))?;
    support::report("kTLS", tried.is_ok(), &["5.10"])
}

/// Returns the techniques with a verified connection, which goes on, if the kernel encrypts.
pub(crate) fn verified(fixture: &Fixture) -> Result<Option<Box<dyn Lane>>> {
    let mut client = Client::start_unprivileged(&fixture.host())?;
    if !is_there(&mut client)? {
        return Ok(None);
    }
    let techniques = [true, false].map(|is_v4| {
        let act = |_: &Fixture, client: &mut Client, attempt: &Attempt| {
            let socket = connect(client, attempt)?;
            client.send(socket, &client_hello(LOGIN))?;
            if !client.is_answered(socket, ANSWER)? {
                bail!("no answer to the ClientHello");
            }
            request(client, socket, attempt)
        };
        let name = format!(
            "kTLS behind a ClientHello, IPv{}",
            if is_v4 { 4 } else { 6 }
        );
        let target = (Target::Login, is_v4);
        Technique::new(name, target, With::Passes, act).recognised_by(record)
    });
    Ok(Some(lane(&bypasses::CONTROLS, client, techniques.into())))
}

/// Returns the techniques without a ClientHello, if the kernel encrypts.
pub(crate) fn unverified(fixture: &Fixture, place: Place) -> Result<Option<Box<dyn Lane>>> {
    let (cgroup, env) = place.cgroup(fixture, CGROUP)?;
    let mut client = Client::start_unprivileged(&env)?;
    if !is_there(&mut client)? {
        return Ok(None);
    }
    let with = With::DeniedIn(IN_SCOPE, Hook::Egress, Reason::NotTls);
    let techniques = [true, false].map(|is_v4| {
        let act = |_: &Fixture, (client, _): &mut (Client, Cgroup), attempt: &Attempt| {
            let socket = connect(client, attempt)?;
            request(client, socket, attempt)
        };
        let name = format!(
            "kTLS without a ClientHello, IPv{}",
            if is_v4 { 4 } else { 6 }
        );
        Technique::new(name, (Target::Login, is_v4), with, act).recognised_by(record)
    });
    Ok(Some(lane(
        &bypasses::SOCKETS,
        (client, cgroup),
        techniques.into(),
    )))
}
