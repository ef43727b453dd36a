//! What is lost is sent again from where it lies, and some of that is memory of the process's.

use anyhow::Result;
use enforcer_common::Reason;
use lab::hello::{client_hello, padded_hello};

use super::fixture::{LOGIN, LOGIN_AT, MALLORY, Scene};

/// More than one segment holds.
const LARGE: u16 = 1800;

/// A hello for the neighbour that lies byte for byte where the one for the login server does.
fn both(padding: u16) -> [Vec<u8>; 2] {
    let [good, bad] = [LOGIN, MALLORY].map(|name| padded_hello(name, padding));
    assert_eq!(good.len(), bad.len());
    [good, bad]
}

#[test]
fn a_hello_that_was_lost_is_not_sent_again_with_another_name() -> Result<()> {
    let mut scene = Scene::new()?;
    let mut tried = Vec::new();
    for padding in [0, LARGE] {
        let [good, bad] = both(padding);
        let differ = good.iter().zip(&bad).position(|(good, bad)| good != bad);
        for to in LOGIN_AT {
            let connection = scene.client.connect(to)?;
            let lost = scene.lose_packets()?;
            scene.client.send_file(connection, &good)?;
            scene.client.change(connection, &bad)?;
            let before = scene.denials(Reason::HelloChanged)?;
            drop(lost);
            scene.await_denial(Reason::HelloChanged, before)?;
            tried.push((connection.peer, good.clone(), differ));
        }
    }
    scene.settle()?;
    for (peer, good, differ) in tried {
        // Of a large one whose name comes late, a segment that is as it was.
        let arrived = scene.sink.streams(peer).concat();
        assert!(good.starts_with(&arrived), "{arrived:?}");
        assert!(Some(arrived.len()) <= differ, "{arrived:?}");
    }
    assert_eq!(scene.reasons()?, [Reason::HelloChanged].into());
    Ok(())
}

#[test]
fn the_beginning_of_a_hello_that_was_lost_is_not_sent_again_with_another_name() -> Result<()> {
    let mut scene = Scene::new()?;
    let [good, bad] = both(0);
    let end = good.len() - 1;
    for to in LOGIN_AT {
        let connection = scene.client.connect(to)?;
        let lost = scene.lose_packets()?;
        scene.client.send_file(connection, &good[..end])?;
        scene.client.change(connection, &bad[..end])?;
        let before = scene.denials(Reason::HelloChanged)?;
        drop(lost);
        scene.await_denial(Reason::HelloChanged, before)?;
        scene.client.send(connection, &good[end..])?;
        scene.stays(connection, &[b""])?;
    }
    scene.settle()
}

#[test]
fn a_hello_that_was_lost_is_sent_again_as_it_was() -> Result<()> {
    let mut scene = Scene::new()?;
    for padding in [0, LARGE] {
        let [good, _] = both(padding);
        for to in LOGIN_AT {
            let connection = scene.client.connect(to)?;
            let lost = scene.lose_packets()?;
            scene.client.send_file(connection, &good)?;
            drop(lost);
            scene.sink.expect(connection.peer, &[&good])?;
            scene.client.send(connection, b"more")?;
            let all = [good.as_slice(), b"more"].concat();
            scene.sink.expect(connection.peer, &[&all])?;
        }
    }
    assert!(scene.reasons()?.is_empty(), "{:?}", scene.reasons()?);
    Ok(())
}

/// Without this the tests above would show nothing.
#[test]
fn the_kernel_does_send_again_what_a_file_holds_by_then() -> Result<()> {
    let mut scene = Scene::new()?;
    scene.apply(|inputs| inputs.names[0].scopes[0].unchecked = true)?;
    let [good, bad] = [client_hello(LOGIN), client_hello(MALLORY)];
    for to in LOGIN_AT {
        let connection = scene.client.connect(to)?;
        let lost = scene.lose_packets()?;
        scene.client.send_file(connection, &good)?;
        scene.client.change(connection, &bad)?;
        drop(lost);
        scene.sink.expect(connection.peer, &[&bad])?;
    }
    Ok(())
}
