//! Random ClientHellos, most of them damaged.

use std::collections::BTreeSet;

use test_data::Random;
use test_data::client_hello::{
    ClientHello, Extension,
    extension::{PADDING, SERVER_NAME},
    record, records, server_name, server_names,
};

/// A random byte sequence.
pub(crate) struct Sample {
    pub(crate) bytes: Vec<u8>,
    /// Whether it is a valid ClientHello, which must not be denied.
    pub(crate) is_valid: bool,
}

const NAMES: [&str; 10] = [
    "contoso.azurecr.io",
    "CONTOSO.azurecr.IO",
    "contosp.azurecr.io",
    "contoso.eastus.data.azurecr.io",
    "a",
    "a.b",
    "x_1.blob.core.windows.net",
    "192.0.2.1",
    "abcdefgh.abcdefgh.abcdefgh",
    "abcdefg.hijklmn.opqrstu.vwx",
];
/// Interesting values of lengths, types and bytes of names.
const ODD: [u8; 12] = [0, 1, 2, 3, 4, 22, 32, 46, 47, 64, 0x80, 0xff];

impl Sample {
    pub(crate) fn random(random: &mut Random) -> Self {
        let mut hello = hello(random);
        let mut is_valid = true;
        if random.one_in(6) {
            is_valid = false;
            invalidate(random, &mut hello);
        }
        let mut bytes = framed(random, &hello, &mut is_valid);
        let damages = [0, 0, 1, 1, 2, 4][random.below(6)];
        for _ in 0..damages {
            damage(random, &mut bytes);
        }
        Self {
            bytes,
            is_valid: is_valid && damages == 0,
        }
    }
}

/// Returns a valid name.
fn name(random: &mut Random) -> String {
    if !random.one_in(4) {
        return NAMES[random.below(NAMES.len())].to_owned();
    }
    let mut label = || "w".repeat(1 + random.below(20));
    let labels: Vec<String> = (0..4).map(|_| label()).collect();
    labels[..1 + random.below(4)].join(".")
}

fn hello(random: &mut Random) -> ClientHello {
    let name = name(random);
    let mut hello = match random.below(16) {
        0 => ClientHello::tls13(&name, random.below(12)),
        _ => ClientHello::tls12(&name),
    };
    hello.session_id = vec![9; [0, 1, 32][random.below(3)]];
    hello.cipher_suites = vec![0x13; 2 * (1 + random.below(20))];
    let extensions = hello.extensions.get_or_insert_default();
    for _ in 0..random.below(4) {
        let filler: Extension = (PADDING, vec![random.byte(); random.below(40)]);
        extensions.insert(random.below(extensions.len() + 1), filler);
    }
    hello
}

/// Makes it invalid without changing the consistency of its lengths.
fn invalidate(random: &mut Random, hello: &mut ClientHello) {
    let names = [name(random), name(random)];
    let [one, other] = [names[0].as_bytes(), names[1].as_bytes()];
    let odd = [one, &[ODD[random.below(ODD.len())]], other].concat();
    let extension = match random.below(8) {
        0 => server_names(&[(0, one), (0, other)]),
        1 => server_names(&[(1, one)]),
        2 => server_names(&[(0, one), (1, other)]),
        3 => server_names(&[]),
        4 => server_name(b""),
        5 => (SERVER_NAME, Vec::new()),
        6 => server_name(&odd),
        _ => server_name(one),
    };
    let Some(extensions) = &mut hello.extensions else {
        return;
    };
    if random.one_in(2) {
        extensions.retain(|(kind, _)| *kind != SERVER_NAME);
    }
    extensions.insert(random.below(extensions.len() + 1), extension);
    if random.one_in(8) {
        extensions.clear();
    }
    if random.one_in(8) {
        hello.extensions = None;
    }
}

/// Returns the message in a record, mostly, or in several.
fn framed(random: &mut Random, hello: &ClientHello, is_valid: &mut bool) -> Vec<u8> {
    let message = hello.message();
    match random.below(24) {
        0 => {
            *is_valid = false;
            record(&[&message[..], &message].concat())
        }
        1 => [record(&message), vec![20, 3, 3, 0, 1, 1]].concat(),
        2..6 => in_records(random, &message),
        6 => {
            *is_valid = false;
            let cuts = cuts(random, message.len());
            let mut pieces: Vec<Vec<u8>> = pieces(&message, &cuts).map(record).collect();
            let other = other_record(random);
            pieces.insert(1 + random.below(pieces.len() - 1), other);
            pieces.concat()
        }
        7 => {
            *is_valid = false;
            let cuts = cuts(random, message.len());
            let more = ODD[random.below(ODD.len())];
            records(&[&message[..], &[more]].concat(), &cuts)
        }
        _ => record(&message),
    }
}

/// Returns the message in a valid number of records.
fn in_records(random: &mut Random, message: &[u8]) -> Vec<u8> {
    let cuts = cuts(random, message.len());
    records(message, &cuts)
}

/// Returns different offsets at which records end, in order.
fn cuts(random: &mut Random, length: usize) -> Vec<usize> {
    let most = [1, 1, 2, 3, 8, 63][random.below(6)];
    let cuts = (0..most).map(|_| 1 + random.below(length - 1));
    BTreeSet::from_iter(cuts).into_iter().collect()
}

fn pieces<'a>(message: &'a [u8], cuts: &'a [usize]) -> impl Iterator<Item = &'a [u8]> {
    let to = cuts.iter().copied().chain([message.len()]);
    let mut from = 0;
    to.map(move |to| &message[std::mem::replace(&mut from, to)..to])
}

/// Returns a record that is not allowed between those of a ClientHello.
fn other_record(random: &mut Random) -> Vec<u8> {
    let others: [&[u8]; 6] = [
        &[22, 3, 3, 0, 0],
        &[20, 3, 3, 0, 1, 1],
        &[21, 3, 3, 0, 2, 1, 0],
        &[23, 3, 3, 0, 1, 0],
        &[24, 3, 3, 0, 1, 0],
        &[22, 2, 0, 0, 1, 0],
    ];
    others[random.below(others.len())].to_vec()
}

fn damage(random: &mut Random, bytes: &mut Vec<u8>) {
    let length = bytes.len();
    if length == 0 {
        return;
    }
    // The data of most extensions is not parsed, so most damage is done before it.
    let at = random.below(length).min(random.below(length.min(160)));
    match random.below(7) {
        0 => bytes[at] ^= 1 << random.below(8),
        1 => bytes[at] = random.byte(),
        2 => bytes[at] = ODD[random.below(ODD.len())],
        3 => bytes[at] = bytes[at].wrapping_add(1),
        4 => bytes.truncate(length - random.below(length.min(60))),
        5 => bytes.insert(at, random.byte()),
        _ => drop(bytes.remove(at)),
    }
}
