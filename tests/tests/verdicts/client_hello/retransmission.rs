//! What is lost is sent again from where it lies, and some of that is memory of the process's.

use anyhow::Result;
use enforcer_common::Reason;
use lab::hello::{client_hello, padded_hello};

use super::fixture::{HelloFixture, LOGIN, LOGIN_AT, MALLORY};

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
    let mut fixture = HelloFixture::new()?;
    let mut tried = Vec::new();
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
            tried.push((connection.peer, good.clone(), differ));
        }
    }
    fixture.settle()?;
    for (peer, good, differ) in tried {
        // Of a large one whose name comes late, a segment that is as it was.
        let arrived = fixture.sink.streams(peer).concat();
        assert!(good.starts_with(&arrived), "{arrived:?}");
        assert!(Some(arrived.len()) <= differ, "{arrived:?}");
    }
    assert_eq!(fixture.reasons()?, [Reason::RetransmitMismatch].into());
    Ok(())
}

#[test]
fn the_beginning_of_a_hello_that_was_lost_is_not_sent_again_with_another_name() -> Result<()> {
    let mut fixture = HelloFixture::new()?;
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
    fixture.settle()
}

#[test]
fn a_hello_that_was_lost_is_sent_again_as_it_was() -> Result<()> {
    let mut fixture = HelloFixture::new()?;
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
}

/// Without this the tests above would show nothing.
#[test]
fn the_kernel_does_send_again_what_a_file_holds_by_then() -> Result<()> {
    let mut fixture = HelloFixture::new()?;
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
}
