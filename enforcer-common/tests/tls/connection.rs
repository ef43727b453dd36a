//! The beginning of a connection, and its later segments.

use enforcer_common::Reason;
use enforcer_common::layout::{AddressGrant, Deadline};

use crate::fixture::{ACK, ADDRESS, Client, ISN, NAME, OTHER_ADDRESS, SYN, TestPolicy, URG};
use test_data::client_hello::{ClientHello, record};

/// Returns a verified client and the ClientHello that it sent.
fn verified(policy: &TestPolicy) -> (Client, Vec<u8>) {
    let bytes = ClientHello::tls12(NAME).bytes();
    let mut client = Client::new(policy);
    assert_eq!(client.send_range(policy, &bytes, 0..bytes.len()), Ok(()));
    assert_eq!(client.verified(policy), Some(Reason::AllowedName));
    (client, bytes)
}

#[test]
fn data_in_a_syn_is_denied() {
    let policy = TestPolicy::new();
    let bytes = ClientHello::tls12(NAME).bytes();
    for flags in [SYN, SYN | ACK] {
        let mut client = Client::new(&policy);
        let sent = client.send(&policy, ADDRESS, flags, u32::MAX, &bytes);
        assert_eq!(sent, Err(Reason::FastOpen));
        assert_eq!(client.send_range(&policy, &bytes, 0..bytes.len()), Ok(()));
    }
}

#[test]
fn urgent_data_is_a_terminal_denial() {
    let policy = TestPolicy::new();
    let bytes = ClientHello::tls12(NAME).bytes();
    let mut client = Client::new(&policy);
    let sent = client.send(&policy, ADDRESS, ACK | URG, 0, &bytes);
    assert_eq!(sent, Err(Reason::Urgent));
    let again = client.send_range(&policy, &bytes, 0..bytes.len());
    assert_eq!(again, Err(Reason::Urgent));
}

#[test]
fn connection_without_an_observed_syn_is_denied() {
    let policy = TestPolicy::new();
    let bytes = ClientHello::tls12(NAME).bytes();
    let mut client = Client::untracked(ISN);
    let untracked = Err(Reason::NoSynSeen);
    assert_eq!(
        client.send_range(&policy, &bytes, 0..bytes.len()),
        untracked
    );
    // The answer to a peer's SYN is not an observed SYN.
    let answer = client.send(&policy, ADDRESS, SYN | ACK, u32::MAX, &[]);
    assert_eq!(answer, Ok(()));
    assert_eq!(
        client.send_range(&policy, &bytes, 0..bytes.len()),
        untracked
    );
}

#[test]
fn segment_to_another_address_than_the_syn_is_denied() {
    let policy = TestPolicy::new();
    let bytes = ClientHello::tls12(NAME).bytes();
    let mut client = Client::new(&policy);
    let sent = client.send(&policy, OTHER_ADDRESS, ACK, 0, &bytes);
    assert_eq!(sent, Err(Reason::NoSynSeen));
    assert_eq!(client.flow.verified(OTHER_ADDRESS, u32::MAX, &policy), None);
    let (mut client, bytes) = verified(&policy);
    assert_eq!(client.flow.verified(OTHER_ADDRESS, u32::MAX, &policy), None);
    let sent = client.send(&policy, OTHER_ADDRESS, ACK, 0, &bytes);
    assert_eq!(sent, Err(Reason::NoSynSeen));
}

#[test]
fn new_connection_on_the_same_socket_is_verified_again() {
    let policy = TestPolicy::new();
    let (mut client, bytes) = verified(&policy);
    assert_eq!(client.open(&policy), Ok(()));
    assert_eq!(client.verified(&policy), None);
    let other = ClientHello::tls12("example.com").bytes();
    let sent = client.clone().send_range(&policy, &other, 0..other.len());
    assert_eq!(sent, Err(Reason::ServerNameUnknown));
    assert_eq!(client.send_range(&policy, &bytes, 0..bytes.len()), Ok(()));
    client.flow.reset();
    assert_eq!(client.verified(&policy), None);
    let sent = client.send_range(&policy, &bytes, 0..bytes.len());
    assert_eq!(sent, Err(Reason::NoSynSeen));
}

#[test]
fn segments_without_data_change_nothing() {
    let policy = TestPolicy::new();
    let bytes = ClientHello::tls12(NAME).bytes();
    let mut client = Client::new(&policy);
    for (from, to) in [(0, 30), (30, bytes.len())] {
        assert_eq!(client.send(&policy, ADDRESS, ACK, 77, &[]), Ok(()));
        assert_eq!(client.send_range(&policy, &bytes, from..to), Ok(()));
    }
    assert_eq!(client.verified(&policy), Some(Reason::AllowedName));
}

#[test]
fn short_name_after_a_long_one_has_no_remainder() {
    let policy = TestPolicy::new();
    let mut client = Client::new(&policy);
    let long = ClientHello::tls12("contoso.azurecr.example.com").bytes();
    assert!(client.send_range(&policy, &long, 0..long.len()).is_err());
    assert_eq!(client.open(&policy), Ok(()));
    let short = ClientHello::tls12(NAME).bytes();
    assert_eq!(client.send_range(&policy, &short, 0..short.len()), Ok(()));
    assert_eq!(client.verified(&policy), Some(Reason::AllowedName));
}

#[test]
fn verification_is_repeated_after_a_policy_change() {
    let mut policy = TestPolicy::new();
    let (mut client, bytes) = verified(&policy);
    policy.epoch += 1;
    assert_eq!(client.verified(&policy), None);
    let more = record(&bytes);
    let at = bytes.len() as u32;
    assert_eq!(client.send(&policy, ADDRESS, ACK, at, &more), Ok(()));
    assert_eq!(client.verified(&policy), Some(Reason::AllowedName));
    policy.epoch += 1;
    policy.grants.clear();
    let denied = Err(Reason::ServerNameElsewhere);
    assert_eq!(client.send(&policy, ADDRESS, ACK, at, &more), denied);
    assert_eq!(client.verified(&policy), None);
    policy.grant_until(1, 9, Deadline::MAX);
    assert_eq!(client.send(&policy, ADDRESS, ACK, at, &more), Ok(()));
    assert_eq!(client.verified(&policy), Some(Reason::ExceptionName));
}

#[test]
fn verification_is_repeated_after_its_deadline() {
    let mut policy = TestPolicy::new();
    policy.grant_until(1, 0, 50);
    let (mut client, bytes) = verified(&policy);
    let at = bytes.len() as u32;
    policy.now = 49;
    assert_eq!(client.verified(&policy), Some(Reason::AllowedName));
    policy.now = 50;
    assert_eq!(client.verified(&policy), None);
    let denied = Err(Reason::ServerNameElsewhere);
    assert_eq!(client.send(&policy, ADDRESS, ACK, at, b"more"), denied);
    policy.grant_until(1, 0, 60);
    assert_eq!(client.verified(&policy), None);
    assert_eq!(client.send(&policy, ADDRESS, ACK, at, b"more"), Ok(()));
    assert_eq!(client.verified(&policy), Some(Reason::AllowedName));
}

#[test]
fn any_data_passes_where_names_are_not_checked() {
    let mut policy = TestPolicy::new();
    policy.grant_until(AddressGrant::ANY_NAME, 0, Deadline::MAX);
    let mut client = Client::new(&policy);
    assert_eq!(client.send(&policy, ADDRESS, ACK, 0, b"SSH-2.0-x"), Ok(()));
    assert_eq!(client.verified(&policy), Some(Reason::AllowedName));
    policy.grants.remove(&AddressGrant::ANY_NAME);
    policy.epoch += 1;
    assert!(client.send(&policy, ADDRESS, ACK, 9, b"more").is_err());
}

#[test]
fn audited_connection_keeps_its_first_denial_reason() {
    let mut policy = TestPolicy::new();
    policy.audits = true;
    let hello = ClientHello::tls12("example.com").bytes();
    for (flags, from, bytes, reason) in [
        (ACK, 0, &hello[..], Reason::ServerNameUnknown),
        (ACK, 0, b"SSH-2.0-x", Reason::NotTls),
        (ACK, 7, &hello, Reason::HelloOutOfOrder),
        (SYN, u32::MAX, &hello, Reason::FastOpen),
        (ACK | URG, 0, &hello, Reason::Urgent),
    ] {
        let mut client = Client::new(&policy);
        for _ in 0..2 {
            let sent = client.send(&policy, ADDRESS, flags, from, bytes);
            assert_eq!(sent, Err(reason));
        }
        if flags & SYN == 0 {
            let good = ClientHello::tls12(NAME).bytes();
            assert_eq!(
                client.send_range(&policy, &good, 0..good.len()),
                Err(reason)
            );
        }
    }
}

/// A connection that is older than the programs may retransmit bytes that were sent before them.
#[test]
fn retransmissions_of_untracked_connections_pass_where_names_are_not_checked() {
    let mut policy = TestPolicy::new();
    policy.grant_until(AddressGrant::ANY_NAME, 0, Deadline::MAX);
    let mut client = Client::untracked(ISN);
    let later = client.send(&policy, ADDRESS, ACK, 5000, b"any");
    assert_eq!(later, Ok(()));
    for from in [4000, 0, 4990] {
        let again = client.send(&policy, ADDRESS, ACK, from, &[0; 1400]);
        assert_eq!(again, Ok(()), "{from}");
    }
}
