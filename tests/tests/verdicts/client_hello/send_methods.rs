//! Ways around the first bytes: sockets that send them early, out of band, or not at all.

use anyhow::Result;
use enforcer_common::Reason;
use lab::{hello::client_hello, topology::packet_counter::Wire};

use super::fixture::{DATA, DATA_AT, LOGIN, LOGIN_AT, MALLORY, Scene, ips};
use crate::fixture::EPERM;

#[test]
fn data_in_a_syn_is_held_back_until_the_connection_is_open() -> Result<()> {
    let mut scene = Scene::new()?;
    for to in LOGIN_AT {
        let hello = client_hello(LOGIN);
        let before = scene.denials(Reason::FastOpen)?;
        let connection = scene.client.fast_open(to, &hello)?;
        scene.await_denial(Reason::FastOpen, before)?;
        scene.sink.expect(connection.peer, &[&hello])?;
        let connection = scene.client.fast_open(to, &client_hello(MALLORY))?;
        scene.stays(connection, &[b""])?;
    }
    scene.settle()?;
    let reasons = [Reason::FastOpen, Reason::ServerNameUnknown].into();
    assert_eq!(scene.reasons()?, reasons);
    Ok(())
}

#[test]
fn a_byte_out_of_band_before_the_hello_ends_the_connection() -> Result<()> {
    let mut scene = Scene::new()?;
    for to in LOGIN_AT {
        let before = scene.denials(Reason::Urgent)?;
        let connection = scene.client.connect(to)?;
        scene.client.send_urgent(connection, b"!")?;
        scene.await_denial(Reason::Urgent, before)?;
        scene.client.send(connection, &client_hello(LOGIN))?;
        scene.stays(connection, &[b""])?;
    }
    scene.settle()?;
    assert_eq!(scene.reasons()?, [Reason::Urgent].into());
    Ok(())
}

#[test]
fn a_hello_that_is_to_leave_later_than_it_is_judged_does_not_leave() -> Result<()> {
    let mut scene = Scene::new()?;
    for to in LOGIN_AT {
        let hello = client_hello(LOGIN);
        let before = scene.denials(Reason::HelloHeld)?;
        let connection = scene.client.connect(to)?;
        scene.client.delay(connection, 100_000)?;
        scene.client.send(connection, &hello)?;
        scene.await_denial(Reason::HelloHeld, before)?;
        scene.sink.expect(connection.peer, &[b""])?;
        scene.client.delay(connection, 0)?;
        scene.sink.expect(connection.peer, &[&hello])?;
        scene.client.delay(connection, 100_000)?;
        scene.client.send(connection, b"more")?;
        let all = [hello.as_slice(), b"more"].concat();
        scene.sink.expect(connection.peer, &[&all])?;
    }
    assert_eq!(scene.reasons()?, [Reason::HelloHeld].into());
    Ok(())
}

#[test]
fn urgent_data_passes_once_the_hello_has() -> Result<()> {
    let mut scene = Scene::new()?;
    for to in LOGIN_AT {
        let hello = client_hello(LOGIN);
        let connection = scene.passes(to, &hello)?;
        scene.client.send_urgent(connection, b"!")?;
        let all = [hello.as_slice(), b"!"].concat();
        scene.sink.expect(connection.peer, &[&all])?;
    }
    Ok(())
}

#[test]
fn a_payload_of_a_raw_socket_is_denied_whatever_it_says() -> Result<()> {
    let mut scene = Scene::new()?;
    let wire = Wire::watch(&scene.stage.world)?;
    for (to, prefix) in ips(&LOGIN_AT).into_iter().zip(["/32", "/128"]) {
        let prefix = format!("{to}{prefix}");
        for data in [client_hello(LOGIN), client_hello(MALLORY), vec![0]] {
            assert_eq!(scene.client.send_raw(to, &data)?, EPERM, "{to}");
        }
        assert_eq!(wire.packets_to(&[&prefix])?, 0);
        // A header alone is no more than what opens a connection.
        assert_eq!(scene.client.send_raw(to, b"")?, None, "{to}");
    }
    assert_eq!(scene.reasons()?, [Reason::NotASocket].into());
    Ok(())
}

#[test]
fn a_connection_from_before_the_programs_sends_no_more() -> Result<()> {
    let mut scene = Scene::before()?;
    let mut held = Vec::new();
    for to in LOGIN_AT {
        let silent = scene.client.connect(to)?;
        let begun = scene.passes(to, &client_hello(LOGIN))?;
        held.push((silent, begun));
    }
    scene.stage.attach()?;
    for (silent, begun) in held {
        scene.client.send(silent, &client_hello(LOGIN))?;
        scene.client.send(begun, b"more")?;
        scene.stays(silent, &[b""])?;
        scene.stays(begun, &[&client_hello(LOGIN)])?;
    }
    scene.settle()?;
    assert_eq!(scene.reasons()?, [Reason::Unwatched].into());
    Ok(())
}

#[test]
fn a_socket_that_connects_again_is_judged_anew() -> Result<()> {
    let mut scene = Scene::new()?;
    let (login, data) = (client_hello(LOGIN), client_hello(DATA));
    for (here, there) in LOGIN_AT.into_iter().zip(DATA_AT) {
        for (to, bytes, reason) in [
            (here, b"more of it".to_vec(), Reason::NotTls),
            (here, client_hello(MALLORY), Reason::ServerNameUnknown),
            (there, login.clone(), Reason::ServerNameElsewhere),
            (there, b"more of it".to_vec(), Reason::NotTls),
        ] {
            let first = scene.passes(here, &login)?;
            let before = scene.denials(reason)?;
            let second = scene.client.again(first, to)?;
            scene.client.send(second, &bytes)?;
            scene.await_denial(reason, before)?;
            if first.peer == second.peer {
                scene.stays(second, &[&login, b""])?;
            } else {
                scene.stays(second, &[b""])?;
            }
        }
        for (to, hello) in [(here, &login), (there, &data)] {
            let first = scene.passes(here, &login)?;
            let second = scene.client.again(first, to)?;
            scene.client.send(second, hello)?;
            if first.peer == second.peer {
                scene.sink.expect(second.peer, &[&login, hello])?;
            } else {
                scene.sink.expect(second.peer, &[hello])?;
            }
        }
    }
    scene.settle()
}

#[test]
fn data_in_a_syn_of_a_socket_that_connects_again_is_held_back() -> Result<()> {
    let mut scene = Scene::new()?;
    let hello = client_hello(LOGIN);
    for to in LOGIN_AT {
        let first = scene.passes(to, &hello)?;
        let before = scene.denials(Reason::FastOpen)?;
        let second = scene
            .client
            .fast_open_again(first, to, &client_hello(MALLORY))?;
        scene.await_denial(Reason::FastOpen, before)?;
        let mut expected = vec![b"".as_slice()];
        if first.peer == second.peer {
            expected.insert(0, &hello);
        }
        scene.stays(second, &expected)?;
    }
    scene.settle()?;
    let reasons = [Reason::FastOpen, Reason::ServerNameUnknown].into();
    assert_eq!(scene.reasons()?, reasons);
    Ok(())
}
