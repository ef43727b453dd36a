//! Ways around the first bytes: sockets that send them early, out of band, or not at all.

use anyhow::Result;
use enforcer_common::Reason;
use lab::{hello::client_hello, topology::packet_counter::PacketCounter};

use super::fixture::{DATA, DATA_AT, HelloFixture, LOGIN, LOGIN_AT, MALLORY, ips};
use crate::fixture::EPERM;

#[test]
fn data_in_a_syn_is_held_back_until_the_connection_is_open() -> Result<()> {
    let mut fixture = HelloFixture::new()?;
    for to in LOGIN_AT {
        let hello = client_hello(LOGIN);
        let before = fixture.denials(Reason::FastOpen)?;
        let connection = fixture.client.fast_open(to, &hello)?;
        fixture.await_denial(Reason::FastOpen, before)?;
        fixture.sink.expect(connection.peer, &[&hello])?;
        let connection = fixture.client.fast_open(to, &client_hello(MALLORY))?;
        fixture.stays(connection, &[b""])?;
    }
    fixture.settle()?;
    let reasons = [Reason::FastOpen, Reason::ServerNameUnknown].into();
    assert_eq!(fixture.reasons()?, reasons);
    Ok(())
}

#[test]
fn a_byte_out_of_band_before_the_hello_ends_the_connection() -> Result<()> {
    let mut fixture = HelloFixture::new()?;
    for to in LOGIN_AT {
        let before = fixture.denials(Reason::Urgent)?;
        let connection = fixture.client.connect(to)?;
        fixture.client.send_urgent(connection, b"!")?;
        fixture.await_denial(Reason::Urgent, before)?;
        fixture.client.send(connection, &client_hello(LOGIN))?;
        fixture.stays(connection, &[b""])?;
    }
    fixture.settle()?;
    assert_eq!(fixture.reasons()?, [Reason::Urgent].into());
    Ok(())
}

#[test]
fn a_hello_that_is_to_leave_later_than_it_is_judged_does_not_leave() -> Result<()> {
    let mut fixture = HelloFixture::new()?;
    for to in LOGIN_AT {
        let hello = client_hello(LOGIN);
        let before = fixture.denials(Reason::DelayedTransmit)?;
        let connection = fixture.client.connect(to)?;
        fixture.client.delay(connection, 100_000)?;
        fixture.client.send(connection, &hello)?;
        fixture.await_denial(Reason::DelayedTransmit, before)?;
        fixture.sink.expect(connection.peer, &[b""])?;
        fixture.client.delay(connection, 0)?;
        fixture.sink.expect(connection.peer, &[&hello])?;
        fixture.client.delay(connection, 100_000)?;
        fixture.client.send(connection, b"more")?;
        let all = [hello.as_slice(), b"more"].concat();
        fixture.sink.expect(connection.peer, &[&all])?;
    }
    assert_eq!(fixture.reasons()?, [Reason::DelayedTransmit].into());
    Ok(())
}

#[test]
fn urgent_data_passes_once_the_hello_has() -> Result<()> {
    let mut fixture = HelloFixture::new()?;
    for to in LOGIN_AT {
        let hello = client_hello(LOGIN);
        let connection = fixture.passes(to, &hello)?;
        fixture.client.send_urgent(connection, b"!")?;
        let all = [hello.as_slice(), b"!"].concat();
        fixture.sink.expect(connection.peer, &[&all])?;
    }
    Ok(())
}

#[test]
fn a_payload_of_a_raw_socket_is_denied_whatever_it_says() -> Result<()> {
    let mut fixture = HelloFixture::new()?;
    let counter = PacketCounter::watch(&fixture.base.network)?;
    for (to, prefix) in ips(&LOGIN_AT).into_iter().zip(["/32", "/128"]) {
        let prefix = format!("{to}{prefix}");
        for data in [client_hello(LOGIN), client_hello(MALLORY), vec![0]] {
            assert_eq!(fixture.client.send_raw(to, &data)?, EPERM, "{to}");
        }
        assert_eq!(counter.packets_to(&[&prefix])?, 0);
        // A header alone is no more than what opens a connection.
        assert_eq!(fixture.client.send_raw(to, b"")?, None, "{to}");
    }
    assert_eq!(fixture.reasons()?, [Reason::NoTcpSocket].into());
    Ok(())
}

#[test]
fn a_connection_from_before_the_programs_sends_no_more() -> Result<()> {
    let mut fixture = HelloFixture::before()?;
    let mut held = Vec::new();
    for to in LOGIN_AT {
        let silent = fixture.client.connect(to)?;
        let begun = fixture.passes(to, &client_hello(LOGIN))?;
        held.push((silent, begun));
    }
    fixture.base.attach()?;
    for (silent, begun) in held {
        fixture.client.send(silent, &client_hello(LOGIN))?;
        fixture.client.send(begun, b"more")?;
        fixture.stays(silent, &[b""])?;
        fixture.stays(begun, &[&client_hello(LOGIN)])?;
    }
    fixture.settle()?;
    assert_eq!(fixture.reasons()?, [Reason::NoSynSeen].into());
    Ok(())
}

#[test]
fn a_socket_that_connects_again_is_judged_anew() -> Result<()> {
    let mut fixture = HelloFixture::new()?;
    let (login, data) = (client_hello(LOGIN), client_hello(DATA));
    for (here, there) in LOGIN_AT.into_iter().zip(DATA_AT) {
        for (to, bytes, reason) in [
            (here, b"more of it".to_vec(), Reason::NotTls),
            (here, client_hello(MALLORY), Reason::ServerNameUnknown),
            (there, login.clone(), Reason::ServerNameElsewhere),
            (there, b"more of it".to_vec(), Reason::NotTls),
        ] {
            let first = fixture.passes(here, &login)?;
            let before = fixture.denials(reason)?;
            let second = fixture.client.reconnect(first, to)?;
            fixture.client.send(second, &bytes)?;
            fixture.await_denial(reason, before)?;
            if first.peer == second.peer {
                fixture.stays(second, &[&login, b""])?;
            } else {
                fixture.stays(second, &[b""])?;
            }
        }
        for (to, hello) in [(here, &login), (there, &data)] {
            let first = fixture.passes(here, &login)?;
            let second = fixture.client.reconnect(first, to)?;
            fixture.client.send(second, hello)?;
            if first.peer == second.peer {
                fixture.sink.expect(second.peer, &[&login, hello])?;
            } else {
                fixture.sink.expect(second.peer, &[hello])?;
            }
        }
    }
    fixture.settle()
}

#[test]
fn data_in_a_syn_of_a_socket_that_connects_again_is_held_back() -> Result<()> {
    let mut fixture = HelloFixture::new()?;
    let hello = client_hello(LOGIN);
    for to in LOGIN_AT {
        let first = fixture.passes(to, &hello)?;
        let before = fixture.denials(Reason::FastOpen)?;
        let second = fixture
            .client
            .fast_open_reconnect(first, to, &client_hello(MALLORY))?;
        fixture.await_denial(Reason::FastOpen, before)?;
        let mut expected = vec![b"".as_slice()];
        if first.peer == second.peer {
            expected.insert(0, &hello);
        }
        fixture.stays(second, &expected)?;
    }
    fixture.settle()?;
    let reasons = [Reason::FastOpen, Reason::ServerNameUnknown].into();
    assert_eq!(fixture.reasons()?, reasons);
    Ok(())
}
