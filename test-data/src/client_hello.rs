//! TLS ClientHellos, built field by field so that a test can change each of them.

/// Extension types (IANA).
pub mod extension {
    #![expect(missing_docs, reason = "their names are those of the registry")]
    pub const SERVER_NAME: u16 = 0;
    pub const SUPPORTED_GROUPS: u16 = 10;
    pub const SIGNATURE_ALGORITHMS: u16 = 13;
    pub const PADDING: u16 = 21;
    pub const SESSION_TICKET: u16 = 35;
    pub const PRE_SHARED_KEY: u16 = 41;
    pub const EARLY_DATA: u16 = 42;
    pub const SUPPORTED_VERSIONS: u16 = 43;
    pub const PSK_KEY_EXCHANGE_MODES: u16 = 45;
    pub const KEY_SHARE: u16 = 51;
    pub const ENCRYPTED_CLIENT_HELLO: u16 = 0xfe0d;
    /// The first reserved one of RFC 8701 that is used here.
    pub const GREASE: u16 = 0x4a4a;
}

use extension::{
    EARLY_DATA, ENCRYPTED_CLIENT_HELLO, GREASE, KEY_SHARE, PADDING, PRE_SHARED_KEY,
    PSK_KEY_EXCHANGE_MODES, SERVER_NAME, SESSION_TICKET, SIGNATURE_ALGORITHMS, SUPPORTED_GROUPS,
    SUPPORTED_VERSIONS,
};

/// Type and data.
pub type Extension = (u16, Vec<u8>);

/// A ClientHello; the writer computes all lengths.
#[derive(Clone, Debug)]
pub struct ClientHello {
    /// The session id, without its length.
    pub session_id: Vec<u8>,
    /// The cipher suites, without their length.
    pub cipher_suites: Vec<u8>,
    /// The compression methods, without their length.
    pub compression_methods: Vec<u8>,
    /// `None` leaves out their length as well.
    pub extensions: Option<Vec<Extension>>,
}

impl ClientHello {
    /// Returns a ClientHello of TLS 1.2 (RFC 5246 section 7.4.1.2); without the extension `server_name` if the name is empty.
    pub fn tls12(name: &str) -> Self {
        let mut extensions = vec![
            // x25519 and secp256r1 (RFC 8422 section 5.1.1).
            (SUPPORTED_GROUPS, vec![0, 4, 0, 29, 0, 23]),
            // ecdsa_secp256r1_sha256 and rsa_pss_rsae_sha256 (RFC 8446 section 4.2.3).
            (SIGNATURE_ALGORITHMS, vec![0, 4, 4, 3, 8, 4]),
            (SESSION_TICKET, Vec::new()),
        ];
        if !name.is_empty() {
            extensions.insert(0, server_name(name.as_bytes()));
        }
        Self {
            session_id: Vec::new(),
            // ECDHE with AES_128_GCM_SHA256, with an ECDSA and an RSA certificate (RFC 5289), and the empty renegotiation info (RFC 5746).
            cipher_suites: vec![0xc0, 0x2b, 0xc0, 0x2f, 0x00, 0xff],
            compression_methods: vec![0],
            extensions: Some(extensions),
        }
    }

    /// Returns a ClientHello of TLS 1.3 that takes more than one segment: with GREASE (RFC 8701), also in place of an encrypted ClientHello
    /// (RFC 9849 section 6.2), a post-quantum key share, padding, and a ticket of an earlier connection, which is the last extension
    /// (RFC 8446 section 4.2.11). The server name is extension number `position`, or the last one before the ticket.
    pub fn tls13(name: &str, position: usize) -> Self {
        let grease_share = [0x2a, 0x2a, 0, 1, 0];
        // X25519MLKEM768, of 1,216 bytes.
        let shares = [&grease_share[..], &[0x11, 0xec, 4, 0xc0], &[0x5a; 1216]].concat();
        let mut extensions = vec![
            (GREASE, Vec::new()),
            (SUPPORTED_GROUPS, vec![0, 6, 0x2a, 0x2a, 0x11, 0xec, 0, 29]),
            (SIGNATURE_ALGORITHMS, vec![0, 4, 4, 3, 8, 4]),
            (ENCRYPTED_CLIENT_HELLO, encrypted_client_hello()),
            (SUPPORTED_VERSIONS, vec![6, 0x6a, 0x6a, 3, 4, 3, 3]),
            (PSK_KEY_EXCHANGE_MODES, vec![1, 1]),
            (KEY_SHARE, length_prefixed(2, &shares)),
            (GREASE + 0x1010, vec![0]),
            (SESSION_TICKET, Vec::new()),
            (PADDING, vec![0; 80]),
            (PRE_SHARED_KEY, ticket()),
        ];
        extensions.insert(
            position.min(extensions.len() - 1),
            server_name(name.as_bytes()),
        );
        Self {
            session_id: vec![0xe1; 32],
            cipher_suites: vec![0x3a, 0x3a, 0x13, 0x01, 0x13, 0x02],
            compression_methods: vec![0],
            extensions: Some(extensions),
        }
    }

    /// Returns a ClientHello of TLS 1.2 with only these extensions.
    pub fn with_extensions(extensions: Vec<Extension>) -> Self {
        Self {
            extensions: Some(extensions),
            ..Self::tls12("")
        }
    }

    /// Inserts an extension before all others.
    #[must_use]
    pub fn extended(mut self, kind: u16, data: Vec<u8>) -> Self {
        let extensions = self.extensions.get_or_insert_default();
        extensions.insert(0, (kind, data));
        self
    }

    /// Inserts `len` bytes of padding (RFC 7685) before all other extensions.
    #[must_use]
    pub fn padded(self, len: u16) -> Self {
        self.extended(PADDING, vec![0; len.into()])
    }

    /// Offers TLS 1.3 without a key share (RFC 8446 section 4.2.1), so that a server may ask for a second ClientHello.
    #[must_use]
    pub fn offering_tls13(self) -> Self {
        self.extended(SUPPORTED_VERSIONS, vec![2, 3, 4])
    }

    /// Announces early data (RFC 8446 section 4.2.10).
    #[must_use]
    pub fn with_early_data(self) -> Self {
        self.extended(EARLY_DATA, Vec::new())
    }

    /// Returns the message without its type and length.
    pub fn body(&self) -> Vec<u8> {
        // TLS 1.2, and the random.
        let mut body = vec![3, 3];
        body.extend([0xa5; 32]);
        body.extend(length_prefixed(1, &self.session_id));
        body.extend(length_prefixed(2, &self.cipher_suites));
        body.extend(length_prefixed(1, &self.compression_methods));
        if let Some(extensions) = &self.extensions {
            let encoded = extensions.iter().flat_map(|(kind, data)| {
                [&kind.to_be_bytes()[..], &length_prefixed(2, data)].concat()
            });
            body.extend(length_prefixed(2, &encoded.collect::<Vec<_>>()));
        }
        body
    }

    /// Returns the message with its type and length.
    pub fn message(&self) -> Vec<u8> {
        message(&self.body())
    }

    /// Returns the message in one record.
    pub fn bytes(&self) -> Vec<u8> {
        record(&self.message())
    }
}

/// Returns a ClientHello of TLS 1.2 that names `server`, in one record.
pub fn client_hello(server: &str) -> Vec<u8> {
    ClientHello::tls12(server).bytes()
}

/// Returns a handshake message of type ClientHello.
pub fn message(body: &[u8]) -> Vec<u8> {
    [&[1], &length_prefixed(3, body)[..]].concat()
}

/// Returns a record of type handshake.
pub fn record(fragment: &[u8]) -> Vec<u8> {
    [&[22, 3, 1], &length_prefixed(2, fragment)[..]].concat()
}

/// Returns a message in records of type handshake whose content ends at `cuts` and at the end of the message (RFC 8446 section 5.1).
pub fn records(message: &[u8], cuts: &[usize]) -> Vec<u8> {
    let (mut from, mut bytes) = (0, Vec::new());
    for to in cuts.iter().copied().chain([message.len()]) {
        bytes.extend(record(&message[from..to]));
        from = to;
    }
    bytes
}

/// Returns a message in records of `size` bytes, the last one of the remainder.
pub fn records_of(message: &[u8], size: usize) -> Vec<u8> {
    message.chunks(size).flat_map(record).collect()
}

/// Returns the extension `server_name` with one host name (RFC 6066 section 3).
pub fn server_name(name: &[u8]) -> Extension {
    server_names(&[(0, name)])
}

/// Returns the extension `server_name` with these types and names.
pub fn server_names(names: &[(u8, &[u8])]) -> Extension {
    let list = names
        .iter()
        .flat_map(|(kind, name)| [&[*kind], &length_prefixed(2, name)[..]].concat());
    let list: Vec<u8> = list.collect();
    (SERVER_NAME, length_prefixed(2, &list))
}

/// Returns `bytes` after their length, which takes `width` bytes.
pub fn length_prefixed(width: usize, bytes: &[u8]) -> Vec<u8> {
    let length = u32::try_from(bytes.len()).unwrap().to_be_bytes();
    [&length[4 - width..], bytes].concat()
}

/// The data of an outer ClientHello: a cipher suite, the id of a configuration, a key and the encrypted part.
fn encrypted_client_hello() -> Vec<u8> {
    let key = length_prefixed(2, &[0xb7; 32]);
    let payload = length_prefixed(2, &[0xc1; 144]);
    [&[0, 0, 1, 0, 1, 0x4d][..], &key, &payload].concat()
}

/// One identity with its age, and one binder.
fn ticket() -> Vec<u8> {
    let identity = [&length_prefixed(2, &[0x7e; 160])[..], &[1, 2, 3, 4]].concat();
    let binder = length_prefixed(1, &[0x99; 32]);
    [length_prefixed(2, &identity), length_prefixed(2, &binder)].concat()
}
