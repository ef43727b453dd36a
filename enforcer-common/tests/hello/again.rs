//! What the kernel sends again comes from memory that a process may have changed meanwhile.

use enforcer_common::Reason;

use crate::hello::{Hello, PADDING, server_name};
use crate::world::{ACK, ADDRESS, Client, NAME, World};

const CHANGED: Result<(), Reason> = Err(Reason::HelloChanged);
/// How many bytes of a hello are kept.
const KEPT: usize = 2048;
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
fn of_a_hello_that_is_too_long_to_keep_what_is_behind_is_sent_again_only_if_the_name_is_before_it()
{
    let world = World::new();
    let long = (PADDING, vec![0; 3000]);
    for (is_first, extensions) in [
        (true, [server_name(NAME.as_bytes()), long.clone()]),
        (false, [long, server_name(NAME.as_bytes())]),
    ] {
        let bytes = Hello::with(extensions.to_vec()).bytes();
        let mut client = sent(&world, &bytes);
        assert_eq!(client.verified(&world), Some(Reason::AllowedName));
        assert_eq!(client.part(&world, &bytes, 0..KEPT), Ok(()));
        let expected = if is_first { Ok(()) } else { CHANGED };
        for (from, to) in [(0, KEPT + 1), (KEPT, KEPT + 1), (KEPT + 1, bytes.len())] {
            assert_eq!(
                client.part(&world, &bytes, from..to),
                expected,
                "{from}..{to}"
            );
        }
        let mut other = bytes.clone();
        other[KEPT - 1] ^= 1;
        assert_eq!(client.part(&world, &other, 9..other.len()), CHANGED);
        let end = bytes.len() as u32;
        assert_eq!(client.send(&world, ADDRESS, ACK, end, b"more"), Ok(()));
    }
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
