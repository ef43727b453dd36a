//! The first bytes, from a socket that does nothing out of the ordinary.

use anyhow::Result;
use enforcer_common::Reason;
use lab::hello::{client_hello, padded_hello};

use super::fixture::{DATA, DATA_AT, HelloFixture, LOGIN, LOGIN_AT, MALLORY};

/// More than one segment holds.
const LARGE: u16 = 2400;

#[test]
fn a_hello_that_names_a_name_of_the_address_passes_with_all_that_follows() -> Result<()> {
    let mut fixture = HelloFixture::new()?;
    let places = [(LOGIN, LOGIN_AT), (DATA, DATA_AT)];
    for (name, addresses) in places {
        for to in addresses {
            let hello = client_hello(name);
            let connection = fixture.passes(to, &hello)?;
            let more = vec![0x17; 100_000];
            fixture.client.send(connection, &more)?;
            fixture
                .sink
                .expect(connection.peer, &[&[hello, more].concat()])?;
            fixture.passes(to, &client_hello(&name.to_ascii_uppercase()))?;
            fixture.passes(to, &padded_hello(name, LARGE))?;
        }
    }
    assert!(fixture.reasons()?.is_empty(), "{:?}", fixture.reasons()?);
    Ok(())
}

#[test]
fn nothing_of_a_hello_that_names_no_name_of_the_address_reaches_it() -> Result<()> {
    let mut fixture = HelloFixture::new()?;
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
            fixture.denied(to, bytes, *reason)?;
        }
    }
    fixture.settle()?;
    let expected = ways.map(|(_, reason)| reason).into_iter().collect();
    assert_eq!(fixture.reasons()?, expected);
    Ok(())
}

#[test]
fn nothing_of_a_large_hello_that_is_refused_gets_through_when_it_is_sent_again() -> Result<()> {
    let mut fixture = HelloFixture::new()?;
    for to in LOGIN_AT {
        let hello = padded_hello(MALLORY, LARGE);
        fixture.denied(to, &hello, Reason::ServerNameUnknown)?;
        let hello = padded_hello("", LARGE);
        fixture.denied(to, &hello, Reason::NoServerName)?;
    }
    fixture.settle()?;
    let expected = [Reason::ServerNameUnknown, Reason::NoServerName];
    assert_eq!(fixture.reasons()?, expected.into());
    Ok(())
}

#[test]
fn a_hello_in_two_writes_passes_only_with_an_allowed_name() -> Result<()> {
    let mut fixture = HelloFixture::new()?;
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
            let connection = fixture.client.connect(to)?;
            fixture.client.send(connection, &good[..cut])?;
            fixture.sink.expect(connection.peer, &[&good[..cut]])?;
            fixture.client.send(connection, &good[cut..])?;
            fixture.sink.expect(connection.peer, &[&good])?;
            let connection = fixture.client.connect(to)?;
            fixture.client.send(connection, &bad[..cut])?;
            fixture.client.send(connection, &bad[cut..])?;
            let cut = if cut < 54 + 9 + MALLORY.len() { cut } else { 0 };
            fixture.stays(connection, &[&bad[..cut]])?;
        }
    }
    fixture.settle()?;
    let reasons = fixture.reasons()?;
    assert_eq!(reasons, [Reason::ServerNameUnknown].into());
    Ok(())
}
