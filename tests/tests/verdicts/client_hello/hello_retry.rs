//! A second ClientHello, after a HelloRetryRequest or as if after one (RFC 8446, section 4.1.4).

use anyhow::Result;
use enforcer_common::Reason;
use test_data::client_hello::{ClientHello, records};

use super::fixture::{DATA, HelloFixture, LOGIN, LOGIN_AT, MALLORY};

/// What may precede it: nothing, a dummy change_cipher_spec (RFC 8446, appendix D.4), a warning alert that servers ignore.
const BEFORE: [&[u8]; 3] = [&[], &[20, 3, 3, 0, 1, 1], &[21, 3, 3, 0, 2, 1, 90]];
/// The beginning of an encrypted record.
const DATA_RECORD: [u8; 10] = [23, 3, 3, 0, 5, 1, 0, 0, 1, 0];

fn modern(name: &str) -> ClientHello {
    ClientHello::tls12(name).offering_tls13()
}

#[test]
fn a_second_hello_needs_a_name_of_the_address_like_the_first() -> Result<()> {
    HelloFixture::check(|fixture| {
        let first = modern(LOGIN).bytes();
        for to in LOGIN_AT {
            for before in BEFORE {
                for (name, reason) in [
                    (MALLORY, Reason::ServerNameUnknown),
                    (DATA, Reason::ServerNameElsewhere),
                    ("", Reason::NoServerName),
                ] {
                    for hello in [modern(name), ClientHello::tls12(name)] {
                        let connection = fixture.passes(to, &first)?;
                        let denied = fixture.denials(reason)?;
                        fixture
                            .client
                            .send(connection, &[before, &hello.bytes()].concat())?;
                        fixture.await_denial(reason, denied)?;
                        fixture.stays(connection, &[&first])?;
                    }
                }
                let other = modern(LOGIN);
                let cut = records(&other.message(), &[1, 2, 40, 80]);
                for other in [cut, other.bytes()] {
                    let connection = fixture.passes(to, &first)?;
                    let then = [before, &other, &DATA_RECORD, b"anything"].concat();
                    fixture.client.send(connection, &then)?;
                    let all = [first.as_slice(), &then].concat();
                    fixture.sink.expect(connection.peer, &[&all])?;
                }
            }
        }
        fixture.check_pending()?;
        let reasons = [
            Reason::ServerNameUnknown,
            Reason::ServerNameElsewhere,
            Reason::NoServerName,
        ];
        assert_eq!(fixture.reasons()?, reasons.into());
        Ok(())
    })
}

#[test]
fn a_second_hello_cannot_hide_in_records_after_other_records_or_in_the_first_segment() -> Result<()>
{
    HelloFixture::check(|fixture| {
        let first = modern(LOGIN).bytes();
        let hello = modern(MALLORY).bytes();
        let (header, body) = hello.split_at(5);
        let start = &body[..40];
        let record = |content: &[u8]| [&header[..3], &[0, content.len() as u8], content].concat();
        // A message length of more than 128 KiB, which OpenSSL accepts.
        let long = record(&[&[1, 2, 0, 70], &start[4..]].concat());
        let two = records(body, &[40]);
        let allowed = records(&modern(LOGIN).message(), &[40]);
        let dummy = [&allowed[..45], BEFORE[1], &allowed[45..]].concat();
        for names in [[MALLORY, LOGIN], [LOGIN, MALLORY], [LOGIN, LOGIN]] {
            let both = names.map(|name| modern(name).bytes()).concat();
            for to in LOGIN_AT {
                fixture.denied(to, &both, Reason::HelloUnreadable)?;
            }
        }
        for (then, reason) in [
            (two, Reason::ServerNameUnknown),
            (dummy, Reason::HelloUnreadable),
            (long, Reason::HelloUnreadable),
            ([&record(&[]), &hello[..]].concat(), Reason::HelloUnreadable),
            ([&[24, 3, 3, 0, 1, 0], &hello[..]].concat(), Reason::NotTls),
        ] {
            for to in LOGIN_AT {
                let connection = fixture.passes(to, &first)?;
                let denied = fixture.denials(reason)?;
                fixture.client.send(connection, &then)?;
                fixture.await_denial(reason, denied)?;
                fixture.stays(connection, &[&first])?;
            }
        }
        Ok(())
    })
}

#[test]
fn a_hello_with_early_data_is_denied() -> Result<()> {
    HelloFixture::check(|fixture| {
        for to in LOGIN_AT {
            fixture.denied(
                to,
                &modern(LOGIN).with_early_data().bytes(),
                Reason::EarlyData,
            )?;
        }
        fixture.check_pending()?;
        assert_eq!(fixture.reasons()?, [Reason::EarlyData].into());
        Ok(())
    })
}
