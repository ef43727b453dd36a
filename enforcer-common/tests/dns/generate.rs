//! Messages as servers send them, and what becomes of them on a bad day.

use crate::random::Random;

/// A message, and whether it is as a server would have it, so that the reader must not refuse it.
pub(crate) struct Message {
    pub(crate) bytes: Vec<u8>,
    pub(crate) is_sound: bool,
}

const LABELS: [&str; 12] = [
    "contoso",
    "contosp",
    "azurecr",
    "io",
    "data",
    "eastus",
    "a",
    "x-1",
    "trafficmanager",
    "net",
    "blob",
    "core",
];
const A: u16 = 1;
const AAAA: u16 = 28;
const CNAME: u16 = 5;
const TXT: u16 = 16;
/// Types that the reader skips: NS, SOA, PTR, MX, OPT, RRSIG, SVCB, HTTPS, ANY.
const OTHERS: [u16; 9] = [2, 6, 12, 15, 41, 46, 64, 65, 255];

/// A message in the making, with the places of the names in it.
struct Writer<'a> {
    random: &'a mut Random,
    bytes: Vec<u8>,
    /// Suffixes that pointers can lead to: each with its place, and the pointers on the way from there.
    places: Vec<(Vec<String>, usize, usize)>,
}

impl Message {
    pub(crate) fn random(random: &mut Random) -> Self {
        let kind = if random.one_in(3) { AAAA } else { A };
        let mut writer = Writer {
            random,
            bytes: Vec::new(),
            places: Vec::new(),
        };
        let is_sound = writer.whole(kind);
        let mut bytes = writer.bytes;
        let damages = [0, 0, 1, 1, 2, 4][random.below(6)];
        for _ in 0..damages {
            damage(random, &mut bytes);
        }
        Self {
            bytes,
            is_sound: is_sound && damages == 0,
        }
    }
}

fn damage(random: &mut Random, bytes: &mut Vec<u8>) {
    let length = bytes.len();
    if length == 0 {
        return;
    }
    // Most of what is worth breaking comes after the header.
    let at = random.below(length).max(random.below(length.min(40)));
    match random.below(7) {
        0 => bytes[at] ^= 1 << random.below(8),
        1 => bytes[at] = random.byte(),
        2 => bytes[at] = [0, 1, 63, 64, 0x80, 0xc0, 0xff][random.below(7)],
        3 => bytes.truncate(at),
        4 => bytes.insert(at, random.byte()),
        5 => drop(bytes.remove(at)),
        _ => {
            let pointer = [0xc0, random.below(length.min(256)) as u8];
            for (place, byte) in bytes.iter_mut().skip(at).zip(pointer) {
                *place = byte;
            }
        }
    }
}

impl Writer<'_> {
    /// Writes a message; whether the reader has to take it.
    fn whole(&mut self, kind: u16) -> bool {
        let chain: Vec<Vec<String>> = (0..=[0, 0, 1, 2, 3, 4][self.random.below(6)])
            .map(|_| self.name())
            .collect();
        let addresses = [1, 1, 2, 4, 8, 16][self.random.below(6)];
        let is_ordered = self.random.one_in(2);
        let strangers = if self.random.one_in(8) { 2 } else { 0 };
        let mut records: Vec<(usize, u16)> = (1..chain.len()).map(|at| (at - 1, CNAME)).collect();
        records.extend((0..addresses).map(|_| (chain.len() - 1, kind)));
        if !is_ordered {
            for last in (1..records.len()).rev() {
                records.swap(last, self.random.below(last + 1));
            }
        }
        let fillers = [0, 0, 1, 2][self.random.below(4)];
        let is_odd = self.random.one_in(20);
        self.header(records.len() + fillers + strangers, is_odd);
        self.write_name(&chain[0]);
        self.short(kind);
        self.short(1);
        for (at, kind) in records {
            self.record(&chain, at, kind);
        }
        for _ in 0..fillers {
            self.filler();
        }
        for _ in 0..strangers {
            let owner = self.name();
            self.address(&owner, kind);
        }
        self.additional();
        // A name twice in a chain is a loop, or a name with alias and address.
        let is_straight = (1..chain.len()).all(|at| !chain[..at].contains(&chain[at]));
        strangers == 0 && !is_odd && is_straight
    }

    fn header(&mut self, answers: usize, is_odd: bool) {
        let id = self.random.next() as u16;
        self.short(id);
        let flags = if is_odd {
            self.random.next() as u16
        } else {
            0x8180
        };
        self.short(flags);
        for count in [1, answers as u16, 0, 1] {
            self.short(count);
        }
    }

    fn name(&mut self) -> Vec<String> {
        let count = if self.random.one_in(50) {
            40
        } else {
            1 + self.random.below(5)
        };
        let label = |random: &mut Random| {
            if random.one_in(60) {
                return "w".repeat(1 + random.below(63));
            }
            LABELS[random.below(LABELS.len())].to_owned()
        };
        let mut name: Vec<String> = (0..count).map(|_| label(self.random)).collect();
        while name.iter().map(|label| label.len() + 1).sum::<usize>() > 254 {
            name.pop();
        }
        name
    }

    fn short(&mut self, value: u16) {
        self.bytes.extend(value.to_be_bytes());
    }

    /// Writes a name, its end perhaps as a pointer to where that was written before.
    fn write_name(&mut self, name: &[String]) {
        let mut new: Vec<usize> = Vec::new();
        let mut pointers = 0;
        for at in 0..=name.len() {
            let rest = &name[at..];
            let known = self
                .places
                .iter()
                .rfind(|(place, _, depth)| place == rest && *depth < 16);
            let known = known.map(|(_, place, depth)| (*place, *depth));
            if let Some((place, depth)) = known
                && !rest.is_empty()
                && !self.random.one_in(4)
            {
                self.short(0xc000 | place as u16);
                pointers = depth + 1;
                break;
            }
            let Some(label) = rest.first() else {
                self.bytes.push(0);
                break;
            };
            new.push(self.bytes.len());
            self.bytes.push(label.len() as u8);
            for byte in label.bytes() {
                let other_case = byte.is_ascii_alphabetic() && self.random.one_in(4);
                self.bytes.push(if other_case { byte ^ 0x20 } else { byte });
            }
        }
        let added = new.into_iter().enumerate();
        let added = added.map(|(at, place)| (name[at..].to_vec(), place, pointers));
        self.places
            .extend(added.filter(|(_, place, _)| *place < 0x4000));
    }

    fn record(&mut self, chain: &[Vec<String>], at: usize, kind: u16) {
        if kind != CNAME {
            return self.address(&chain[at], kind);
        }
        self.fixed(&chain[at], CNAME);
        let length = self.bytes.len();
        self.short(0);
        self.write_name(&chain[at + 1]);
        let written = (self.bytes.len() - length - 2) as u16;
        self.bytes[length..length + 2].copy_from_slice(&written.to_be_bytes());
    }

    fn fixed(&mut self, owner: &[String], kind: u16) {
        self.write_name(owner);
        self.short(kind);
        self.short(1);
        let ttl = self.random.next() as u32 >> self.random.below(32);
        self.bytes.extend(ttl.to_be_bytes());
    }

    fn address(&mut self, owner: &[String], kind: u16) {
        self.fixed(owner, kind);
        let length = if kind == A { 4 } else { 16 };
        self.short(length);
        for _ in 0..length {
            let byte = self.random.byte();
            self.bytes.push(byte);
        }
    }

    /// A record that does not count: text, or of another type with data of no sense.
    fn filler(&mut self) {
        let owner = self.name();
        let length = self.random.below(24);
        if self.random.one_in(2) {
            self.fixed(&owner, TXT);
            self.short(length as u16 + 1);
            self.bytes.push(length as u8);
        } else {
            let kind = OTHERS[self.random.below(OTHERS.len())];
            self.fixed(&owner, kind);
            self.short(length as u16);
        }
        for _ in 0..length {
            let byte = self.random.byte();
            self.bytes.push(byte);
        }
    }

    /// EDNS (RFC 6891).
    fn additional(&mut self) {
        self.bytes.extend([0, 0, 41, 4, 0xd0, 0, 0, 0, 0, 0, 0]);
    }
}
