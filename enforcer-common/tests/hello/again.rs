//! What the kernel sends again comes from memory that a process may have changed meanwhile.

use enforcer_common::Reason;
use enforcer_common::tls::Segment;

use crate::hello::{Hello, PADDING, server_name};
use crate::payload::Payload;
use crate::world::{ACK, ADDRESS, Client, NAME, World};

const CHANGED: Result<(), Reason> = Err(Reason::RetransmitMismatch);
/// How many bytes of a hello are kept.
const RECORDED_BYTES: usize = 3072;
const GIB: u32 = 1 << 30;

fn sent(world: &World, bytes: &[u8]) -> Client {
    let mut client = Client::new(world);
    assert_eq!(client.part(world, bytes, 0..bytes.len()), Ok(()));
    client
}

#[test]
fn no_byte_of_a_hello_is_another_one_when_it_is_sent_again() {
    let world = World::new();
    for bytes in [Hello::classic(NAME).bytes(), Hello::modern(NAME, 4).bytes()] {
        let verified = sent(&world, &bytes);
        let mut following = Client::new(&world);
        let end = bytes.len() - 1;
        assert_eq!(following.part(&world, &bytes, 0..end), Ok(()));
        for at in 0..bytes.len() {
            let mut other = bytes.clone();
            other[at] ^= 0x20;
            let starts = [0, at / 2, at.saturating_sub(7), at];
            for from in starts {
                for to in [at + 1, (at + 9).min(bytes.len()), bytes.len()] {
                    let again = verified.clone().part(&world, &other, from..to);
                    assert_eq!(again, CHANGED, "{at} in {from}..{to}");
                    let again = verified.clone().part(&world, &bytes, from..to);
                    assert_eq!(again, Ok(()), "{from}..{to}");
                    if at < end {
                        let again = following.clone().part(&world, &other, from..to);
                        assert_eq!(again, CHANGED, "{at} in {from}..{to}, not whole");
                    }
                }
            }
        }
    }
}

#[test]
fn a_change_is_denied_and_the_connection_goes_on_without_it() {
    let world = World::new();
    let bytes = Hello::classic(NAME).bytes();
    let mut other = Hello::classic("mallory.azurecr.io").bytes();
    other.truncate(bytes.len());
    let mut client = sent(&world, &bytes);
    assert_eq!(client.part(&world, &other, 0..other.len()), CHANGED);
    assert_eq!(client.part(&world, &bytes, 0..bytes.len()), Ok(()));
    assert_eq!(client.verified(&world), Some(Reason::AllowedName));
}

#[test]
fn a_segment_of_old_and_new_bytes_is_held_against_the_old_ones() {
    let world = World::new();
    let bytes = Hello::modern(NAME, 0).bytes();
    let mut behind = bytes.clone();
    behind.extend([0x17, 3, 3, 0, 35]);
    behind.extend([0x17; 35]);
    let mut client = sent(&world, &bytes);
    assert_eq!(client.part(&world, &behind, 100..behind.len()), Ok(()));
    behind[200] ^= 1;
    assert_eq!(client.part(&world, &behind, 100..behind.len()), CHANGED);
    assert_eq!(client.part(&world, &behind, 201..behind.len()), Ok(()));
}

#[test]
fn what_lies_too_far_in_to_be_kept_is_not_sent_again() {
    let world = World::new();
    let long = (PADDING, vec![0; 2 * RECORDED_BYTES]);
    for extensions in [
        [server_name(NAME.as_bytes()), long.clone()],
        [long, server_name(NAME.as_bytes())],
    ] {
        let bytes = Hello::with(extensions.to_vec()).bytes();
        let mut client = sent(&world, &bytes);
        assert_eq!(client.verified(&world), Some(Reason::AllowedName));
        assert_eq!(client.part(&world, &bytes, 0..RECORDED_BYTES), Ok(()));
        let end = bytes.len();
        for (from, to) in [
            (0, RECORDED_BYTES + 1),
            (RECORDED_BYTES, RECORDED_BYTES + 1),
            (RECORDED_BYTES + 1, end),
            (0, end),
        ] {
            let again = client.part(&world, &bytes, from..to);
            assert_eq!(again, CHANGED, "{from}..{to}");
        }
        let more = client.send(&world, ADDRESS, ACK, end as u32, b"more");
        assert_eq!(more, Ok(()));
    }
}

/// Behind a name that was kept, what is sent again could say that another hello may follow, or be one.
#[test]
fn what_follows_the_name_is_not_another_thing_when_it_is_sent_again() {
    const GREASE: u16 = 0x4a4a;
    const VERSIONS: u16 = 43;
    let world = World::new();
    let long = (PADDING, vec![0; RECORDED_BYTES]);
    let hello = |kind| {
        let name = server_name(NAME.as_bytes());
        Hello::with(vec![name, long.clone(), (kind, vec![2, 3, 4])]).bytes()
    };
    let mut client = sent(&world, &hello(GREASE));
    let bytes = hello(VERSIONS);
    assert_eq!(
        client.part(&world, &bytes, RECORDED_BYTES..bytes.len()),
        CHANGED
    );

    let bytes = [
        hello(VERSIONS),
        Hello::classic("mallory.azurecr.io").bytes(),
    ]
    .concat();
    let at = hello(VERSIONS).len();
    let mut alert = bytes.clone();
    alert[at] = 21;
    let mut client = sent(&world, &alert);
    assert_eq!(client.part(&world, &bytes, at..bytes.len()), CHANGED);
}

#[test]
fn two_hellos_are_held_against_what_was_sent() {
    let world = World::new();
    let bytes = [Hello::modern(NAME, 4), Hello::classic(NAME)].map(|hello| hello.bytes());
    let at = bytes[0].len();
    let bytes = bytes.concat();
    assert!(bytes.len() < RECORDED_BYTES);
    let mut client = sent(&world, &bytes[..at]);
    assert_eq!(client.part(&world, &bytes, at..bytes.len()), Ok(()));
    assert_eq!(client.part(&world, &bytes, at..bytes.len()), Ok(()));
    let mut other = bytes.clone();
    other[bytes.len() - 60] ^= 1;
    assert_eq!(client.part(&world, &other, at..bytes.len()), CHANGED);
}

#[test]
fn a_change_that_passes_in_audit_mode_does_not_pass_for_good() {
    let mut world = World::new();
    world.audits = true;
    let bytes = Hello::classic(NAME).bytes();
    let mut other = Hello::classic("mallory.azurecr.io").bytes();
    other.truncate(bytes.len());
    let mut client = sent(&world, &bytes);
    assert_eq!(client.part(&world, &other, 0..other.len()), CHANGED);
    world.audits = false;
    assert_eq!(client.verified(&world), None);
    let more = client.send(&world, ADDRESS, ACK, bytes.len() as u32, b"more");
    assert_eq!(more, CHANGED);
}

#[test]
fn a_segment_before_the_first_one_makes_no_room_for_another_hello() {
    let world = World::new();
    let bytes = Hello::classic(NAME).bytes();
    let mut client = sent(&world, &bytes);
    for before in [1, 2, 1000, GIB - 1000] {
        let early = client.send(&world, ADDRESS, ACK, 0_u32.wrapping_sub(before), b"!");
        assert_eq!(early, Err(Reason::HelloOutOfOrder), "{before}");
        let mut other = bytes.clone();
        other[70] ^= 1;
        assert_eq!(client.part(&world, &other, 0..other.len()), CHANGED);
    }
}

/// A segment that is not to leave at once.
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
fn no_byte_of_a_hello_leaves_later_than_it_is_judged() {
    let world = World::new();
    let bytes = Hello::classic(NAME).bytes();
    let late = |client: &mut Client, from: usize, bytes: &[u8]| {
        let payload = Late(Payload(bytes));
        let tcp = payload.0.tcp(client.first.wrapping_add(from as u32), ACK);
        client
            .handshake
            .check_segment(&payload, tcp, ADDRESS, &world)
    };
    let held = Err(Reason::DelayedTransmit);
    let mut client = Client::new(&world);
    assert_eq!(late(&mut client, 0, &bytes), held);
    assert_eq!(client.part(&world, &bytes, 0..100), Ok(()));
    assert_eq!(late(&mut client, 100, &bytes[100..]), held);
    assert_eq!(client.part(&world, &bytes, 100..bytes.len()), Ok(()));
    assert_eq!(late(&mut client, 0, &bytes), held);
    assert_eq!(late(&mut client, bytes.len(), b"more"), Ok(()));
}

#[test]
fn sequence_numbers_that_come_around_are_no_hello_again() {
    let world = World::new();
    let bytes = Hello::classic(NAME).bytes();
    let mut client = sent(&world, &bytes);
    for turn in 1..40_u32 {
        let from = turn.wrapping_mul(GIB);
        assert_eq!(
            client.send(&world, ADDRESS, ACK, from, &[0x17; 3000]),
            Ok(())
        );
    }
}

#[test]
fn sequence_numbers_that_come_around_are_no_way_past_a_denial() {
    let mut world = World::new();
    world.audits = true;
    let bytes = Hello::classic("example.com").bytes();
    let mut client = Client::new(&world);
    let denied = client.part(&world, &bytes, 0..bytes.len());
    assert_eq!(denied, Err(Reason::ServerNameUnknown));
    world.audits = false;
    for from in [0x9000_0000, u32::MAX - 100, 1 << 31, GIB] {
        let more = client.send(&world, ADDRESS, ACK, from, b"more");
        assert_eq!(more, Err(Reason::HelloOutOfOrder), "{from:#x}");
    }
}
