//! ClientHellos that are denied for the structure of their records and lengths.

use enforcer_common::Reason::{self, HelloUnreadable, NotTls};
use test_data::client_hello::{ClientHello, extension::PADDING, message, record, server_name};

use crate::fixture::{NAME, TestPolicy, outcome_at_once};

pub(crate) fn is_denied(what: &str, bytes: &[u8], reason: Reason) {
    assert_eq!(
        outcome_at_once(&TestPolicy::new(), bytes),
        Err(reason),
        "{what}"
    );
}

/// Returns a ClientHello with `bytes` at offset `at`.
fn patched(at: usize, bytes: &[u8]) -> Vec<u8> {
    let mut hello = ClientHello::tls12(NAME).bytes();
    hello[at..at + bytes.len()].copy_from_slice(bytes);
    hello
}

/// Returns a ClientHello whose field of two bytes at offset `at` is increased by `by`.
fn lengthened(at: usize, by: u16) -> Vec<u8> {
    let hello = ClientHello::tls12(NAME).bytes();
    let length = u16::from_be_bytes([hello[at], hello[at + 1]]);
    patched(at, &length.wrapping_add(by).to_be_bytes())
}

#[test]
fn other_protocols_are_not_tls() {
    is_denied(
        "HTTP",
        b"GET / HTTP/1.1\r\nHost: contoso.azurecr.io\r\n\r\n",
        NotTls,
    );
    is_denied("SSH", b"SSH-2.0-OpenSSH_9.6\r\n", NotTls);
    is_denied("an alert", &patched(0, &[21]), NotTls);
    is_denied("application data", &patched(0, &[23]), NotTls);
    is_denied("version 2", &patched(1, &[2]), NotTls);
    is_denied("version 254 of DTLS", &patched(1, &[254]), NotTls);
    is_denied("a ServerHello", &patched(5, &[2]), NotTls);
    // RFC 5246 appendix E.2: the ClientHello of SSL 2.0.
    is_denied(
        "SSL 2.0",
        &[0x80, 0x2e, 1, 3, 1, 0, 21, 0, 0, 0, 16],
        NotTls,
    );
}

#[test]
fn other_protocols_are_denied_at_their_first_byte() {
    for len in 1..5 {
        is_denied("HTTP", &b"GET /"[..len], NotTls);
        assert_eq!(
            outcome_at_once(&TestPolicy::new(), &patched(0, &[])[..len]),
            Ok(false)
        );
    }
    for len in 2..5 {
        is_denied("version 2", &patched(1, &[2])[..len], NotTls);
    }
}

#[test]
fn lengths_must_add_up() {
    // Offsets of lengths: record 3, message 7, session id 43, cipher suites 44, compression methods 52, extensions 54, the first one 58.
    for (what, at) in [("record", 3), ("message", 7), ("extensions", 54)] {
        for by in [1, 2, 4, 256, u16::MAX, u16::MAX - 3] {
            is_denied(what, &lengthened(at, by), HelloUnreadable);
        }
    }
    for (what, at) in [("suites", 44), ("extension", 58)] {
        for by in [1, u16::MAX, 0x4000] {
            is_denied(what, &lengthened(at, by), HelloUnreadable);
        }
    }
    is_denied(
        "3rd byte of the message",
        &patched(6, &[1]),
        HelloUnreadable,
    );
    is_denied("session id", &patched(43, &[33]), HelloUnreadable);
    is_denied("no suites", &patched(44, &[0, 0]), HelloUnreadable);
    is_denied("no compressions", &patched(52, &[0]), HelloUnreadable);
    is_denied("empty record", &record(&[]), HelloUnreadable);
    is_denied("empty message", &record(&message(&[])), HelloUnreadable);
}

#[test]
fn bytes_after_the_hello_in_its_record_are_denied() {
    let hello = ClientHello::tls12(NAME).message();
    let both = record(&[&hello[..], &hello].concat());
    is_denied("two messages", &both, HelloUnreadable);
    let trailing = record(&[&hello[..], &[0]].concat());
    is_denied("a byte after the message", &trailing, HelloUnreadable);
    let body = ClientHello::tls12(NAME).body();
    let inside = record(&message(&[&body[..], &[0]].concat()));
    is_denied("a byte after the extensions", &inside, HelloUnreadable);
}

#[test]
fn record_has_at_most_16_kib() {
    let filled = |padding| {
        let name = server_name(NAME.as_bytes());
        ClientHello::with_extensions(vec![name, (PADDING, vec![0; padding])])
    };
    let rest = filled(0).bytes().len() - 5;
    let largest = filled((1 << 14) - rest).bytes();
    assert_eq!(outcome_at_once(&TestPolicy::new(), &largest), Ok(true));
    is_denied(
        "a byte more",
        &filled((1 << 14) - rest + 1).bytes(),
        HelloUnreadable,
    );
}
