//! ClientHellos as clients send them, put together field by field, so that a test can bend each of them.

/// `ExtensionType` (IANA).
pub(crate) const SERVER_NAME: u16 = 0;
const GROUPS: u16 = 10;
const SIGNATURES: u16 = 13;
pub(crate) const PADDING: u16 = 21;
const SESSION_TICKET: u16 = 35;
const PRE_SHARED_KEY: u16 = 41;
const VERSIONS: u16 = 43;
const PSK_MODES: u16 = 45;
const KEY_SHARE: u16 = 51;
const ENCRYPTED_HELLO: u16 = 0xfe0d;
const GREASE: u16 = 0x4a4a;

/// Type and data.
pub(crate) type Extension = (u16, Vec<u8>);

/// A ClientHello, lengths left to the writer.
#[derive(Clone, Debug)]
pub(crate) struct Hello {
    pub(crate) session: Vec<u8>,
    pub(crate) suites: Vec<u8>,
    pub(crate) compressions: Vec<u8>,
    /// `None` leaves out their length, too.
    pub(crate) extensions: Option<Vec<Extension>>,
}

impl Hello {
    /// As TLS 1.2 clients send it.
    pub(crate) fn classic(name: &str) -> Self {
        Self {
            session: Vec::new(),
            suites: vec![0xc0, 0x2f, 0xc0, 0x30, 0x00, 0xff],
            compressions: vec![0],
            extensions: Some(vec![
                server_name(name.as_bytes()),
                (GROUPS, vec![0, 4, 0, 29, 0, 23]),
                (SIGNATURES, vec![0, 4, 4, 3, 8, 4]),
                (SESSION_TICKET, Vec::new()),
            ]),
        }
    }

    /// As TLS 1.3 clients send it, in more than one segment: with GREASE (RFC 8701), also in the place of an encrypted hello (RFC 9849, section
    /// 6.2), a share of a post-quantum group, padding, and a ticket of an earlier connection, which comes last (RFC 8446, section 4.2.11).
    /// The server's name is extension number `place`, or the last one before the ticket.
    pub(crate) fn modern(name: &str, place: usize) -> Self {
        let greased = [0x2a, 0x2a, 0, 1, 0];
        let share = [&greased[..], &[0x11, 0xec, 4, 0xc0], &[0x5a; 1216]].concat();
        let mut extensions = vec![
            (GREASE, Vec::new()),
            (GROUPS, vec![0, 6, 0x2a, 0x2a, 0x11, 0xec, 0, 29]),
            (SIGNATURES, vec![0, 4, 4, 3, 8, 4]),
            (ENCRYPTED_HELLO, encrypted_hello()),
            (VERSIONS, vec![6, 0x6a, 0x6a, 3, 4, 3, 3]),
            (PSK_MODES, vec![1, 1]),
            (KEY_SHARE, sized(2, &share)),
            (GREASE + 0x1010, vec![0]),
            (SESSION_TICKET, Vec::new()),
            (PADDING, vec![0; 80]),
            (PRE_SHARED_KEY, ticket()),
        ];
        extensions.insert(
            place.min(extensions.len() - 1),
            server_name(name.as_bytes()),
        );
        Self {
            session: vec![0xe1; 32],
            suites: vec![0x3a, 0x3a, 0x13, 0x01, 0x13, 0x02],
            compressions: vec![0],
            extensions: Some(extensions),
        }
    }

    /// A classic one with these extensions only.
    pub(crate) fn with(extensions: Vec<Extension>) -> Self {
        Self {
            extensions: Some(extensions),
            ..Self::classic("")
        }
    }

    /// All of the message behind its type and length.
    pub(crate) fn body(&self) -> Vec<u8> {
        let mut body = vec![3, 3];
        body.extend([0xa5; 32]);
        body.extend(sized(1, &self.session));
        body.extend(sized(2, &self.suites));
        body.extend(sized(1, &self.compressions));
        if let Some(extensions) = &self.extensions {
            let mut each = Vec::new();
            for (kind, data) in extensions {
                each.extend(kind.to_be_bytes());
                each.extend((data.len() as u16).to_be_bytes());
                each.extend(data);
            }
            body.extend(sized(2, &each));
        }
        body
    }

    /// The message in one record.
    pub(crate) fn bytes(&self) -> Vec<u8> {
        record(&message(&self.body()))
    }
}

/// An outer hello's: a cipher suite, the number of a configuration, a key and what is encrypted.
fn encrypted_hello() -> Vec<u8> {
    let key = sized(2, &[0xb7; 32]);
    let payload = sized(2, &[0xc1; 144]);
    [&[0, 0, 1, 0, 1, 0x4d][..], &key, &payload].concat()
}

/// One identity with its age, and one binder.
fn ticket() -> Vec<u8> {
    let identity = [&sized(2, &[0x7e; 160])[..], &[1, 2, 3, 4]].concat();
    let binder = sized(1, &[0x99; 32]);
    [sized(2, &identity), sized(2, &binder)].concat()
}

/// A handshake message of type ClientHello.
pub(crate) fn message(body: &[u8]) -> Vec<u8> {
    [&[1], &sized(3, body)[..]].concat()
}

/// A record of type handshake.
pub(crate) fn record(fragment: &[u8]) -> Vec<u8> {
    [&[22, 3, 1], &sized(2, fragment)[..]].concat()
}

/// A message in records of type handshake that end at `cuts` and at its end.
pub(crate) fn records(message: &[u8], cuts: &[usize]) -> Vec<u8> {
    let (mut from, mut bytes) = (0, Vec::new());
    for to in cuts.iter().copied().chain([message.len()]) {
        bytes.extend(record(&message[from..to]));
        from = to;
    }
    bytes
}

/// A message in records of `size` bytes, the last one of what is left.
pub(crate) fn records_of(message: &[u8], size: usize) -> Vec<u8> {
    message.chunks(size).flat_map(record).collect()
}

/// The extension with one name.
pub(crate) fn server_name(name: &[u8]) -> Extension {
    server_names(&[(0, name)])
}

/// The extension with these names, each behind its type.
pub(crate) fn server_names(names: &[(u8, &[u8])]) -> Extension {
    let list = names
        .iter()
        .flat_map(|(kind, name)| [&[*kind], &sized(2, name)[..]].concat());
    (SERVER_NAME, sized(2, &list.collect::<Vec<u8>>()))
}

/// `bytes` behind their length, which takes `width` bytes.
pub(crate) fn sized(width: usize, bytes: &[u8]) -> Vec<u8> {
    let length = (bytes.len() as u32).to_be_bytes();
    [&length[4 - width..], bytes].concat()
}
