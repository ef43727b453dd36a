//! How a connection begins and goes on.

use enforcer_common::Reason;
use enforcer_common::layout::{AddressGrant, Deadline};

use crate::hello::{Hello, record};
use crate::world::{ACK, ADDRESS, Client, NAME, OTHER_ADDRESS, START, SYN, URG, World};

/// A client that sent its hello, and that hello.
fn verified(world: &World) -> (Client, Vec<u8>) {
    let bytes = Hello::classic(NAME).bytes();
    let mut client = Client::new(world);
    assert_eq!(client.part(world, &bytes, 0..bytes.len()), Ok(()));
    assert_eq!(client.verified(world), Some(Reason::AllowedName));
    (client, bytes)
}

#[test]
fn data_in_the_opening_segment_is_denied() {
    let world = World::new();
    let bytes = Hello::classic(NAME).bytes();
    for flags in [SYN, SYN | ACK] {
        let mut client = Client::new(&world);
        let sent = client.send(&world, ADDRESS, flags, u32::MAX, &bytes);
        assert_eq!(sent, Err(Reason::FastOpen));
        assert_eq!(client.part(&world, &bytes, 0..bytes.len()), Ok(()));
    }
}

#[test]
fn urgent_data_is_denied_for_good() {
    let world = World::new();
    let bytes = Hello::classic(NAME).bytes();
    let mut client = Client::new(&world);
    let sent = client.send(&world, ADDRESS, ACK | URG, 0, &bytes);
    assert_eq!(sent, Err(Reason::Urgent));
    let again = client.part(&world, &bytes, 0..bytes.len());
    assert_eq!(again, Err(Reason::Urgent));
}

#[test]
fn a_connection_that_was_not_seen_to_open_is_unwatched() {
    let world = World::new();
    let bytes = Hello::classic(NAME).bytes();
    let mut client = Client::unwatched(START);
    let unwatched = Err(Reason::NoSynSeen);
    assert_eq!(client.part(&world, &bytes, 0..bytes.len()), unwatched);
    // What answers another's SYN opens nothing.
    let answer = client.send(&world, ADDRESS, SYN | ACK, u32::MAX, &[]);
    assert_eq!(answer, Ok(()));
    assert_eq!(client.part(&world, &bytes, 0..bytes.len()), unwatched);
}

#[test]
fn a_connection_to_another_address_than_it_opened_to_is_unwatched() {
    let world = World::new();
    let bytes = Hello::classic(NAME).bytes();
    let mut client = Client::new(&world);
    let sent = client.send(&world, OTHER_ADDRESS, ACK, 0, &bytes);
    assert_eq!(sent, Err(Reason::NoSynSeen));
    assert_eq!(
        client.handshake.verified(OTHER_ADDRESS, u32::MAX, &world),
        None
    );
    let (mut client, bytes) = verified(&world);
    assert_eq!(
        client.handshake.verified(OTHER_ADDRESS, u32::MAX, &world),
        None
    );
    let sent = client.send(&world, OTHER_ADDRESS, ACK, 0, &bytes);
    assert_eq!(sent, Err(Reason::NoSynSeen));
}

#[test]
fn a_connection_that_begins_again_is_verified_again() {
    let world = World::new();
    let (mut client, bytes) = verified(&world);
    assert_eq!(client.open(&world), Ok(()));
    assert_eq!(client.verified(&world), None);
    let other = Hello::classic("example.com").bytes();
    let sent = client.clone().part(&world, &other, 0..other.len());
    assert_eq!(sent, Err(Reason::ServerNameUnknown));
    assert_eq!(client.part(&world, &bytes, 0..bytes.len()), Ok(()));
    client.handshake.reset();
    assert_eq!(client.verified(&world), None);
    let sent = client.part(&world, &bytes, 0..bytes.len());
    assert_eq!(sent, Err(Reason::NoSynSeen));
}

#[test]
fn segments_without_data_pass_and_change_nothing() {
    let world = World::new();
    let bytes = Hello::classic(NAME).bytes();
    let mut client = Client::new(&world);
    for (from, to) in [(0, 30), (30, bytes.len())] {
        assert_eq!(client.send(&world, ADDRESS, ACK, 77, &[]), Ok(()));
        assert_eq!(client.part(&world, &bytes, from..to), Ok(()));
    }
    assert_eq!(client.verified(&world), Some(Reason::AllowedName));
}

#[test]
fn a_short_name_after_a_long_one_is_not_the_long_one() {
    let world = World::new();
    let mut client = Client::new(&world);
    let long = Hello::classic("contoso.azurecr.example.com").bytes();
    assert!(client.part(&world, &long, 0..long.len()).is_err());
    assert_eq!(client.open(&world), Ok(()));
    let short = Hello::classic(NAME).bytes();
    assert_eq!(client.part(&world, &short, 0..short.len()), Ok(()));
    assert_eq!(client.verified(&world), Some(Reason::AllowedName));
}

#[test]
fn what_is_verified_holds_until_the_policy_changes_and_is_looked_up_again() {
    let mut world = World::new();
    let (mut client, bytes) = verified(&world);
    world.epoch += 1;
    assert_eq!(client.verified(&world), None);
    let more = record(&bytes);
    let at = bytes.len() as u32;
    assert_eq!(client.send(&world, ADDRESS, ACK, at, &more), Ok(()));
    assert_eq!(client.verified(&world), Some(Reason::AllowedName));
    world.epoch += 1;
    world.bound.clear();
    let denied = Err(Reason::ServerNameElsewhere);
    assert_eq!(client.send(&world, ADDRESS, ACK, at, &more), denied);
    assert_eq!(client.verified(&world), None);
    world.bind(1, 9, Deadline::MAX);
    assert_eq!(client.send(&world, ADDRESS, ACK, at, &more), Ok(()));
    assert_eq!(client.verified(&world), Some(Reason::ExceptionName));
}

#[test]
fn what_is_verified_holds_until_its_deadline_and_is_looked_up_again() {
    let mut world = World::new();
    world.bind(1, 0, 50);
    let (mut client, bytes) = verified(&world);
    let at = bytes.len() as u32;
    world.now = 49;
    assert_eq!(client.verified(&world), Some(Reason::AllowedName));
    world.now = 50;
    assert_eq!(client.verified(&world), None);
    let denied = Err(Reason::ServerNameElsewhere);
    assert_eq!(client.send(&world, ADDRESS, ACK, at, b"more"), denied);
    world.bind(1, 0, 60);
    assert_eq!(client.verified(&world), None);
    assert_eq!(client.send(&world, ADDRESS, ACK, at, b"more"), Ok(()));
    assert_eq!(client.verified(&world), Some(Reason::AllowedName));
}

#[test]
fn where_names_are_not_checked_any_data_passes() {
    let mut world = World::new();
    world.bind(AddressGrant::ANY_NAME, 0, Deadline::MAX);
    let mut client = Client::new(&world);
    assert_eq!(client.send(&world, ADDRESS, ACK, 0, b"SSH-2.0-x"), Ok(()));
    assert_eq!(client.verified(&world), Some(Reason::AllowedName));
    world.bound.remove(&AddressGrant::ANY_NAME);
    world.epoch += 1;
    assert!(client.send(&world, ADDRESS, ACK, 9, b"more").is_err());
}

#[test]
fn an_audited_connection_is_denied_for_the_same_reason_on_and_on() {
    let mut world = World::new();
    world.audits = true;
    let hello = Hello::classic("example.com").bytes();
    for (flags, from, bytes, reason) in [
        (ACK, 0, &hello[..], Reason::ServerNameUnknown),
        (ACK, 0, b"SSH-2.0-x", Reason::NotTls),
        (ACK, 7, &hello, Reason::HelloOutOfOrder),
        (SYN, u32::MAX, &hello, Reason::FastOpen),
        (ACK | URG, 0, &hello, Reason::Urgent),
    ] {
        let mut client = Client::new(&world);
        for _ in 0..2 {
            let sent = client.send(&world, ADDRESS, flags, from, bytes);
            assert_eq!(sent, Err(reason));
        }
        if flags & SYN == 0 {
            let good = Hello::classic(NAME).bytes();
            assert_eq!(client.part(&world, &good, 0..good.len()), Err(reason));
        }
    }
}

/// A connection from before may have sent more than was seen of it, and lost some of that.
#[test]
fn where_names_are_not_checked_what_was_sent_before_is_sent_again() {
    let mut world = World::new();
    world.bind(AddressGrant::ANY_NAME, 0, Deadline::MAX);
    let mut client = Client::unwatched(START);
    let later = client.send(&world, ADDRESS, ACK, 5000, b"any");
    assert_eq!(later, Ok(()));
    for from in [4000, 0, 4990] {
        let again = client.send(&world, ADDRESS, ACK, from, &[0; 1400]);
        assert_eq!(again, Ok(()), "{from}");
    }
}
