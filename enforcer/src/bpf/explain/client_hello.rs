//! A TLS ClientHello for a test run or a proof.

/// A ClientHello (RFC 8446 section 4.1.2) in one record, with `server_name` (RFC 6066 section 3) as its only extension, or without one if the name is
/// empty. Names are cut after 65,000 bytes.
pub(crate) fn client_hello(server_name: &str) -> Vec<u8> {
    let name = server_name.as_bytes();
    let name = name.get(..MOST_NAME).unwrap_or(name);
    let entry = [vec![0], counted(name)].concat();
    let extension = match name {
        [] => Vec::new(),
        [..] => [vec![0, 0], counted(&counted(&entry))].concat(),
    };
    let body = [
        // TLS 1.2, as in every ClientHello, the random and no session.
        vec![3, 3],
        vec![0; 32],
        vec![0],
        // TLS_AES_128_GCM_SHA256, and no compression.
        vec![0, 2, 0x13, 0x01, 1, 0],
        counted(&extension),
    ]
    .concat();
    let handshake = [vec![1, 0], counted(&body)].concat();
    [vec![22, 3, 1], counted(&handshake)].concat()
}

/// Maximum length of a name, so that the 16-bit lengths around it fit.
const MOST_NAME: usize = 65_000;

/// `bytes` with a 16-bit length before them.
fn counted(bytes: &[u8]) -> Vec<u8> {
    let length = u16::try_from(bytes.len()).unwrap_or(u16::MAX);
    [length.to_be_bytes().as_slice(), bytes].concat()
}
