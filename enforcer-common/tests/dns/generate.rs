//! Random responses, most of them damaged.

use test_data::Random;
use test_data::dns::record_type::{A, AAAA, CNAME, TXT};
use test_data::dns::{Message, Name};

/// A random byte sequence.
pub(crate) struct Sample {
    pub(crate) bytes: Vec<u8>,
    /// Whether it is a valid response, which must not be rejected.
    pub(crate) is_valid: bool,
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
/// Types that the parser skips: NS, SOA, PTR, MX, OPT, RRSIG, SVCB, HTTPS, ANY.
const OTHERS: [u16; 9] = [2, 6, 12, 15, 41, 46, 64, 65, 255];
/// Flags of a response without an error.
const RESPONSE: u16 = 0x8180;
/// An EDNS record (RFC 6891), and the offset of the number of additional records.
const EDNS: [u8; 11] = [0, 0, 41, 4, 0xd0, 0, 0, 0, 0, 0, 0];
const ADDITIONAL_COUNT: usize = 11;
/// The length of a record between its owner and its data.
const RECORD_FIELDS: usize = 10;

/// Labels.
type Labels = Vec<String>;

/// A response that is being built, with the positions of the names in it.
struct Writer<'a> {
    random: &'a mut Random,
    message: Message,
    /// Suffixes that pointers can refer to: each with its position, and the number of pointers from there to its end.
    positions: Vec<(Labels, usize, usize)>,
}

impl Sample {
    pub(crate) fn random(random: &mut Random) -> Self {
        let kind = if random.one_in(3) { AAAA } else { A };
        let mut writer = Writer {
            random,
            message: Message(Vec::new()),
            positions: Vec::new(),
        };
        let is_valid = writer.write(kind);
        let mut bytes = writer.message.0;
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

fn damage(random: &mut Random, bytes: &mut Vec<u8>) {
    let length = bytes.len();
    if length == 0 {
        return;
    }
    // Most interesting bytes follow the header.
    let at = random.below(length).max(random.below(length.min(40)));
    match random.below(7) {
        0 => bytes[at] ^= 1 << random.below(8),
        1 => bytes[at] = random.byte(),
        2 => bytes[at] = random.pick(&[0, 1, 63, 64, 0x80, 0xc0, 0xff]),
        3 => bytes.truncate(at),
        4 => bytes.insert(at, random.byte()),
        5 => drop(bytes.remove(at)),
        _ => {
            let pointer = [0xc0, random.below(length.min(256)) as u8];
            for (target, byte) in bytes.iter_mut().skip(at).zip(pointer) {
                *target = byte;
            }
        }
    }
}

impl Writer<'_> {
    /// Writes a response; returns whether it is valid.
    fn write(&mut self, kind: u16) -> bool {
        let chain: Vec<Labels> = (0..=self.random.pick(&[0, 0, 1, 2, 3, 4]))
            .map(|_| self.name())
            .collect();
        let addresses = self.random.pick(&[1, 1, 2, 4, 8, 16]);
        let mut records: Vec<(usize, u16)> = (1..chain.len()).map(|at| (at - 1, CNAME)).collect();
        records.extend((0..addresses).map(|_| (chain.len() - 1, kind)));
        if self.random.one_in(2) {
            for last in (1..records.len()).rev() {
                records.swap(last, self.random.below(last + 1));
            }
        }
        let has_strangers = self.random.one_in(8);
        let has_odd_flags = self.random.one_in(20);
        self.begin(&chain[0], kind, has_odd_flags);
        for (at, kind) in records {
            match chain.get(at + 1) {
                Some(target) if kind == CNAME => self.alias(&chain[at], target),
                Some(_) | None => self.address(&chain[at], kind),
            }
        }
        for _ in 0..self.random.pick(&[0, 0, 1, 2]) {
            self.filler();
        }
        for _ in 0..if has_strangers { 2 } else { 0 } {
            let owner = self.name();
            self.address(&owner, kind);
        }
        self.message.0.extend(EDNS);
        self.message.0[ADDITIONAL_COUNT] = 1;
        // A name twice in a chain is a loop, or a name with an alias and an address.
        let is_straight = (1..chain.len()).all(|at| !chain[..at].contains(&chain[at]));
        !has_strangers && !has_odd_flags && is_straight
    }

    /// Writes header and question.
    fn begin(&mut self, name: &Labels, kind: u16, has_odd_flags: bool) {
        const HEADER: usize = 12;
        let [id, odd_flags] = [self.random.word() as u16, self.random.word() as u16];
        let flags = if has_odd_flags { odd_flags } else { RESPONSE };
        let name = self.encoded(name, HEADER);
        self.message = Message::question(flags, name, kind).id(id);
    }

    fn name(&mut self) -> Labels {
        let count = if self.random.one_in(50) {
            40
        } else {
            1 + self.random.below(5)
        };
        let label = |random: &mut Random| {
            if random.one_in(60) {
                return "w".repeat(1 + random.below(63));
            }
            random.pick(&LABELS).to_owned()
        };
        let mut name: Labels = (0..count).map(|_| label(self.random)).collect();
        while name.iter().map(|label| label.len() + 1).sum::<usize>() > 254 {
            name.pop();
        }
        name
    }

    /// Encodes a name for the offset `at`, in random case, possibly with a pointer to an earlier suffix.
    fn encoded(&mut self, name: &Labels, at: usize) -> Name {
        let mut bytes = Vec::new();
        let mut new = Vec::new();
        let mut pointers = 0;
        for index in 0..=name.len() {
            let suffix = &name[index..];
            let mut known = self.positions.iter();
            let known = known.rfind(|(known, _, depth)| known == suffix && *depth < 16);
            let known = known.map(|(_, position, depth)| (*position, *depth));
            if let Some((position, depth)) = known
                && !suffix.is_empty()
                && !self.random.one_in(4)
            {
                bytes.extend(test_data::dns::pointer(position));
                pointers = depth + 1;
                break;
            }
            let Some(label) = suffix.first() else {
                bytes.push(0);
                break;
            };
            new.push(at + bytes.len());
            bytes.push(label.len() as u8);
            bytes.extend(label.bytes().map(|byte| {
                let other_case = byte.is_ascii_alphabetic() && self.random.one_in(4);
                if other_case { byte ^ 0x20 } else { byte }
            }));
        }
        let new = new.into_iter().enumerate();
        let new = new.map(|(index, position)| (name[index..].to_vec(), position, pointers));
        let is_in_reach = |(_, position, _): &(_, usize, _)| *position < 0x4000;
        self.positions.extend(new.filter(is_in_reach));
        Name(bytes)
    }

    fn alias(&mut self, owner: &Labels, target: &Labels) {
        let owner = self.encoded(owner, self.message.end());
        let data_at = self.message.end() + owner.0.len() + RECORD_FIELDS;
        let target = self.encoded(target, data_at);
        self.record(owner, CNAME, &target.0);
    }

    fn address(&mut self, owner: &Labels, kind: u16) {
        let owner = self.encoded(owner, self.message.end());
        let data = self.bytes(if kind == A { 4 } else { 16 });
        self.record(owner, kind, &data);
    }

    /// Writes a record that the parser skips: text, or random data of another type.
    fn filler(&mut self) {
        let owner = self.name();
        let owner = self.encoded(&owner, self.message.end());
        let length = self.random.below(24);
        let mut data = self.bytes(length);
        let is_text = self.random.one_in(2);
        let kind = if is_text {
            data.insert(0, length as u8);
            TXT
        } else {
            self.random.pick(&OTHERS)
        };
        self.record(owner, kind, &data);
    }

    fn bytes(&mut self, length: usize) -> Vec<u8> {
        (0..length).map(|_| self.random.byte()).collect()
    }

    fn record(&mut self, owner: Name, kind: u16, data: &[u8]) {
        let ttl = self.random.word() >> self.random.below(32);
        let message = std::mem::replace(&mut self.message, Message(Vec::new()));
        self.message = message.record_for(ttl, owner, kind, data);
    }
}
