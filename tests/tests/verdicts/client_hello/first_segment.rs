//! ClientHellos from ordinary TCP sockets.

use anyhow::Result;
use enforcer_common::Reason;
use test_data::client_hello::{ClientHello, client_hello};

use super::fixture::{DATA, DATA_AT, HelloFixture, LOGIN, LOGIN_AT, MALLORY};

/// Padding for a ClientHello of more than one segment.
const LARGE: u16 = 2400;
/// Offset of the server name in a small ClientHello, 9 bytes after the start of its extension.
const NAME_AT: usize = 65;

#[test]
fn a_hello_with_a_name_of_the_address_is_allowed_with_all_later_data() -> Result<()> {
    HelloFixture::check(|fixture| {
        let names = [(LOGIN, LOGIN_AT), (DATA, DATA_AT)];
        for (name, addresses) in names {
            for to in addresses {
                let hello = client_hello(name);
                let connection = fixture.passes(to, &hello)?;
                let more = vec![0x17; 100_000];
                fixture.client.send(connection, &more)?;
                fixture
                    .sink
                    .expect(connection.peer, &[&[hello, more].concat()])?;
                fixture.passes(to, &client_hello(&name.to_ascii_uppercase()))?;
                fixture.passes(to, &ClientHello::tls12(name).padded(LARGE).bytes())?;
            }
        }
        assert!(fixture.reasons()?.is_empty(), "{:?}", fixture.reasons()?);
        Ok(())
    })
}

#[test]
fn a_hello_without_a_name_of_the_address_is_denied_completely() -> Result<()> {
    HelloFixture::check(|fixture| {
        let mut broken = client_hello(LOGIN);
        // A message length of one byte more than the record.
        broken[8] += 1;
        let cases = [
            (client_hello(MALLORY), Reason::ServerNameUnknown),
            (client_hello(LOGIN_AT[0]), Reason::ServerNameAddress),
            (client_hello(LOGIN_AT[1]), Reason::ServerNameAddress),
            (client_hello(DATA), Reason::ServerNameElsewhere),
            (client_hello(""), Reason::NoServerName),
            (b"GET / HTTP/1.0\r\n\r\n".to_vec(), Reason::NotTls),
            (broken, Reason::HelloUnreadable),
        ];
        for (bytes, reason) in &cases {
            for to in LOGIN_AT {
                fixture.denied(to, bytes, *reason)?;
            }
        }
        fixture.check_pending()?;
        let expected = cases.map(|(_, reason)| reason).into_iter().collect();
        assert_eq!(fixture.reasons()?, expected);
        Ok(())
    })
}

#[test]
fn retransmissions_of_a_denied_large_hello_are_denied_completely() -> Result<()> {
    HelloFixture::check(|fixture| {
        for to in LOGIN_AT {
            let hello = ClientHello::tls12(MALLORY).padded(LARGE).bytes();
            fixture.denied(to, &hello, Reason::ServerNameUnknown)?;
            let hello = ClientHello::tls12("").padded(LARGE).bytes();
            fixture.denied(to, &hello, Reason::NoServerName)?;
        }
        fixture.check_pending()?;
        let expected = [Reason::ServerNameUnknown, Reason::NoServerName];
        assert_eq!(fixture.reasons()?, expected.into());
        Ok(())
    })
}

#[test]
fn a_hello_in_two_segments_is_allowed_with_an_allowed_name_only() -> Result<()> {
    HelloFixture::check(|fixture| {
        let (good, bad) = (client_hello(LOGIN), client_hello(MALLORY));
        let end_of_name = NAME_AT + LOGIN.len();
        let cuts = [
            1,
            4,
            5,
            6,
            11,
            43,
            NAME_AT - 9,
            NAME_AT - 3,
            NAME_AT,
            NAME_AT + 1,
            NAME_AT + 7,
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
                let cut = if cut < NAME_AT + MALLORY.len() {
                    cut
                } else {
                    0
                };
                fixture.stays(connection, &[&bad[..cut]])?;
            }
        }
        fixture.check_pending()?;
        let reasons = fixture.reasons()?;
        assert_eq!(reasons, [Reason::ServerNameUnknown].into());
        Ok(())
    })
}
