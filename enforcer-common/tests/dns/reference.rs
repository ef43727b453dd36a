//! The addresses in an answer according to hickory-proto's decoders and sets of names: slow, and independent of the order of records.

use std::collections::BTreeSet;
use std::net::IpAddr;

use hickory_proto::op::{Message, MessageType, OpCode, ResponseCode};
use hickory_proto::rr::{DNSClass, Name, RData, RecordType};
use hickory_proto::serialize::binary::{BinDecodable, BinDecoder};

/// The name in a question in lower case, and the addresses that the answer has for it.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Answer {
    pub(crate) name: Vec<u8>,
    pub(crate) addresses: BTreeSet<IpAddr>,
}

/// Labels in lower case.
type Labels = Vec<Vec<u8>>;

/// The relevant records of the answer section.
struct Section {
    name: Labels,
    aliases: Vec<(Labels, Labels)>,
    addresses: Vec<(Labels, IpAddr)>,
}

fn labels(name: &Name) -> Labels {
    name.iter().map(<[u8]>::to_ascii_lowercase).collect()
}

impl Section {
    /// Returns the addresses of all names that are reachable through aliases.
    fn answer(&self) -> Answer {
        let mut names = BTreeSet::from([self.name.clone()]);
        loop {
            let targets = self
                .aliases
                .iter()
                .filter(|(owner, _)| names.contains(owner));
            let more: Vec<Labels> = targets.map(|(_, target)| target.clone()).collect();
            let before = names.len();
            names.extend(more);
            if names.len() == before {
                break;
            }
        }
        let of_these = self
            .addresses
            .iter()
            .filter(|(owner, _)| names.contains(owner));
        Answer {
            name: self.name.join(&b'.'),
            addresses: of_these.map(|(_, address)| *address).collect(),
        }
    }
}

/// Decodes whole messages; `None` if that fails, or the message is not an answer to one question for addresses.
pub(crate) fn by_message(bytes: &[u8]) -> Option<Answer> {
    let message = Message::from_vec(bytes).ok()?;
    let [query] = message.queries.as_slice() else {
        return None;
    };
    let kind = query.query_type();
    let about = &message.metadata;
    let is_answer = about.message_type == MessageType::Response
        && about.op_code == OpCode::Query
        && about.response_code.low() == ResponseCode::NoError.low()
        && !about.truncation
        && query.query_class() == DNSClass::IN
        && matches!(kind, RecordType::A | RecordType::AAAA);
    if !is_answer {
        return None;
    }
    let mut section = Section {
        name: labels(query.name()),
        aliases: Vec::new(),
        addresses: Vec::new(),
    };
    let counted = message
        .answers
        .iter()
        .filter(|record| record.dns_class == DNSClass::IN);
    for record in counted {
        let owner = labels(&record.name);
        if let RData::CNAME(target) = &record.data {
            section.aliases.push((owner, labels(&target.0)));
        } else if record.record_type() == kind
            && let Some(address) = record.data.ip_addr()
        {
            section.addresses.push((owner, address));
        }
    }
    Some(section.answer())
}

/// Decodes only names and numbers: neither the data of irrelevant records nor what follows the answers.
pub(crate) fn by_record(bytes: &[u8]) -> Option<Answer> {
    let decoder = &mut BinDecoder::new(bytes);
    short(decoder)?;
    let flags = short(decoder)?;
    let (questions, answers) = (short(decoder)?, short(decoder)?);
    short(decoder)?;
    short(decoder)?;
    // Response, opcode, truncation and response code.
    if flags & 0xfa0f != 0x8000 || questions != 1 {
        return None;
    }
    let name = labels(&Name::read(decoder).ok()?);
    let kind = RecordType::from(short(decoder)?);
    let is_for_addresses = matches!(kind, RecordType::A | RecordType::AAAA);
    if !is_for_addresses || short(decoder)? != u16::from(DNSClass::IN) {
        return None;
    }
    let mut section = Section {
        name,
        aliases: Vec::new(),
        addresses: Vec::new(),
    };
    for _ in 0..answers {
        record(decoder, kind, &mut section)?;
    }
    Some(section.answer())
}

fn record(decoder: &mut BinDecoder<'_>, kind: RecordType, section: &mut Section) -> Option<()> {
    let owner = labels(&Name::read(decoder).ok()?);
    let number = RecordType::from(short(decoder)?);
    let class = short(decoder)?;
    decoder.read_u32().ok()?;
    let length = usize::from(short(decoder)?);
    let start = decoder.index();
    let mut inside = decoder.clone(u16::try_from(start).ok()?);
    let data = decoder.read_slice(length).ok()?.unverified();
    if class != u16::from(DNSClass::IN) {
        return Some(());
    }
    if number == RecordType::CNAME {
        let target = labels(&Name::read(&mut inside).ok()?);
        if inside.index() != start + length {
            return None;
        }
        section.aliases.push((owner, target));
    } else if number == kind {
        section.addresses.push((owner, address(kind, data)?));
    }
    Some(())
}

fn address(kind: RecordType, data: &[u8]) -> Option<IpAddr> {
    if kind == RecordType::A {
        return Some(<[u8; 4]>::try_from(data).ok()?.into());
    }
    Some(<[u8; 16]>::try_from(data).ok()?.into())
}

fn short(decoder: &mut BinDecoder<'_>) -> Option<u16> {
    Some(decoder.read_u16().ok()?.unverified())
}
