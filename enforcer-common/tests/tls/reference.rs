//! The server name in a ClientHello according to tls-parser.

use tls_parser::{
    SNIType, TlsExtension, TlsExtensionType, TlsMessage, TlsMessageHandshake, TlsRecordType,
    parse_tls_client_hello_extensions, parse_tls_extension_sni_content,
    parse_tls_extension_unknown, parse_tls_message_handshake, parse_tls_raw_record,
};

/// The result of tls-parser.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Parsed {
    /// It rejects a record, a message or the length of an extension.
    Failed,
    /// One ClientHello that fills its records, with these types and names, in lower case.
    Names(Vec<(u8, Vec<u8>)>),
}

impl Parsed {
    /// Returns the name if there is exactly one, of type host_name.
    pub(crate) fn name(&self) -> Option<&[u8]> {
        match self {
            Self::Names(names) => match names.as_slice() {
                [(0, name)] if !name.is_empty() => Some(name),
                _ => None,
            },
            Self::Failed => None,
        }
    }
}

/// Parses records and ClientHello, and only the extension `server_name`.
pub(crate) fn by_extension(bytes: &[u8]) -> Parsed {
    let names = |hello: &[u8]| {
        let mut rest = extensions(hello)?;
        let mut names = Vec::new();
        while !rest.is_empty() {
            let (after, extension) = parse_tls_extension_unknown(rest).ok()?;
            rest = after;
            if let TlsExtension::Unknown(TlsExtensionType::ServerName, data) = extension {
                let (_, extension) = parse_tls_extension_sni_content(data).ok()?;
                names.extend(named(&extension));
            }
        }
        Some(names)
    };
    let names = message(bytes).and_then(|hello| names(&hello));
    names.map_or(Parsed::Failed, Parsed::Names)
}

/// Parses all extensions, which fails more often.
pub(crate) fn by_hello(bytes: &[u8]) -> Parsed {
    let names = |hello: &[u8]| {
        let (rest, all) = parse_tls_client_hello_extensions(extensions(hello)?).ok()?;
        let names = all.iter().flat_map(named).collect();
        rest.is_empty().then_some(names)
    };
    let names = message(bytes).and_then(|hello| names(&hello));
    names.map_or(Parsed::Failed, Parsed::Names)
}

fn named(extension: &TlsExtension<'_>) -> Vec<(u8, Vec<u8>)> {
    let TlsExtension::SNI(names) = extension else {
        return Vec::new();
    };
    let lower = |(SNIType(kind), name): &(SNIType, &[u8])| (*kind, name.to_ascii_lowercase());
    names.iter().map(lower).collect()
}

/// Returns the first handshake message in the records at the beginning of `bytes`; it must end with its last record.
fn message(bytes: &[u8]) -> Option<Vec<u8>> {
    let (mut rest, mut content) = (bytes, Vec::new());
    loop {
        let (after, record) = parse_tls_raw_record(rest).ok()?;
        if record.hdr.record_type != TlsRecordType::Handshake || record.data.is_empty() {
            return None;
        }
        content.extend_from_slice(record.data);
        rest = after;
        let Some([_, length @ ..]) = content.first_chunk::<4>() else {
            continue;
        };
        let length = length
            .iter()
            .fold(0, |sum, byte| sum << 8 | usize::from(*byte));
        let length = length + 4;
        if content.len() >= length {
            return (content.len() == length).then_some(content);
        }
    }
}

/// Returns the extensions of a ClientHello; none if it ends before them.
fn extensions(message: &[u8]) -> Option<&[u8]> {
    let (rest, message) = parse_tls_message_handshake(message).ok()?;
    let TlsMessage::Handshake(TlsMessageHandshake::ClientHello(hello)) = message else {
        return None;
    };
    rest.is_empty().then(|| hello.ext.unwrap_or_default())
}
