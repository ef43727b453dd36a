//! A connection of the TLS client, and its result.

use std::net::SocketAddr;

use serde::{Deserialize, Serialize};

/// The first words of a pull request.
pub const PULL: &str = "GET /v2/";
/// The first words of a push request.
pub const PUSH: &str = "POST /v2/stolen/blobs/uploads/";
/// A connection whose first bytes are sent in several segments.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Attempt {
    /// The server.
    pub to: SocketAddr,
    /// The payload.
    pub payload: Payload,
    /// Offsets at which further segments begin, in ascending order.
    pub cuts: Vec<usize>,
    /// Time limit of the answer in milliseconds.
    pub patience: u64,
}

/// The payload of a connection.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub enum Payload {
    /// A rustls handshake with this server name, then a request.
    Handshake {
        /// The server's name.
        name: String,
        /// Whether the ClientHello has post-quantum size.
        large: bool,
        /// Method and path, such as [`PULL`].
        request: String,
    },
    /// Raw bytes.
    Bytes(Vec<u8>),
}

/// The result of a connection.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Exchange {
    /// The client's address.
    pub from: SocketAddr,
    /// Length of the first message in bytes.
    pub length: usize,
    /// The offsets of [`Attempt::cuts`].
    pub cuts: Vec<usize>,
    /// The HTTP status line, or `bytes` for an answer to [`Payload::Bytes`].
    pub answer: Option<String>,
    /// The error, if there was no answer.
    pub error: Option<String>,
}
