//! The first bytes, from a socket that does nothing out of the ordinary.

use anyhow::Result;
use enforcer_common::Reason;
use lab::hello::{client_hello, padded_hello};

use super::fixture::{DATA, DATA_AT, LOGIN, LOGIN_AT, MALLORY, Scene};

/// More than one segment holds.
const LARGE: u16 = 2400;

#[test]
fn a_hello_that_names_a_name_of_the_address_passes_with_all_that_follows() -> Result<()> {
    let mut scene = Scene::new()?;
    let places = [(LOGIN, LOGIN_AT), (DATA, DATA_AT)];
    for (name, addresses) in places {
        for to in addresses {
            let hello = client_hello(name);
            let connection = scene.passes(to, &hello)?;
            let more = vec![0x17; 100_000];
            scene.client.send(connection, &more)?;
            scene
                .sink
                .expect(connection.peer, &[&[hello, more].concat()])?;
            scene.passes(to, &client_hello(&name.to_ascii_uppercase()))?;
            scene.passes(to, &padded_hello(name, LARGE))?;
        }
    }
    assert!(scene.reasons()?.is_empty(), "{:?}", scene.reasons()?);
    Ok(())
}

#[test]
fn nothing_of_a_hello_that_names_no_name_of_the_address_reaches_it() -> Result<()> {
    let mut scene = Scene::new()?;
    let mut broken = client_hello(LOGIN);
    // The message is said to be a byte longer than its record.
    broken[8] += 1;
    let ways = [
        (client_hello(MALLORY), Reason::ServerNameUnknown),
        (client_hello(LOGIN_AT[0]), Reason::ServerNameAddress),
        (client_hello(LOGIN_AT[1]), Reason::ServerNameAddress),
        (client_hello(DATA), Reason::ServerNameElsewhere),
        (client_hello(""), Reason::NoServerName),
        (b"GET / HTTP/1.0\r\n\r\n".to_vec(), Reason::NotTls),
        (broken, Reason::HelloUnreadable),
    ];
    for (bytes, reason) in &ways {
        for to in LOGIN_AT {
            scene.denied(to, bytes, *reason)?;
        }
    }
    scene.settle()?;
    let expected = ways.map(|(_, reason)| reason).into_iter().collect();
    assert_eq!(scene.reasons()?, expected);
    Ok(())
}

#[test]
fn nothing_of_a_large_hello_that_is_refused_gets_through_when_it_is_sent_again() -> Result<()> {
    let mut scene = Scene::new()?;
    for to in LOGIN_AT {
        let hello = padded_hello(MALLORY, LARGE);
        scene.denied(to, &hello, Reason::ServerNameUnknown)?;
        let hello = padded_hello("", LARGE);
        scene.denied(to, &hello, Reason::NoServerName)?;
    }
    scene.settle()?;
    let expected = [Reason::ServerNameUnknown, Reason::NoServerName];
    assert_eq!(scene.reasons()?, expected.into());
    Ok(())
}

#[test]
fn a_hello_in_two_writes_passes_only_with_an_allowed_name() -> Result<()> {
    let mut scene = Scene::new()?;
    let (good, bad) = (client_hello(LOGIN), client_hello(MALLORY));
    let end_of_name = 54 + 9 + LOGIN.len();
    let cuts = [
        1,
        4,
        5,
        6,
        11,
        43,
        54,
        60,
        63,
        64,
        70,
        end_of_name - 1,
        end_of_name,
    ];
    for to in LOGIN_AT {
        for cut in cuts.into_iter().chain([good.len() - 1]) {
            let connection = scene.client.connect(to)?;
            scene.client.send(connection, &good[..cut])?;
            scene.sink.expect(connection.peer, &[&good[..cut]])?;
            scene.client.send(connection, &good[cut..])?;
            scene.sink.expect(connection.peer, &[&good])?;
            let connection = scene.client.connect(to)?;
            scene.client.send(connection, &bad[..cut])?;
            scene.client.send(connection, &bad[cut..])?;
            let cut = if cut < 54 + 9 + MALLORY.len() { cut } else { 0 };
            scene.stays(connection, &[&bad[..cut]])?;
        }
    }
    scene.settle()?;
    let reasons = scene.reasons()?;
    assert_eq!(reasons, [Reason::ServerNameUnknown].into());
    Ok(())
}
