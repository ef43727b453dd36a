//! Send methods that could evade inspection of the first bytes: in the SYN, out of band, delayed, or without a TCP socket.

use anyhow::Result;
use enforcer_common::Reason;
use lab::topology::packet_counter::PacketCounter;
use test_data::client_hello::client_hello;

use super::fixture::{DATA, DATA_AT, HelloFixture, LOGIN, LOGIN_AT, MALLORY, ips};
use crate::fixture::EPERM;

#[test]
fn data_in_a_syn_is_denied_until_the_connection_is_established() -> Result<()> {
    HelloFixture::check(|fixture| {
        for to in LOGIN_AT {
            let hello = client_hello(LOGIN);
            let before = fixture.denials(Reason::FastOpen)?;
            let connection = fixture.client.fast_open(to, &hello)?;
            fixture.await_denial(Reason::FastOpen, before)?;
            fixture.sink.expect(connection.peer, &[&hello])?;
            let connection = fixture.client.fast_open(to, &client_hello(MALLORY))?;
            fixture.stays(connection, &[b""])?;
        }
        fixture.check_pending()?;
        let reasons = [Reason::FastOpen, Reason::ServerNameUnknown].into();
        assert_eq!(fixture.reasons()?, reasons);
        Ok(())
    })
}

#[test]
fn urgent_data_before_the_hello_blocks_the_connection() -> Result<()> {
    HelloFixture::check(|fixture| {
        for to in LOGIN_AT {
            let before = fixture.denials(Reason::Urgent)?;
            let connection = fixture.client.connect(to)?;
            fixture.client.send_urgent(connection, b"!")?;
            fixture.await_denial(Reason::Urgent, before)?;
            fixture.client.send(connection, &client_hello(LOGIN))?;
            fixture.stays(connection, &[b""])?;
        }
        fixture.check_pending()?;
        assert_eq!(fixture.reasons()?, [Reason::Urgent].into());
        Ok(())
    })
}

#[test]
fn a_hello_with_a_future_departure_time_is_denied() -> Result<()> {
    HelloFixture::check(|fixture| {
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
    })
}

#[test]
fn urgent_data_after_the_hello_is_allowed() -> Result<()> {
    HelloFixture::check(|fixture| {
        for to in LOGIN_AT {
            let hello = client_hello(LOGIN);
            let connection = fixture.passes(to, &hello)?;
            fixture.client.send_urgent(connection, b"!")?;
            let all = [hello.as_slice(), b"!"].concat();
            fixture.sink.expect(connection.peer, &[&all])?;
        }
        Ok(())
    })
}

#[test]
fn a_tcp_payload_from_a_raw_socket_is_denied_regardless_of_its_content() -> Result<()> {
    HelloFixture::check(|fixture| {
        let counter = PacketCounter::watch(&fixture.base.network)?;
        for (to, prefix) in ips(&LOGIN_AT).into_iter().zip(["/32", "/128"]) {
            let prefix = format!("{to}{prefix}");
            for data in [client_hello(LOGIN), client_hello(MALLORY), vec![0]] {
                assert_eq!(fixture.client.send_raw(to, &data)?, EPERM, "{to}");
            }
            assert_eq!(counter.packets_to(&[&prefix])?, 0);
            // A header without payload is allowed, like a SYN.
            assert_eq!(fixture.client.send_raw(to, b"")?, None, "{to}");
        }
        assert_eq!(fixture.reasons()?, [Reason::NoTcpSocket].into());
        Ok(())
    })
}

#[test]
fn a_connection_older_than_the_programs_is_blocked() -> Result<()> {
    HelloFixture::check_unattached(|fixture| {
        let mut connections = Vec::new();
        for to in LOGIN_AT {
            let silent = fixture.client.connect(to)?;
            let started = fixture.passes(to, &client_hello(LOGIN))?;
            connections.push((silent, started));
        }
        fixture.base.attach()?;
        for (silent, started) in connections {
            fixture.client.send(silent, &client_hello(LOGIN))?;
            fixture.client.send(started, b"more")?;
            fixture.stays(silent, &[b""])?;
            fixture.stays(started, &[&client_hello(LOGIN)])?;
        }
        fixture.check_pending()?;
        assert_eq!(fixture.reasons()?, [Reason::NoSynSeen].into());
        Ok(())
    })
}

#[test]
fn a_reconnected_socket_is_inspected_again() -> Result<()> {
    HelloFixture::check(|fixture| {
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
        Ok(())
    })
}

#[test]
fn data_in_the_syn_of_a_reconnected_socket_is_denied() -> Result<()> {
    HelloFixture::check(|fixture| {
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
        fixture.check_pending()?;
        let reasons = [Reason::FastOpen, Reason::ServerNameUnknown].into();
        assert_eq!(fixture.reasons()?, reasons);
        Ok(())
    })
}
