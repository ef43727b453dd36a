//! ClientHellos in several TLS records, from real sockets.

use anyhow::Result;
use enforcer_common::Reason;
use test_data::client_hello::{ClientHello, records, records_of};

use super::fixture::{DATA, HelloFixture, LOGIN, LOGIN_AT, MALLORY};

/// Record size of OpenSSL with `-max_send_frag 512`.
const SMALLEST: usize = 512;
/// Padding for a ClientHello of more than one segment.
const LARGE: u16 = 2400;
/// Length of a record header in bytes.
const HEADER: usize = 5;

/// Returns a large ClientHello in records of OpenSSL's minimum size.
fn smallest(name: &str) -> Vec<u8> {
    let hello = ClientHello::tls12(name).padded(LARGE);
    records_of(&hello.message(), SMALLEST)
}

#[test]
fn a_hello_in_several_records_is_allowed_with_all_later_data() -> Result<()> {
    HelloFixture::check(|fixture| {
        let more = vec![0x17; 100_000];
        let small = ClientHello::tls12(LOGIN).message();
        let bytewise: Vec<usize> = (1..64).collect();
        let across_the_name: Vec<usize> = (50..90).step_by(3).collect();
        for to in LOGIN_AT {
            for hello in [
                smallest(LOGIN),
                records(&small, &[1, 4, 40]),
                records(&small, &across_the_name),
                records(&small, &bytewise),
            ] {
                let connection = fixture.passes(to, &hello)?;
                fixture.client.send(connection, &more)?;
                let all = [&hello[..], &more].concat();
                fixture.sink.expect(connection.peer, &[&all])?;
            }
        }
        assert!(fixture.reasons()?.is_empty(), "{:?}", fixture.reasons()?);
        Ok(())
    })
}

#[test]
fn a_record_header_may_span_two_segments() -> Result<()> {
    HelloFixture::check(|fixture| {
        let hello = ClientHello::tls12(LOGIN).offering_tls13();
        let hello = records(&hello.message(), &[60]);
        for to in LOGIN_AT {
            for cut in 60 + HEADER..=60 + 2 * HEADER {
                let connection = fixture.passes(to, &hello[..cut])?;
                fixture.client.send(connection, &hello[cut..])?;
                fixture.sink.expect(connection.peer, &[&hello])?;
            }
        }
        assert!(fixture.reasons()?.is_empty(), "{:?}", fixture.reasons()?);
        Ok(())
    })
}

#[test]
fn a_hello_in_several_records_without_a_name_of_the_address_is_denied_completely() -> Result<()> {
    HelloFixture::check(|fixture| {
        for (name, reason) in [
            (MALLORY, Reason::ServerNameUnknown),
            (DATA, Reason::ServerNameElsewhere),
            (LOGIN_AT[0], Reason::ServerNameAddress),
            ("", Reason::NoServerName),
        ] {
            for to in LOGIN_AT {
                fixture.denied(to, &smallest(name), reason)?;
                let small = ClientHello::tls12(name).message();
                fixture.denied(to, &records(&small, &[1, 4, 40]), reason)?;
            }
        }
        Ok(())
    })
}

/// Record sequences that servers could reassemble to different ClientHellos.
#[test]
fn ambiguous_record_sequences_are_denied() -> Result<()> {
    HelloFixture::check(|fixture| {
        let hello = ClientHello::tls12(LOGIN).message();
        let two = records(&hello, &[40]);
        let (first, second) = two.split_at(HEADER + 40);
        let between = |bytes: &[u8]| [first, bytes, second].concat();
        let mut behind = two.clone();
        behind.extend([20, 0, 0, 0]);
        let longer = hello.len() - 40 + 4;
        behind[first.len() + 4] = longer as u8;
        let too_many: Vec<usize> = (1..65).collect();
        let cases = [
            ("an empty record", records(&hello, &[40, 40])),
            ("an empty first record", records(&hello, &[0])),
            ("an alert", between(&[21, 3, 3, 0, 2, 1, 90])),
            ("a change of cipher", between(&[20, 3, 3, 0, 1, 1])),
            ("application data", between(&[23, 3, 3, 0, 1, 0])),
            ("a heartbeat", between(&[24, 3, 3, 0, 1, 0])),
            ("another version", between(&[22, 2, 0, 0, 1, 0])),
            ("another message in the last record", behind),
            ("65 records", records(&hello, &too_many)),
        ];
        for to in LOGIN_AT {
            for (what, bytes) in &cases {
                let denied = fixture.denied(to, bytes, Reason::HelloUnreadable);
                denied.map_err(|error| error.context(*what))?;
            }
            // In separate segments, the first byte that reveals the sequence is denied.
            let connection = fixture.passes(to, first)?;
            let before = fixture.denials(Reason::HelloUnreadable)?;
            fixture.client.send(connection, &[21])?;
            fixture.await_denial(Reason::HelloUnreadable, before)?;
            fixture.client.send(connection, second)?;
            fixture.stays(connection, &[first])?;
        }
        fixture.check_pending()?;
        assert_eq!(fixture.reasons()?, [Reason::HelloUnreadable].into());
        Ok(())
    })
}
