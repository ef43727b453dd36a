//! A TLS ClientHello by hand, for what needs no more of TLS than its first message.

use std::net::{IpAddr, SocketAddr};

use ipnet::IpNet;

use crate::topology::addresses::{DATA_EASTUS, DATA_WESTUS, INTERNET, REPLICAS, STORAGE};

/// `ECDHE-ECDSA-AES128-GCM-SHA256` and the empty renegotiation info (RFC 5289, RFC 5746).
const CIPHER_SUITES: [u8; 6] = [0, 4, 0xc0, 0x2b, 0, 0xff];
/// `supported_groups`: secp256r1 (RFC 8422, section 5.1.1).
const GROUPS: [u8; 8] = [0, 10, 0, 4, 0, 2, 0, 23];
/// `signature_algorithms`: ecdsa_secp256r1_sha256 (RFC 8446, section 4.2.3).
const SIGNATURES: [u8; 8] = [0, 13, 0, 4, 0, 2, 4, 3];

/// A record with a ClientHello of TLS 1.2 (RFC 5246, section 7.4.1.2) that names `server`; none where it is empty.
#[must_use]
pub fn client_hello(server: &str) -> Vec<u8> {
    let mut extensions = Vec::new();
    if !server.is_empty() {
        // One list with one entry of type host_name (RFC 6066, section 3).
        let entry = [&[0], counted(server.as_bytes()).as_slice()].concat();
        extensions.extend_from_slice(&[0, 0]);
        extensions.extend(counted(&counted(&entry)));
    }
    extensions.extend(GROUPS);
    extensions.extend(SIGNATURES);
    let mut hello = vec![3, 3];
    hello.extend([0x4c; 32]);
    hello.push(0);
    hello.extend(CIPHER_SUITES);
    hello.extend([1, 0]);
    hello.extend(counted(&extensions));
    let handshake = [&[1, 0], counted(&hello).as_slice()].concat();
    [&[22, 3, 1], counted(&handshake).as_slice()].concat()
}

/// The bytes behind their number in two bytes; nothing of the lab has more.
fn counted(bytes: &[u8]) -> Vec<u8> {
    [&(bytes.len() as u16).to_be_bytes(), bytes].concat()
}

/// The same, with an extension of `padding` bytes (RFC 7685) before all others.
#[must_use]
pub fn padded_hello(server: &str, padding: u16) -> Vec<u8> {
    extended(client_hello(server), 21, &vec![0; usize::from(padding)])
}

/// The same, of TLS 1.3 (RFC 8446, section 4.2.1), where a server may ask for another one.
#[must_use]
pub fn modern_hello(server: &str) -> Vec<u8> {
    extended(client_hello(server), 43, &[2, 3, 4])
}

/// The same, with early data to follow (RFC 8446, section 4.2.10).
#[must_use]
pub fn early_hello(server: &str) -> Vec<u8> {
    extended(modern_hello(server), 42, &[])
}

/// The ClientHello of one record in records whose content ends at `cuts` and at its end (RFC 8446, section 5.1).
#[must_use]
pub fn in_records(hello: &[u8], cuts: &[usize]) -> Vec<u8> {
    const HEADER: usize = 5;
    let (header, message) = hello.split_at(HEADER.min(hello.len()));
    let mut from = 0;
    let ends = cuts.iter().copied().chain([message.len()]);
    let records = ends.map(|to| {
        let content = message.get(from..to).unwrap_or_default();
        from = to;
        [header.get(..3).unwrap_or_default(), &counted(content)].concat()
    });
    records.collect::<Vec<_>>().concat()
}

/// Whether a ClientHello begins in a record whose content ends before it does, and goes on in a second one.
#[must_use]
pub fn is_in_records(stream: &[u8]) -> bool {
    let cut = || {
        let mut rest = stream.get(3..)?;
        // Behind the type of the message and the high byte of its length.
        let mut content = taken(&mut rest, 2)?.get(2..)?;
        let is_cut = taken(&mut content, 2).is_none();
        Some(is_cut && rest.starts_with(&[22, 3]))
    };
    cut().unwrap_or_default()
}

/// With an extension before all others.
fn extended(mut hello: Vec<u8>, kind: u8, data: &[u8]) -> Vec<u8> {
    /// Where the lengths of the record, the message and the extensions are, the first extension behind them.
    const LENGTHS: [usize; 3] = [3, 7, 52];
    const EXTENSIONS: usize = 54;
    let mut extension = vec![0, kind];
    extension.extend(counted(data));
    let longer = extension.len() as u16;
    for at in LENGTHS {
        let length = u16::from_be_bytes([hello[at], hello[at + 1]]);
        let length = length.saturating_add(longer);
        hello[at..at + 2].copy_from_slice(&length.to_be_bytes());
    }
    hello.splice(EXTENSIONS..EXTENSIONS, extension);
    hello
}

/// The groups that a ClientHello in one record brings key shares of (RFC 8446, section 4.2.8): none of TLS 1.2. `None` where it is
/// not there whole.
#[must_use]
pub fn shares(hello: &[u8]) -> Option<Vec<u16>> {
    const KEY_SHARE: u16 = 51;
    // Behind the headers of the record and the message, the version and the random bytes.
    let mut rest = hello.get(5 + 4 + 2 + 32..)?;
    for width in [1, 2, 1] {
        let _field = taken(&mut rest, width)?;
    }
    let mut extensions = taken(&mut rest, 2)?;
    let mut shares = Vec::new();
    while !extensions.is_empty() {
        let kind = number(&mut extensions)?;
        let mut data = taken(&mut extensions, 2)?;
        if kind == KEY_SHARE {
            let mut listed = taken(&mut data, 2)?;
            while !listed.is_empty() {
                shares.push(number(&mut listed)?);
                let _share = taken(&mut listed, 2)?;
            }
        }
    }
    Some(shares)
}

/// Whether another ClientHello follows the first one, if not at once then behind a dummy change_cipher_spec (RFC 8446, appendix D.4).
#[must_use]
pub fn is_retried(stream: &[u8]) -> bool {
    const DUMMY: [u8; 6] = [20, 3, 3, 0, 1, 1];
    let behind = || {
        let mut rest = stream.get(3..)?;
        let _hello = taken(&mut rest, 2)?;
        Some(rest.strip_prefix(&DUMMY).unwrap_or(rest))
    };
    behind().is_some_and(|rest| matches!(rest, [22, 3, _, _, _, 1, 0, ..]))
}

fn number(rest: &mut &[u8]) -> Option<u16> {
    let (number, behind) = rest.split_first_chunk()?;
    *rest = behind;
    Some(u16::from_be_bytes(*number))
}

/// What stands behind its length, which takes `width` bytes.
fn taken<'a>(rest: &mut &'a [u8], width: usize) -> Option<&'a [u8]> {
    let (length, behind) = rest.split_at_checked(width)?;
    let length = length
        .iter()
        .fold(0, |sum, byte| sum << 8 | usize::from(*byte));
    let (taken, behind) = behind.split_at_checked(length)?;
    *rest = behind;
    Some(taken)
}

/// A name that leads to `address` in the lab: contoso's where a registry is.
#[must_use]
pub fn name_at(address: SocketAddr) -> String {
    let lies_in = |prefixes: &[&str]| {
        let mut prefixes = prefixes.iter().filter_map(|each| each.parse().ok());
        prefixes.any(|prefix: IpNet| prefix.contains::<&IpAddr>(&address.ip()))
    };
    let eastus = ("eastus", DATA_EASTUS);
    let regions = [eastus, ("westus", DATA_WESTUS)].into_iter();
    let mut regions = regions.chain(REPLICAS.map(|region| (region.name, region.data)));
    match regions.find(|(_, data)| lies_in(data)) {
        Some((region, _)) => format!("contoso.{region}.data.azurecr.io"),
        None if lies_in(&STORAGE) => "evil.blob.core.windows.net".to_owned(),
        None if lies_in(&INTERNET) => "www.example.org".to_owned(),
        None => "contoso.azurecr.io".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_length_in_a_hello_is_that_of_what_follows() {
        let hello = client_hello("contoso.azurecr.io");
        let length = |at: usize| usize::from(u16::from_be_bytes([hello[at], hello[at + 1]]));
        assert_eq!(length(3), hello.len() - 5);
        assert_eq!(length(7), hello.len() - 9);
        assert!(hello.ends_with(&SIGNATURES));
        assert_eq!(shares(&hello), Some(Vec::new()));
        assert_eq!(shares(&hello[..hello.len() - 1]), None);
        assert!(!is_retried(&hello));
        assert!(is_retried(&[hello.as_slice(), &hello].concat()));
        assert!(client_hello("").len() < hello.len() - "contoso.azurecr.io".len());
    }

    #[test]
    fn an_address_has_the_name_of_its_kind_of_endpoint() {
        let name = |address: &str| name_at((address.parse::<IpAddr>().unwrap(), 443).into());
        assert_eq!(name("198.51.100.10"), "contoso.azurecr.io");
        assert_eq!(name("198.51.100.130"), "contoso.eastus.data.azurecr.io");
        assert_eq!(
            name("2001:db8:acc:92::1"),
            "contoso.japaneast.data.azurecr.io"
        );
        assert_eq!(name("203.0.113.1"), "evil.blob.core.windows.net");
    }
}
