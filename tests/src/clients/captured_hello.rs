//! Properties of the ClientHellos in a captured stream of a client.

use tls_parser::{
    TlsExtension, TlsExtensionType, TlsMessage, TlsMessageHandshake, parse_tls_extension_unknown,
    parse_tls_message_handshake, parse_tls_raw_record,
};

/// Returns the groups that a ClientHello in one record has key shares of (RFC 8446, section 4.2.8): none of TLS 1.2. `None` if the
/// stream does not contain all of it.
#[must_use]
pub fn key_shares(stream: &[u8]) -> Option<Vec<u16>> {
    let (_, record) = parse_tls_raw_record(stream).ok()?;
    let (_, message) = parse_tls_message_handshake(record.data).ok()?;
    let TlsMessage::Handshake(TlsMessageHandshake::ClientHello(hello)) = message else {
        return None;
    };
    let mut extensions = hello.ext.unwrap_or_default();
    let mut groups = Vec::new();
    while !extensions.is_empty() {
        let (rest, extension) = parse_tls_extension_unknown(extensions).ok()?;
        extensions = rest;
        if let TlsExtension::Unknown(TlsExtensionType::KeyShare, data) = extension {
            // After the length of the list.
            let mut shares = data.get(2..)?;
            while let [a, b, c, d, rest @ ..] = shares {
                groups.push(u16::from_be_bytes([*a, *b]));
                shares = rest.get(usize::from(u16::from_be_bytes([*c, *d]))..)?;
            }
        }
    }
    Some(groups)
}

/// Returns whether the first record ends before the ClientHello that it begins, and a second one follows.
#[must_use]
pub fn is_in_records(stream: &[u8]) -> bool {
    let Ok((rest, record)) = parse_tls_raw_record(stream) else {
        return false;
    };
    // After the type and the high byte of the length.
    let length = record
        .data
        .get(2..4)
        .and_then(|length| length.first_chunk());
    let is_cut = length.is_none_or(|length| {
        usize::from(u16::from_be_bytes(*length)) > record.data.len().saturating_sub(4)
    });
    is_cut && rest.starts_with(&[22, 3])
}

/// Returns whether a second ClientHello follows the first, directly or after a dummy change_cipher_spec (RFC 8446, appendix D.4).
#[must_use]
pub fn is_retried(stream: &[u8]) -> bool {
    const DUMMY: [u8; 6] = [20, 3, 3, 0, 1, 1];
    let rest = parse_tls_raw_record(stream).map_or(&[][..], |(rest, _)| rest);
    let rest = rest.strip_prefix(&DUMMY).unwrap_or(rest);
    matches!(rest, [22, 3, _, _, _, 1, 0, ..])
}

#[cfg(test)]
mod tests {
    use test_data::client_hello::{ClientHello, records};

    use super::*;

    #[test]
    fn key_shares_are_those_of_a_whole_hello_in_one_record() {
        let old = ClientHello::tls12("contoso.azurecr.io").bytes();
        assert_eq!(key_shares(&old), Some(Vec::new()));
        assert_eq!(key_shares(&old[..old.len() - 1]), None);
        let modern = ClientHello::tls13("contoso.azurecr.io", 4).bytes();
        assert_eq!(key_shares(&modern), Some(vec![0x2a2a, 0x11ec]));
    }

    #[test]
    fn second_hellos_and_second_records_are_told_apart() {
        let hello = ClientHello::tls13("contoso.azurecr.io", 4);
        let (one, cut) = (hello.bytes(), records(&hello.message(), &[3]));
        assert_eq!(
            [&one, &cut].map(|stream| is_in_records(stream)),
            [false, true]
        );
        assert!(!is_retried(&one));
        assert!(is_retried(&[&one[..], &[20, 3, 3, 0, 1, 1], &one].concat()));
        assert!(is_retried(&[&one[..], &one].concat()));
        assert!(!is_in_records(&[&one[..], &one].concat()));
    }
}
