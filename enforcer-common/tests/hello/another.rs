//! A server may ask for another hello (RFC 8446 section 4.1.4): that one is read as the first was.

use enforcer_common::Reason;
use enforcer_common::layout::Deadline;

use crate::hello::{Hello, PADDING, message, record, records, records_of, server_name};
use crate::world::{ACK, ADDRESS, Client, ELSEWHERE, NAME, WILD, World};

/// Dummies that middleboxes like (RFC 8446 appendix D.4), and a warning that servers overlook.
const CHANGE_CIPHER_SPEC: [u8; 6] = [20, 3, 3, 0, 1, 1];
const USER_CANCELED: [u8; 7] = [21, 3, 3, 0, 2, 1, 90];
const VERSIONS: u16 = 43;
const EARLY_DATA: u16 = 42;

/// Lengths of the names: shorter and longer than the first one.
const OTHERS: [(&str, Reason); 4] = [
    ("evil.io", Reason::ServerNameUnknown),
    (
        "mallory-corp.westeurope.data.azurecr.io",
        Reason::ServerNameUnknown,
    ),
    (ELSEWHERE, Reason::ServerNameElsewhere),
    ("192.0.2.1", Reason::ServerNameAddress),
];

/// A client whose first hello was whole.
fn greeted(world: &World, first: &Hello) -> (Client, u32) {
    let mut client = Client::new(world);
    let bytes = first.bytes();
    assert_eq!(client.part(world, &bytes, 0..bytes.len()), Ok(()));
    (client, bytes.len() as u32)
}

/// What comes of bytes behind the first hello.
fn after(world: &World, bytes: &[u8]) -> Result<bool, Reason> {
    let (mut client, at) = greeted(world, &Hello::modern(NAME, 4));
    client.send(world, ADDRESS, ACK, at, bytes)?;
    Ok(client.is_verified(world))
}

#[test]
fn another_hello_is_read_as_the_first_was() {
    let world = World::new();
    for before in [&[][..], &CHANGE_CIPHER_SPEC, &USER_CANCELED] {
        let then = |hello: &Hello| after(&world, &[before, &hello.bytes()].concat());
        for place in [0, 4, usize::MAX] {
            for (name, reason) in OTHERS {
                assert_eq!(then(&Hello::modern(name, place)), Err(reason), "{name}");
                assert_eq!(then(&Hello::classic(name)), Err(reason), "{name}");
            }
            assert_eq!(then(&Hello::modern(NAME, place)), Ok(false));
        }
        let nameless = Hello::with(vec![(PADDING, vec![0; 9])]);
        assert_eq!(then(&nameless), Err(Reason::NoServerName));
    }
}

#[test]
fn however_it_is_cut() {
    let world = World::new();
    let first = Hello::modern(NAME, 4);
    let denied = OTHERS
        .into_iter()
        .map(|(name, reason)| (name, Some(reason)));
    for (name, expected) in denied.chain([(NAME, None)]) {
        let bytes = [&CHANGE_CIPHER_SPEC[..], &Hello::modern(name, 4).bytes()].concat();
        for cut in 1..bytes.len() {
            let (mut client, at) = greeted(&world, &first);
            let head = client.send(&world, ADDRESS, ACK, at, &bytes[..cut]);
            let tail = client.send(&world, ADDRESS, ACK, at + cut as u32, &bytes[cut..]);
            assert_eq!(head.and(tail).err(), expected, "{name} at {cut}");
            assert_eq!(client.verified(&world).is_none(), expected.is_some());
        }
    }
}

/// What the first one names would go unseen.
#[test]
fn it_is_in_no_segment_of_the_first_one() {
    let world = World::new();
    let unreadable = Err(Reason::HelloUnreadable);
    for names in [[NAME, NAME], ["evil.io", NAME], [NAME, "evil.io"]] {
        let hellos = names.map(|name| Hello::modern(name, 4).bytes());
        let at = hellos[0].len();
        let bytes = hellos.concat();
        let sent = Client::new(&world).part(&world, &bytes, 0..bytes.len());
        assert_eq!(sent, unreadable, "{names:?}");
        // Behind the last extension's type nothing of the first one is read.
        for cut in [at - 400, at - 1, at, at + 1, at + 6, at + 40] {
            let mut client = Client::new(&world);
            let head = client.part(&world, &bytes, 0..cut);
            let tail = client.part(&world, &bytes, cut..bytes.len());
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
fn a_denial_tells_the_name_in_it_and_no_byte_of_the_one_before() {
    let world = World::new();
    for name in ["evil.io", "mallory-corp.westeurope.data.azurecr.io"] {
        let (mut client, at) = greeted(&world, &Hello::modern(NAME, 4));
        let sent = client.send(&world, ADDRESS, ACK, at, &Hello::classic(name).bytes());
        assert_eq!(sent, Err(Reason::ServerNameUnknown));
        assert_eq!(client.name().as_deref(), Some(name));
    }
}

#[test]
fn names_of_either_kind_may_follow_each_other() {
    let world = World::new();
    let names = [NAME, "contoso.eastus.data.azurecr.io", NAME];
    assert!(world.names.contains_key(WILD));
    let (mut client, mut at) = greeted(&world, &Hello::modern(names[0], 0));
    for name in names {
        let bytes = Hello::modern(name, 0).bytes();
        assert_eq!(client.send(&world, ADDRESS, ACK, at, &bytes), Ok(()));
        at += bytes.len() as u32;
    }
    assert_eq!(client.verified(&world), Some(Reason::AllowedName));
}

#[test]
fn it_is_read_in_any_two_records_like_the_first() {
    let world = World::new();
    for (name, expected) in [
        (NAME, Ok(false)),
        ("evil.io", Err(Reason::ServerNameUnknown)),
    ] {
        for before in [&[][..], &CHANGE_CIPHER_SPEC] {
            let body = message(&Hello::modern(name, 4).body());
            for cut in 1..body.len() {
                let bytes = [before, &records(&body, &[cut])].concat();
                assert_eq!(after(&world, &bytes), expected, "{name} at {cut}");
            }
        }
    }
    let (mut client, mut at) = greeted(&world, &Hello::modern(NAME, 4));
    let body = message(&Hello::modern(NAME, 4).body());
    for size in [40, 64, 512] {
        let bytes = records_of(&body, size);
        assert_eq!(client.send(&world, ADDRESS, ACK, at, &bytes), Ok(()));
        at += bytes.len() as u32;
    }
    assert_eq!(client.verified(&world), Some(Reason::AllowedName));
}

#[test]
fn nothing_lies_between_its_records() {
    let world = World::new();
    let unreadable = Err(Reason::HelloUnreadable);
    let body = message(&Hello::modern(NAME, 4).body());
    for cut in [1, 3, 4, 40, body.len() - 1] {
        let (first, second) = body.split_at(cut);
        for between in [&record(&[])[..], &CHANGE_CIPHER_SPEC, &USER_CANCELED] {
            let bytes = [&record(first), between, &record(second)].concat();
            assert_eq!(after(&world, &bytes), unreadable, "{between:?} at {cut}");
        }
        let more = [second, &[0]].concat();
        let bytes = [record(first), record(&more)].concat();
        assert_eq!(after(&world, &bytes), unreadable, "at {cut}");
    }
    let before = [record(&[]), record(&body)].concat();
    assert_eq!(after(&world, &before), unreadable);
}

#[test]
fn it_is_of_a_length_that_is_followed() {
    let world = World::new();
    let unreadable = Err(Reason::HelloUnreadable);
    // OpenSSL takes 131,396 bytes.
    for length in [
        [0, 0, 59],
        [1, 0, 0],
        [2, 0, 70],
        [2, 1, 68],
        [2, 0xff, 0xff],
    ] {
        let long = [&[1], &length[..], &[0; 60]].concat();
        assert_eq!(after(&world, &record(&long)), unreadable, "{length:?}");
    }
}

#[test]
fn what_is_no_hello_ends_the_reading() {
    let world = World::new();
    let key_exchange = record(&[16, 0, 0, 4, 1, 2, 3, 4]);
    let encrypted = record(&[1, 3, 0, 0, 9, 9, 9, 9]);
    let data = [23, 3, 3, 0, 3, 1, 0, 0];
    for bytes in [&key_exchange[..], &encrypted, &data] {
        assert_eq!(after(&world, bytes), Ok(true), "{bytes:?}");
        let behind = [&CHANGE_CIPHER_SPEC, bytes].concat();
        assert_eq!(after(&world, &behind), Ok(true), "{behind:?}");
    }
    assert_eq!(after(&world, &CHANGE_CIPHER_SPEC), Ok(false));
    assert_eq!(after(&world, &USER_CANCELED), Ok(false));
    for kind in (0..=255).filter(|kind| !matches!(kind, 20..=23)) {
        let sent = after(&world, &[kind, 3, 3, 0, 1, 1]);
        assert_eq!(sent, Err(Reason::NotTls), "{kind}");
    }
    let other_version = after(&world, &[23, 4, 3, 0, 1, 1]);
    assert_eq!(other_version, Err(Reason::HelloUnreadable));
    let too_long = after(&world, &[23, 3, 3, 0x48, 1, 1]);
    assert_eq!(too_long, Err(Reason::HelloUnreadable));
}

#[test]
fn without_tls_1_3_no_server_asks_for_another() {
    let world = World::new();
    let (client, _) = greeted(&world, &Hello::classic(NAME));
    assert!(client.is_verified(&world));
    let versions = (VERSIONS, vec![2, 3, 4]);
    let name = server_name(NAME.as_bytes());
    for extensions in [[versions.clone(), name.clone()], [name, versions]] {
        let (client, _) = greeted(&world, &Hello::with(extensions.to_vec()));
        assert!(!client.is_verified(&world));
    }
}

#[test]
fn early_data_could_hide_another_hello() {
    let world = World::new();
    for place in 0..12 {
        let mut hello = Hello::modern(NAME, 4);
        let extensions = hello.extensions.get_or_insert_default();
        extensions.insert(place, (EARLY_DATA, Vec::new()));
        let bytes = hello.bytes();
        let mut client = Client::new(&world);
        let sent = client.part(&world, &bytes, 0..bytes.len());
        assert_eq!(sent, Err(Reason::EarlyData), "{place}");
        let again = client.part(&world, &bytes, 0..40);
        assert_eq!(again, Err(Reason::EarlyData), "{place}");
    }
}

#[test]
fn another_hello_that_was_denied_heals_like_the_first() {
    let mut world = World::new();
    let (mut client, at) = greeted(&world, &Hello::modern(NAME, 4));
    let bytes = Hello::modern(ELSEWHERE, 4).bytes();
    let sent = client.send(&world, ADDRESS, ACK, at, &bytes);
    assert_eq!(sent, Err(Reason::ServerNameElsewhere));
    world.bind(3, 0, Deadline::MAX);
    assert_eq!(client.send(&world, ADDRESS, ACK, at, &bytes), Ok(()));
    assert_eq!(client.verified(&world), Some(Reason::AllowedName));
}
