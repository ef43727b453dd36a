//! As much of DNS messages (RFC 1035, section 4) as the lab needs to ask, to read and to lie.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Response codes (RFC 1035, section 4.1.1).
pub mod rcode {
    /// The answer is good.
    pub const NOERROR: u8 = 0;
    /// The server could not answer.
    pub const SERVFAIL: u8 = 2;
    /// The name does not exist.
    pub const NXDOMAIN: u8 = 3;
}

/// What is asked for.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[repr(u16)]
pub enum Kind {
    /// IPv4 addresses.
    A = 1,
    /// IPv6 addresses (RFC 3596).
    Aaaa = 28,
}

const CNAME: u16 = 5;
const INTERNET: u16 = 1;
const HEADER: usize = 12;
/// The query's "recursion desired" bit, in the third byte.
const RECURSION_DESIRED: u8 = 0x01;
const RESPONSE: u8 = 0x80;
const TRUNCATED: u8 = 0x02;
/// In the fourth byte.
const RECURSION_AVAILABLE: u8 = 0x80;

/// What a resolver answered.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Answer {
    /// One of [`rcode`]'s.
    pub rcode: u8,
    /// Whether the rest has to be asked for over TCP.
    pub truncated: bool,
    /// Aliases in order: the name that each leads to, and its lifetime in seconds.
    pub aliases: Vec<(String, u32)>,
    /// Addresses with their lifetimes in seconds.
    pub addresses: Vec<(IpAddr, u32)>,
}

/// A message's only question.
#[derive(Debug)]
pub(super) struct Question {
    /// Lower case, without the final dot.
    pub(super) name: String,
    pub(super) kind: u16,
    /// Where the question section ends.
    end: usize,
}

/// A recursive query; its id is fixed, as the lab asks one question per socket.
pub(super) fn query(name: &str, kind: Kind) -> Vec<u8> {
    let mut message = vec![0x4c, 0x42, RECURSION_DESIRED, 0, 0, 1, 0, 0, 0, 0, 0, 0];
    for label in name.split('.') {
        message.push(label.len() as u8);
        message.extend_from_slice(label.as_bytes());
    }
    message.push(0);
    message.extend_from_slice(&(kind as u16).to_be_bytes());
    message.extend_from_slice(&INTERNET.to_be_bytes());
    message
}

/// The question of a query; `None` when there is not exactly one or it is malformed.
pub(super) fn question(message: &[u8]) -> Option<Question> {
    if u16_at(message, 4)? != 1 {
        return None;
    }
    let (name, end) = name_at(message, HEADER)?;
    u16_at(message, end + 2)?;
    Some(Question {
        name,
        kind: u16_at(message, end)?,
        end: end + 4,
    })
}

/// The response to `query` with this code and, where the question asks for its family, `address`.
pub(super) fn reply(
    query: &[u8],
    question: &Question,
    rcode: u8,
    truncated: bool,
    address: Option<IpAddr>,
) -> Vec<u8> {
    let data = match address {
        Some(IpAddr::V4(v4)) if question.kind == Kind::A as u16 => v4.octets().to_vec(),
        Some(IpAddr::V6(v6)) if question.kind == Kind::Aaaa as u16 => v6.octets().to_vec(),
        Some(_) | None => Vec::new(),
    };
    let mut message = query[..question.end].to_vec();
    message[2] = RESPONSE | (query[2] & RECURSION_DESIRED) | if truncated { TRUNCATED } else { 0 };
    message[3] = RECURSION_AVAILABLE | rcode;
    message[6..HEADER].copy_from_slice(&[0, u8::from(!data.is_empty()), 0, 0, 0, 0]);
    if !data.is_empty() {
        // The owner is a pointer to the question's name; the lifetime is 60 s.
        message.extend_from_slice(&[0xc0, HEADER as u8]);
        message.extend_from_slice(&question.kind.to_be_bytes());
        message.extend_from_slice(&[0, 1, 0, 0, 0, 60, 0, data.len() as u8]);
        message.extend_from_slice(&data);
    }
    message
}

/// Reads a response to a query with one question; `None` when it is malformed.
pub(super) fn answer(message: &[u8]) -> Option<Answer> {
    let mut answer = Answer {
        rcode: message.get(3)? & 0x0f,
        truncated: message.get(2)? & TRUNCATED != 0,
        ..Answer::default()
    };
    let mut at = question(message)?.end;
    for _record in 0..u16_at(message, 6)? {
        let (_owner, fixed) = name_at(message, at)?;
        let (kind, ttl) = (u16_at(message, fixed)?, u32_at(message, fixed + 4)?);
        let start = fixed + 10;
        at = start + usize::from(u16_at(message, fixed + 8)?);
        let data = message.get(start..at)?;
        if kind == CNAME {
            answer.aliases.push((name_at(message, start)?.0, ttl));
        } else if kind == Kind::A as u16 {
            let octets: [u8; 4] = data.try_into().ok()?;
            answer.addresses.push((Ipv4Addr::from(octets).into(), ttl));
        } else if kind == Kind::Aaaa as u16 {
            let octets: [u8; 16] = data.try_into().ok()?;
            answer.addresses.push((Ipv6Addr::from(octets).into(), ttl));
        }
    }
    Some(answer)
}

/// The name at an offset, and where the text after it begins. Pointers may only lead back, which
/// ends every chain of them.
fn name_at(message: &[u8], start: usize) -> Option<(String, usize)> {
    let mut labels: Vec<String> = Vec::new();
    let (mut at, mut lowest, mut end) = (start, start, None);
    loop {
        let length = usize::from(*message.get(at)?);
        if length >= 0xc0 {
            end = end.or(Some(at + 2));
            at = usize::from(u16_at(message, at)? & 0x3fff);
            if at >= lowest {
                return None;
            }
            lowest = at;
        } else if length == 0 {
            return Some((labels.join("."), end.unwrap_or(at + 1)));
        } else {
            let label = message.get(at + 1..at + 1 + length)?;
            labels.push(String::from_utf8_lossy(label).to_ascii_lowercase());
            at += 1 + length;
        }
    }
}

fn u16_at(message: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_be_bytes(
        message.get(at..at + 2)?.try_into().ok()?,
    ))
}

fn u32_at(message: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_be_bytes(
        message.get(at..at + 4)?.try_into().ok()?,
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reply_of_ours_reads_back() {
        let query = query("Contoso.azurecr.io", Kind::A);
        let asked = question(&query).unwrap();
        assert_eq!(asked.name, "contoso.azurecr.io");
        let lie = IpAddr::from([203, 0, 113, 66]);
        let read = answer(&reply(&query, &asked, rcode::NOERROR, false, Some(lie))).unwrap();
        assert_eq!(read.addresses, [(lie, 60)]);
    }

    #[test]
    fn an_address_of_the_other_family_makes_an_empty_answer() {
        let query = query("contoso.azurecr.io", Kind::Aaaa);
        let asked = question(&query).unwrap();
        let lie = IpAddr::from([203, 0, 113, 66]);
        let read = answer(&reply(&query, &asked, rcode::NOERROR, true, Some(lie))).unwrap();
        assert!(read.addresses.is_empty() && read.truncated);
    }

    #[test]
    fn a_pointer_to_itself_is_malformed() {
        let mut query = query("a", Kind::A);
        query[HEADER] = 0xc0;
        query[HEADER + 1] = HEADER as u8;
        assert!(question(&query).is_none());
    }
}
