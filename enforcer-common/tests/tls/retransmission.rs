//! TCP retransmissions: the kernel sends from memory that a process may have changed in the meantime.

use std::cell::Cell;

use enforcer_common::Reason;
use enforcer_common::tls::{Segment, SentBytes};

use crate::fixture::{ACK, ADDRESS, Client, NAME, TestPolicy};
use crate::payload::Payload;
use test_data::client_hello::{ClientHello, extension::PADDING, server_name};

const MISMATCH: Result<(), Reason> = Err(Reason::RetransmitMismatch);
/// The number of bytes that are recorded of a ClientHello.
const RECORDED_BYTES: usize = 3072;
const GIB: u32 = 1 << 30;

fn sent(policy: &TestPolicy, bytes: &[u8]) -> Client {
    let mut client = Client::new(policy);
    assert_eq!(client.send_range(policy, bytes, 0..bytes.len()), Ok(()));
    client
}

#[test]
fn retransmitted_bytes_must_equal_the_original_ones() {
    let policy = TestPolicy::new();
    for bytes in [
        ClientHello::tls12(NAME).bytes(),
        ClientHello::tls13(NAME, 4).bytes(),
    ] {
        let verified = sent(&policy, &bytes);
        let mut following = Client::new(&policy);
        let end = bytes.len() - 1;
        assert_eq!(following.send_range(&policy, &bytes, 0..end), Ok(()));
        for at in 0..bytes.len() {
            let mut other = bytes.clone();
            other[at] ^= 0x20;
            let starts = [0, at / 2, at.saturating_sub(7), at];
            for from in starts {
                for to in [at + 1, (at + 9).min(bytes.len()), bytes.len()] {
                    let again = verified.clone().send_range(&policy, &other, from..to);
                    assert_eq!(again, MISMATCH, "{at} in {from}..{to}");
                    let again = verified.clone().send_range(&policy, &bytes, from..to);
                    assert_eq!(again, Ok(()), "{from}..{to}");
                    if at < end {
                        let again = following.clone().send_range(&policy, &other, from..to);
                        assert_eq!(again, MISMATCH, "{at} in {from}..{to}, not whole");
                    }
                }
            }
        }
    }
}

#[test]
fn changed_retransmission_is_denied_and_the_connection_continues() {
    let policy = TestPolicy::new();
    let bytes = ClientHello::tls12(NAME).bytes();
    let mut other = ClientHello::tls12("mallory.azurecr.io").bytes();
    other.truncate(bytes.len());
    let mut client = sent(&policy, &bytes);
    assert_eq!(client.send_range(&policy, &other, 0..other.len()), MISMATCH);
    assert_eq!(client.send_range(&policy, &bytes, 0..bytes.len()), Ok(()));
    assert_eq!(client.verified(&policy), Some(Reason::AllowedName));
}

#[test]
fn partial_retransmission_is_compared_up_to_its_new_bytes() {
    let policy = TestPolicy::new();
    let bytes = ClientHello::tls13(NAME, 0).bytes();
    let mut extended = bytes.clone();
    extended.extend([0x17, 3, 3, 0, 35]);
    extended.extend([0x17; 35]);
    let mut client = sent(&policy, &bytes);
    assert_eq!(
        client.send_range(&policy, &extended, 100..extended.len()),
        Ok(())
    );
    extended[200] ^= 1;
    assert_eq!(
        client.send_range(&policy, &extended, 100..extended.len()),
        MISMATCH
    );
    assert_eq!(
        client.send_range(&policy, &extended, 201..extended.len()),
        Ok(())
    );
}

#[test]
fn retransmission_beyond_the_recorded_bytes_is_denied() {
    let policy = TestPolicy::new();
    let long = (PADDING, vec![0; 2 * RECORDED_BYTES]);
    for extensions in [
        [server_name(NAME.as_bytes()), long.clone()],
        [long, server_name(NAME.as_bytes())],
    ] {
        let bytes = ClientHello::with_extensions(extensions.to_vec()).bytes();
        let mut client = sent(&policy, &bytes);
        assert_eq!(client.verified(&policy), Some(Reason::AllowedName));
        assert_eq!(
            client.send_range(&policy, &bytes, 0..RECORDED_BYTES),
            Ok(())
        );
        let end = bytes.len();
        for (from, to) in [
            (0, RECORDED_BYTES + 1),
            (RECORDED_BYTES, RECORDED_BYTES + 1),
            (RECORDED_BYTES + 1, end),
            (0, end),
        ] {
            let again = client.send_range(&policy, &bytes, from..to);
            assert_eq!(again, MISMATCH, "{from}..{to}");
        }
        let more = client.send(&policy, ADDRESS, ACK, end as u32, b"more");
        assert_eq!(more, Ok(()));
    }
}

/// A changed extension after the recorded name could announce TLS 1.3, and a changed record could be a second ClientHello.
#[test]
fn bytes_after_the_name_are_compared_as_well() {
    const GREASE: u16 = 0x4a4a;
    const VERSIONS: u16 = 43;
    let policy = TestPolicy::new();
    let long = (PADDING, vec![0; RECORDED_BYTES]);
    let hello = |kind| {
        let name = server_name(NAME.as_bytes());
        ClientHello::with_extensions(vec![name, long.clone(), (kind, vec![2, 3, 4])]).bytes()
    };
    let mut client = sent(&policy, &hello(GREASE));
    let bytes = hello(VERSIONS);
    assert_eq!(
        client.send_range(&policy, &bytes, RECORDED_BYTES..bytes.len()),
        MISMATCH
    );

    let bytes = [
        hello(VERSIONS),
        ClientHello::tls12("mallory.azurecr.io").bytes(),
    ]
    .concat();
    let at = hello(VERSIONS).len();
    let mut alert = bytes.clone();
    alert[at] = 21;
    let mut client = sent(&policy, &alert);
    assert_eq!(
        client.send_range(&policy, &bytes, at..bytes.len()),
        MISMATCH
    );
}

#[test]
fn retransmission_of_a_second_hello_is_compared() {
    let policy = TestPolicy::new();
    let bytes = [ClientHello::tls13(NAME, 4), ClientHello::tls12(NAME)].map(|hello| hello.bytes());
    let at = bytes[0].len();
    let bytes = bytes.concat();
    assert!(bytes.len() < RECORDED_BYTES);
    let mut client = sent(&policy, &bytes[..at]);
    assert_eq!(client.send_range(&policy, &bytes, at..bytes.len()), Ok(()));
    assert_eq!(client.send_range(&policy, &bytes, at..bytes.len()), Ok(()));
    let mut other = bytes.clone();
    other[bytes.len() - 60] ^= 1;
    assert_eq!(
        client.send_range(&policy, &other, at..bytes.len()),
        MISMATCH
    );
}

#[test]
fn mismatch_in_audit_mode_does_not_verify_the_connection() {
    let mut policy = TestPolicy::new();
    policy.audits = true;
    let bytes = ClientHello::tls12(NAME).bytes();
    let mut other = ClientHello::tls12("mallory.azurecr.io").bytes();
    other.truncate(bytes.len());
    let mut client = sent(&policy, &bytes);
    assert_eq!(client.send_range(&policy, &other, 0..other.len()), MISMATCH);
    policy.audits = false;
    assert_eq!(client.verified(&policy), None);
    let more = client.send(&policy, ADDRESS, ACK, bytes.len() as u32, b"more");
    assert_eq!(more, MISMATCH);
}

#[test]
fn segment_before_the_first_byte_does_not_reset_the_record() {
    let policy = TestPolicy::new();
    let bytes = ClientHello::tls12(NAME).bytes();
    let mut client = sent(&policy, &bytes);
    for before in [1, 2, 1000, GIB - 1000] {
        let early = client.send(&policy, ADDRESS, ACK, 0_u32.wrapping_sub(before), b"!");
        assert_eq!(early, Err(Reason::HelloOutOfOrder), "{before}");
        let mut other = bytes.clone();
        other[70] ^= 1;
        assert_eq!(client.send_range(&policy, &other, 0..other.len()), MISMATCH);
    }
}

/// A segment that a process changes after it was first read.
struct Changed<'a> {
    first: Payload<'a>,
    then: Payload<'a>,
    is_read: Cell<bool>,
}

impl Segment for Changed<'_> {
    fn word(&self, offset: u32, len: u32) -> Option<u64> {
        self.is_read.set(true);
        self.then.word(offset, len)
    }

    fn load(&self, sent: &mut SentBytes, offset: u32, at: u32, len: u32) -> Option<()> {
        if self.is_read.replace(true) {
            return self.then.load(sent, offset, at, len);
        }
        self.first.load(sent, offset, at, len)
    }
}

#[test]
fn what_is_parsed_is_what_is_recorded() {
    let policy = TestPolicy::new();
    let names = [NAME, "mallory.azurecr.io"];
    let both = names.map(|name| ClientHello::tls12(name).bytes());
    for (first, then) in [(&both[0], &both[1]), (&both[1], &both[0])] {
        let mut client = Client::new(&policy);
        let len = first.len().min(then.len());
        let segment = Changed {
            first: Payload(&first[..len]),
            then: Payload(&then[..len]),
            is_read: Cell::new(false),
        };
        let tcp = segment.first.tcp(client.first, ACK);
        let changed = client.flow.check_segment(&segment, tcp, ADDRESS, &policy);
        let unchanged = Client::new(&policy).send_range(&policy, first, 0..len);
        assert_eq!(changed, unchanged);
    }
}

/// A segment with a future departure time.
struct Late<'a>(Payload<'a>);

impl Segment for Late<'_> {
    fn word(&self, offset: u32, len: u32) -> Option<u64> {
        self.0.word(offset, len)
    }

    fn has_future_departure(&self) -> bool {
        true
    }
}

#[test]
fn hello_with_a_future_departure_is_denied() {
    let policy = TestPolicy::new();
    let bytes = ClientHello::tls12(NAME).bytes();
    let late = |client: &mut Client, from: usize, bytes: &[u8]| {
        let payload = Late(Payload(bytes));
        let tcp = payload.0.tcp(client.first.wrapping_add(from as u32), ACK);
        client.flow.check_segment(&payload, tcp, ADDRESS, &policy)
    };
    let held = Err(Reason::DelayedTransmit);
    let mut client = Client::new(&policy);
    assert_eq!(late(&mut client, 0, &bytes), held);
    assert_eq!(client.send_range(&policy, &bytes, 0..100), Ok(()));
    assert_eq!(late(&mut client, 100, &bytes[100..]), held);
    assert_eq!(client.send_range(&policy, &bytes, 100..bytes.len()), Ok(()));
    assert_eq!(late(&mut client, 0, &bytes), held);
    assert_eq!(late(&mut client, bytes.len(), b"more"), Ok(()));
}

#[test]
fn wrapped_sequence_numbers_are_not_retransmissions() {
    let policy = TestPolicy::new();
    let bytes = ClientHello::tls12(NAME).bytes();
    let mut client = sent(&policy, &bytes);
    for turn in 1..40_u32 {
        let from = turn.wrapping_mul(GIB);
        assert_eq!(
            client.send(&policy, ADDRESS, ACK, from, &[0x17; 3000]),
            Ok(())
        );
    }
}

#[test]
fn wrapped_sequence_numbers_do_not_bypass_a_denial() {
    let mut policy = TestPolicy::new();
    policy.audits = true;
    let bytes = ClientHello::tls12("example.com").bytes();
    let mut client = Client::new(&policy);
    let denied = client.send_range(&policy, &bytes, 0..bytes.len());
    assert_eq!(denied, Err(Reason::ServerNameUnknown));
    policy.audits = false;
    for from in [0x9000_0000, u32::MAX - 100, 1 << 31, GIB] {
        let more = client.send(&policy, ADDRESS, ACK, from, b"more");
        assert_eq!(more, Err(Reason::HelloOutOfOrder), "{from:#x}");
    }
}
