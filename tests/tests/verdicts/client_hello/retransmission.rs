//! Retransmissions: TCP sends lost data again from memory that the process may have changed.

use anyhow::Result;
use enforcer_common::Reason;
use test_data::client_hello::{ClientHello, client_hello};

use super::fixture::{HelloFixture, LOGIN, LOGIN_AT, MALLORY};

/// Padding for a ClientHello of more than one segment.
const LARGE: u16 = 1800;

/// Returns ClientHellos of equal length for the login server and for another tenant's.
fn both(padding: u16) -> [Vec<u8>; 2] {
    let [good, bad] = [LOGIN, MALLORY].map(|name| ClientHello::tls12(name).padded(padding).bytes());
    assert_eq!(good.len(), bad.len());
    [good, bad]
}

#[test]
fn a_retransmitted_hello_with_another_name_is_denied() -> Result<()> {
    HelloFixture::check(|fixture| {
        let mut attempts = Vec::new();
        for padding in [0, LARGE] {
            let [good, bad] = both(padding);
            let differ = good.iter().zip(&bad).position(|(good, bad)| good != bad);
            for to in LOGIN_AT {
                let connection = fixture.client.connect(to)?;
                let lost = fixture.lose_packets()?;
                fixture.client.send_file(connection, &good)?;
                fixture.client.change(connection, &bad)?;
                let before = fixture.denials(Reason::RetransmitMismatch)?;
                drop(lost);
                fixture.await_denial(Reason::RetransmitMismatch, before)?;
                attempts.push((connection.peer, good.clone(), differ));
            }
        }
        fixture.check_pending()?;
        for (peer, good, differ) in attempts {
            // Of a large ClientHello with the name at its end, only unchanged segments arrive.
            let arrived = fixture.sink.streams(peer).concat();
            assert!(good.starts_with(&arrived), "{arrived:?}");
            assert!(Some(arrived.len()) <= differ, "{arrived:?}");
        }
        assert_eq!(fixture.reasons()?, [Reason::RetransmitMismatch].into());
        Ok(())
    })
}

#[test]
fn a_retransmitted_part_of_a_hello_with_another_name_is_denied() -> Result<()> {
    HelloFixture::check(|fixture| {
        let [good, bad] = both(0);
        let end = good.len() - 1;
        for to in LOGIN_AT {
            let connection = fixture.client.connect(to)?;
            let lost = fixture.lose_packets()?;
            fixture.client.send_file(connection, &good[..end])?;
            fixture.client.change(connection, &bad[..end])?;
            let before = fixture.denials(Reason::RetransmitMismatch)?;
            drop(lost);
            fixture.await_denial(Reason::RetransmitMismatch, before)?;
            fixture.client.send(connection, &good[end..])?;
            fixture.stays(connection, &[b""])?;
        }
        Ok(())
    })
}

#[test]
fn an_unchanged_retransmission_of_a_hello_is_allowed() -> Result<()> {
    HelloFixture::check(|fixture| {
        for padding in [0, LARGE] {
            let [good, _] = both(padding);
            for to in LOGIN_AT {
                let connection = fixture.client.connect(to)?;
                let lost = fixture.lose_packets()?;
                fixture.client.send_file(connection, &good)?;
                drop(lost);
                fixture.sink.expect(connection.peer, &[&good])?;
                fixture.client.send(connection, b"more")?;
                let all = [good.as_slice(), b"more"].concat();
                fixture.sink.expect(connection.peer, &[&all])?;
            }
        }
        assert!(fixture.reasons()?.is_empty(), "{:?}", fixture.reasons()?);
        Ok(())
    })
}

/// Shows that the tests above are effective.
#[test]
fn tcp_retransmits_the_current_content_of_a_file() -> Result<()> {
    HelloFixture::check(|fixture| {
        fixture.apply(|inputs| inputs.names[0].scopes[0].unchecked = true)?;
        let [good, bad] = [client_hello(LOGIN), client_hello(MALLORY)];
        for to in LOGIN_AT {
            let connection = fixture.client.connect(to)?;
            let lost = fixture.lose_packets()?;
            fixture.client.send_file(connection, &good)?;
            fixture.client.change(connection, &bad)?;
            drop(lost);
            fixture.sink.expect(connection.peer, &[&bad])?;
        }
        Ok(())
    })
}
