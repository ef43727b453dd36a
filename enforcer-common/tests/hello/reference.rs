//! Which server a hello names, by tls-parser.

use tls_parser::{
    SNIType, TlsExtension, TlsExtensionType, TlsMessage, TlsMessageHandshake,
    parse_tls_client_hello_extensions, parse_tls_extension_sni_content,
    parse_tls_extension_unknown, parse_tls_plaintext,
};

/// What tls-parser reads, names in lower case.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Read {
    /// It gives up on a record, a message or an extension's length.
    Nothing,
    /// One hello in one record, with these names of this type.
    Names(Vec<(u8, Vec<u8>)>),
}

impl Read {
    /// The name, if there is exactly one, of a host.
    pub(crate) fn name(&self) -> Option<&[u8]> {
        match self {
            Self::Names(names) => match names.as_slice() {
                [(0, name)] if !name.is_empty() => Some(name),
                _ => None,
            },
            Self::Nothing => None,
        }
    }
}

/// By its parser of records and hellos, which leaves the data of other extensions alone.
pub(crate) fn by_extension(bytes: &[u8]) -> Read {
    let extensions = |bytes| {
        let mut rest: &[u8] = extensions(bytes)?;
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
    extensions(bytes).map_or(Read::Nothing, Read::Names)
}

/// By its parser of all extensions, which gives up on more.
pub(crate) fn by_hello(bytes: &[u8]) -> Read {
    let Some(Ok((rest, all))) = extensions(bytes).map(parse_tls_client_hello_extensions) else {
        return Read::Nothing;
    };
    if !rest.is_empty() {
        return Read::Nothing;
    }
    Read::Names(all.iter().flat_map(named).collect())
}

fn named(extension: &TlsExtension<'_>) -> Vec<(u8, Vec<u8>)> {
    let TlsExtension::SNI(names) = extension else {
        return Vec::new();
    };
    let lower = |(SNIType(kind), name): &(SNIType, &[u8])| (*kind, name.to_ascii_lowercase());
    names.iter().map(lower).collect()
}

/// The extensions of the one hello in the first record; none where they are left out.
fn extensions(bytes: &[u8]) -> Option<&[u8]> {
    let (_, record) = parse_tls_plaintext(bytes).ok()?;
    let [TlsMessage::Handshake(TlsMessageHandshake::ClientHello(hello))] = record.msg.as_slice()
    else {
        return None;
    };
    Some(hello.ext.unwrap_or_default())
}
