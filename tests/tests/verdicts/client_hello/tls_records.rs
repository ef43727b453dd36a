//! A hello in several TLS records, from real sockets.

use anyhow::Result;
use enforcer_common::Reason;
use lab::hello::{client_hello, in_records, modern_hello, padded_hello};

use super::fixture::{DATA, LOGIN, LOGIN_AT, MALLORY, Scene};

/// What OpenSSL sends with `-max_send_frag 512`.
const SMALLEST: usize = 512;
/// More than one segment holds.
const LARGE: u16 = 2400;
/// Bytes of a record's header.
const HEADER: usize = 5;

/// A hello in records of the size that OpenSSL's smallest have.
fn smallest(hello: &[u8]) -> Vec<u8> {
    let cuts: Vec<usize> = (SMALLEST..hello.len() - HEADER).step_by(SMALLEST).collect();
    in_records(hello, &cuts)
}

#[test]
fn a_hello_in_records_passes_with_all_that_follows() -> Result<()> {
    let mut scene = Scene::new()?;
    let more = vec![0x17; 100_000];
    let small = client_hello(LOGIN);
    let bytewise: Vec<usize> = (1..64).collect();
    let across_the_name: Vec<usize> = (50..90).step_by(3).collect();
    for to in LOGIN_AT {
        for hello in [
            smallest(&padded_hello(LOGIN, LARGE)),
            in_records(&small, &[1, 4, 40]),
            in_records(&small, &across_the_name),
            in_records(&small, &bytewise),
        ] {
            let connection = scene.passes(to, &hello)?;
            scene.client.send(connection, &more)?;
            let all = [&hello[..], &more].concat();
            scene.sink.expect(connection.peer, &[&all])?;
        }
    }
    assert!(scene.reasons()?.is_empty(), "{:?}", scene.reasons()?);
    Ok(())
}

#[test]
fn a_header_in_two_segments_passes_too() -> Result<()> {
    let mut scene = Scene::new()?;
    let hello = in_records(&modern_hello(LOGIN), &[60]);
    for to in LOGIN_AT {
        for cut in 60 + HEADER..=60 + 2 * HEADER {
            let connection = scene.passes(to, &hello[..cut])?;
            scene.client.send(connection, &hello[cut..])?;
            scene.sink.expect(connection.peer, &[&hello])?;
        }
    }
    assert!(scene.reasons()?.is_empty(), "{:?}", scene.reasons()?);
    Ok(())
}

#[test]
fn nothing_of_one_that_names_no_name_of_the_address_reaches_it() -> Result<()> {
    let mut scene = Scene::new()?;
    for (name, reason) in [
        (MALLORY, Reason::ServerNameUnknown),
        (DATA, Reason::ServerNameElsewhere),
        (LOGIN_AT[0], Reason::ServerNameAddress),
        ("", Reason::NoServerName),
    ] {
        for to in LOGIN_AT {
            scene.denied(to, &smallest(&padded_hello(name, LARGE)), reason)?;
            scene.denied(to, &in_records(&client_hello(name), &[1, 4, 40]), reason)?;
        }
    }
    scene.settle()
}

/// Each way in which one server could read other bytes as the hello than another.
#[test]
fn records_that_could_be_read_in_two_ways_are_refused() -> Result<()> {
    let mut scene = Scene::new()?;
    let hello = client_hello(LOGIN);
    let body = hello.len() - HEADER;
    let two = in_records(&hello, &[40]);
    let (first, second) = two.split_at(HEADER + 40);
    let between = |bytes: &[u8]| [first, bytes, second].concat();
    let mut behind = two.clone();
    behind.extend([20, 0, 0, 0]);
    let longer = body - 40 + 4;
    behind[first.len() + 4] = longer as u8;
    let too_many: Vec<usize> = (1..65).collect();
    let ways = [
        ("an empty record", in_records(&hello, &[40, 40])),
        ("an empty first record", in_records(&hello, &[0])),
        ("an alert", between(&[21, 3, 3, 0, 2, 1, 90])),
        ("a change of cipher", between(&[20, 3, 3, 0, 1, 1])),
        ("application data", between(&[23, 3, 3, 0, 1, 0])),
        ("a heartbeat", between(&[24, 3, 3, 0, 1, 0])),
        ("another version", between(&[22, 2, 0, 0, 1, 0])),
        ("another message in the last record", behind),
        ("65 records", in_records(&hello, &too_many)),
    ];
    for to in LOGIN_AT {
        for (what, bytes) in &ways {
            let denied = scene.denied(to, bytes, Reason::HelloUnreadable);
            denied.map_err(|error| error.context(*what))?;
        }
        // Each byte in a segment of its own: what is refused is the first byte that shows it.
        let connection = scene.passes(to, first)?;
        let before = scene.denials(Reason::HelloUnreadable)?;
        scene.client.send(connection, &[21])?;
        scene.await_denial(Reason::HelloUnreadable, before)?;
        scene.client.send(connection, second)?;
        scene.stays(connection, &[first])?;
    }
    scene.settle()?;
    assert_eq!(scene.reasons()?, [Reason::HelloUnreadable].into());
    Ok(())
}
