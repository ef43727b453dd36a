//! Which server a hello names, by tls-parser.

use tls_parser::{
    SNIType, TlsExtension, TlsExtensionType, TlsMessage, TlsMessageHandshake, TlsRecordType,
    parse_tls_client_hello_extensions, parse_tls_extension_sni_content,
    parse_tls_extension_unknown, parse_tls_message_handshake, parse_tls_raw_record,
};

/// What tls-parser reads, names in lower case.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Read {
    /// It gives up on a record, a message or an extension's length.
    Nothing,
    /// One hello in records of its own, with these names of this type.
    NamePolicy(Vec<(u8, Vec<u8>)>),
}

impl Read {
    /// The name, if there is exactly one, of a host.
    pub(crate) fn name(&self) -> Option<&[u8]> {
        match self {
            Self::NamePolicy(names) => match names.as_slice() {
                [(0, name)] if !name.is_empty() => Some(name),
                _ => None,
            },
            Self::Nothing => None,
        }
    }
}

/// By its parser of records and hellos, which leaves the data of other extensions alone.
pub(crate) fn by_extension(bytes: &[u8]) -> Read {
    let names = |hello: &[u8]| {
        let mut rest = extensions(hello)?;
        let mut names = Vec::new();
        while !rest.is_empty() {
            let (behind, extension) = parse_tls_extension_unknown(rest).ok()?;
            rest = behind;
            if let TlsExtension::Unknown(TlsExtensionType::ServerName, data) = extension {
                let (_, extension) = parse_tls_extension_sni_content(data).ok()?;
                names.extend(named(&extension));
            }
        }
        Some(names)
    };
    let names = message(bytes).and_then(|hello| names(&hello));
    names.map_or(Read::Nothing, Read::NamePolicy)
}

/// By its parser of all extensions, which gives up on more.
pub(crate) fn by_hello(bytes: &[u8]) -> Read {
    let names = |hello: &[u8]| {
        let (rest, all) = parse_tls_client_hello_extensions(extensions(hello)?).ok()?;
        let names = all.iter().flat_map(named).collect();
        rest.is_empty().then_some(names)
    };
    let names = message(bytes).and_then(|hello| names(&hello));
    names.map_or(Read::Nothing, Read::NamePolicy)
}

fn named(extension: &TlsExtension<'_>) -> Vec<(u8, Vec<u8>)> {
    let TlsExtension::SNI(names) = extension else {
        return Vec::new();
    };
    let lower = |(SNIType(kind), name): &(SNIType, &[u8])| (*kind, name.to_ascii_lowercase());
    names.iter().map(lower).collect()
}

/// The content of the handshake records that begin `bytes`, to the end of the first message, which is that of a record.
fn message(bytes: &[u8]) -> Option<Vec<u8>> {
    let (mut rest, mut content) = (bytes, Vec::new());
    loop {
        let (behind, record) = parse_tls_raw_record(rest).ok()?;
        if record.hdr.record_type != TlsRecordType::Handshake || record.data.is_empty() {
            return None;
        }
        content.extend_from_slice(record.data);
        rest = behind;
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

/// The extensions of a hello; none where they are left out.
fn extensions(message: &[u8]) -> Option<&[u8]> {
    let (rest, message) = parse_tls_message_handshake(message).ok()?;
    let TlsMessage::Handshake(TlsMessageHandshake::ClientHello(hello)) = message else {
        return None;
    };
    rest.is_empty().then(|| hello.ext.unwrap_or_default())
}
