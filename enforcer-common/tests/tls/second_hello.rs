//! A second ClientHello after a HelloRetryRequest (RFC 8446 section 4.1.4) is checked like the first.

use enforcer_common::Reason;
use enforcer_common::layout::Deadline;

use crate::fixture::{ACK, ADDRESS, Client, ELSEWHERE, NAME, TestPolicy, WILD};
use test_data::client_hello::{
    ClientHello, extension::PADDING, record, records, records_of, server_name,
};

/// A dummy record for middleboxes (RFC 8446 appendix D.4), and a warning alert that servers ignore.
const CHANGE_CIPHER_SPEC: [u8; 6] = [20, 3, 3, 0, 1, 1];
const USER_CANCELED: [u8; 7] = [21, 3, 3, 0, 2, 1, 90];
const VERSIONS: u16 = 43;
const EARLY_DATA: u16 = 42;

/// Denied names, shorter and longer than the first one.
const OTHERS: [(&str, Reason); 4] = [
    ("evil.io", Reason::ServerNameUnknown),
    (
        "mallory-corp.westeurope.data.azurecr.io",
        Reason::ServerNameUnknown,
    ),
    (ELSEWHERE, Reason::ServerNameElsewhere),
    ("192.0.2.1", Reason::ServerNameAddress),
];

/// Returns a client that has sent the whole first ClientHello, and its length.
fn greeted(policy: &TestPolicy, first: &ClientHello) -> (Client, u32) {
    let mut client = Client::new(policy);
    let bytes = first.bytes();
    assert_eq!(client.send_range(policy, &bytes, 0..bytes.len()), Ok(()));
    (client, bytes.len() as u32)
}

/// Returns whether the connection is verified after `bytes` that follow the first ClientHello, or the denial.
fn after(policy: &TestPolicy, bytes: &[u8]) -> Result<bool, Reason> {
    let (mut client, at) = greeted(policy, &ClientHello::tls13(NAME, 4));
    client.send(policy, ADDRESS, ACK, at, bytes)?;
    Ok(client.is_verified(policy))
}

#[test]
fn second_hello_is_checked_like_the_first() {
    let policy = TestPolicy::new();
    for before in [&[][..], &CHANGE_CIPHER_SPEC, &USER_CANCELED] {
        let then = |hello: &ClientHello| after(&policy, &[before, &hello.bytes()].concat());
        for place in [0, 4, usize::MAX] {
            for (name, reason) in OTHERS {
                assert_eq!(
                    then(&ClientHello::tls13(name, place)),
                    Err(reason),
                    "{name}"
                );
                assert_eq!(then(&ClientHello::tls12(name)), Err(reason), "{name}");
            }
            assert_eq!(then(&ClientHello::tls13(NAME, place)), Ok(false));
        }
        let nameless = ClientHello::with_extensions(vec![(PADDING, vec![0; 9])]);
        assert_eq!(then(&nameless), Err(Reason::NoServerName));
    }
}

#[test]
fn second_hello_is_checked_for_every_segmentation() {
    let policy = TestPolicy::new();
    let first = ClientHello::tls13(NAME, 4);
    let denied = OTHERS
        .into_iter()
        .map(|(name, reason)| (name, Some(reason)));
    for (name, expected) in denied.chain([(NAME, None)]) {
        let bytes = [
            &CHANGE_CIPHER_SPEC[..],
            &ClientHello::tls13(name, 4).bytes(),
        ]
        .concat();
        for cut in 1..bytes.len() {
            let (mut client, at) = greeted(&policy, &first);
            let head = client.send(&policy, ADDRESS, ACK, at, &bytes[..cut]);
            let tail = client.send(&policy, ADDRESS, ACK, at + cut as u32, &bytes[cut..]);
            assert_eq!(head.and(tail).err(), expected, "{name} at {cut}");
            assert_eq!(client.verified(&policy).is_none(), expected.is_some());
        }
    }
}

/// The name in the first one would not be looked up.
#[test]
fn second_hello_in_a_segment_of_the_first_is_denied() {
    let policy = TestPolicy::new();
    let unreadable = Err(Reason::HelloUnreadable);
    for names in [[NAME, NAME], ["evil.io", NAME], [NAME, "evil.io"]] {
        let hellos = names.map(|name| ClientHello::tls13(name, 4).bytes());
        let at = hellos[0].len();
        let bytes = hellos.concat();
        let sent = Client::new(&policy).send_range(&policy, &bytes, 0..bytes.len());
        assert_eq!(sent, unreadable, "{names:?}");
        // After the type of the last extension, nothing of the first one is parsed.
        for cut in [at - 400, at - 1, at, at + 1, at + 6, at + 40] {
            let mut client = Client::new(&policy);
            let head = client.send_range(&policy, &bytes, 0..cut);
            let tail = client.send_range(&policy, &bytes, cut..bytes.len());
            let is_in_the_first = cut < at - 1 || cut > at + 8;
            let sent = head.and(tail);
            match names {
                [NAME, NAME] if !is_in_the_first => assert_eq!(sent, Ok(()), "{cut}"),
                [NAME, _] if is_in_the_first => assert_eq!(sent, unreadable, "{cut}"),
                _ => assert!(sent.is_err(), "{names:?} at {cut}"),
            }
        }
    }
}

#[test]
fn denial_reports_the_name_in_the_second_hello() {
    let policy = TestPolicy::new();
    for name in ["evil.io", "mallory-corp.westeurope.data.azurecr.io"] {
        let (mut client, at) = greeted(&policy, &ClientHello::tls13(NAME, 4));
        let sent = client.send(&policy, ADDRESS, ACK, at, &ClientHello::tls12(name).bytes());
        assert_eq!(sent, Err(Reason::ServerNameUnknown));
        assert_eq!(client.name().as_deref(), Some(name));
    }
}

#[test]
fn second_hello_may_carry_another_allowed_name() {
    let policy = TestPolicy::new();
    let names = [NAME, "contoso.eastus.data.azurecr.io", NAME];
    assert!(policy.names.contains_key(WILD));
    let (mut client, mut at) = greeted(&policy, &ClientHello::tls13(names[0], 0));
    for name in names {
        let bytes = ClientHello::tls13(name, 0).bytes();
        assert_eq!(client.send(&policy, ADDRESS, ACK, at, &bytes), Ok(()));
        at += bytes.len() as u32;
    }
    assert_eq!(client.verified(&policy), Some(Reason::AllowedName));
}

#[test]
fn second_hello_is_checked_in_any_two_records() {
    let policy = TestPolicy::new();
    for (name, expected) in [
        (NAME, Ok(false)),
        ("evil.io", Err(Reason::ServerNameUnknown)),
    ] {
        for before in [&[][..], &CHANGE_CIPHER_SPEC] {
            let body = ClientHello::tls13(name, 4).message();
            for cut in 1..body.len() {
                let bytes = [before, &records(&body, &[cut])].concat();
                assert_eq!(after(&policy, &bytes), expected, "{name} at {cut}");
            }
        }
    }
    let (mut client, mut at) = greeted(&policy, &ClientHello::tls13(NAME, 4));
    let body = ClientHello::tls13(NAME, 4).message();
    for size in [40, 64, 512] {
        let bytes = records_of(&body, size);
        assert_eq!(client.send(&policy, ADDRESS, ACK, at, &bytes), Ok(()));
        at += bytes.len() as u32;
    }
    assert_eq!(client.verified(&policy), Some(Reason::AllowedName));
}

#[test]
fn records_between_those_of_a_second_hello_are_denied() {
    let policy = TestPolicy::new();
    let unreadable = Err(Reason::HelloUnreadable);
    let body = ClientHello::tls13(NAME, 4).message();
    for cut in [1, 3, 4, 40, body.len() - 1] {
        let (first, second) = body.split_at(cut);
        for between in [&record(&[])[..], &CHANGE_CIPHER_SPEC, &USER_CANCELED] {
            let bytes = [&record(first), between, &record(second)].concat();
            assert_eq!(after(&policy, &bytes), unreadable, "{between:?} at {cut}");
        }
        let more = [second, &[0]].concat();
        let bytes = [record(first), record(&more)].concat();
        assert_eq!(after(&policy, &bytes), unreadable, "at {cut}");
    }
    let before = [record(&[]), record(&body)].concat();
    assert_eq!(after(&policy, &before), unreadable);
}

#[test]
fn second_hello_of_an_unsupported_length_is_denied() {
    let policy = TestPolicy::new();
    let unreadable = Err(Reason::HelloUnreadable);
    // OpenSSL accepts 131,396 bytes.
    for length in [
        [0, 0, 59],
        [1, 0, 0],
        [2, 0, 70],
        [2, 1, 68],
        [2, 0xff, 0xff],
    ] {
        let long = [&[1], &length[..], &[0; 60]].concat();
        assert_eq!(after(&policy, &record(&long)), unreadable, "{length:?}");
    }
}

#[test]
fn other_records_end_the_search_for_a_second_hello() {
    let policy = TestPolicy::new();
    let key_exchange = record(&[16, 0, 0, 4, 1, 2, 3, 4]);
    let encrypted = record(&[1, 3, 0, 0, 9, 9, 9, 9]);
    let data = [23, 3, 3, 0, 3, 1, 0, 0];
    for bytes in [&key_exchange[..], &encrypted, &data] {
        assert_eq!(after(&policy, bytes), Ok(true), "{bytes:?}");
        let with_dummy = [&CHANGE_CIPHER_SPEC, bytes].concat();
        assert_eq!(after(&policy, &with_dummy), Ok(true), "{with_dummy:?}");
    }
    assert_eq!(after(&policy, &CHANGE_CIPHER_SPEC), Ok(false));
    assert_eq!(after(&policy, &USER_CANCELED), Ok(false));
    for kind in (0..=255).filter(|kind| !matches!(kind, 20..=23)) {
        let sent = after(&policy, &[kind, 3, 3, 0, 1, 1]);
        assert_eq!(sent, Err(Reason::NotTls), "{kind}");
    }
    let other_version = after(&policy, &[23, 4, 3, 0, 1, 1]);
    assert_eq!(other_version, Err(Reason::HelloUnreadable));
    let too_long = after(&policy, &[23, 3, 3, 0x48, 1, 1]);
    assert_eq!(too_long, Err(Reason::HelloUnreadable));
}

#[test]
fn only_tls13_hellos_may_be_followed_by_a_second_one() {
    let policy = TestPolicy::new();
    let (client, _) = greeted(&policy, &ClientHello::tls12(NAME));
    assert!(client.is_verified(&policy));
    let versions = (VERSIONS, vec![2, 3, 4]);
    let name = server_name(NAME.as_bytes());
    for extensions in [[versions.clone(), name.clone()], [name, versions]] {
        let (client, _) = greeted(&policy, &ClientHello::with_extensions(extensions.to_vec()));
        assert!(!client.is_verified(&policy));
    }
}

#[test]
fn early_data_is_denied() {
    let policy = TestPolicy::new();
    for place in 0..12 {
        let mut hello = ClientHello::tls13(NAME, 4);
        let extensions = hello.extensions.get_or_insert_default();
        extensions.insert(place, (EARLY_DATA, Vec::new()));
        let bytes = hello.bytes();
        let mut client = Client::new(&policy);
        let sent = client.send_range(&policy, &bytes, 0..bytes.len());
        assert_eq!(sent, Err(Reason::EarlyData), "{place}");
        let again = client.send_range(&policy, &bytes, 0..40);
        assert_eq!(again, Err(Reason::EarlyData), "{place}");
    }
}

#[test]
fn denied_second_hello_passes_once_its_name_is_allowed() {
    let mut policy = TestPolicy::new();
    let (mut client, at) = greeted(&policy, &ClientHello::tls13(NAME, 4));
    let bytes = ClientHello::tls13(ELSEWHERE, 4).bytes();
    let sent = client.send(&policy, ADDRESS, ACK, at, &bytes);
    assert_eq!(sent, Err(Reason::ServerNameElsewhere));
    policy.grant_until(3, 0, Deadline::MAX);
    assert_eq!(client.send(&policy, ADDRESS, ACK, at, &bytes), Ok(()));
    assert_eq!(client.verified(&policy), Some(Reason::AllowedName));
}
