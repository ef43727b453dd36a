//! Why a request fails: each error names the host and the fix, and never contains a header, a query or a body.

use std::io;
use std::net::IpAddr;
use std::time::Duration;

/// Why a request fails.
#[derive(Debug, thiserror::Error)]
pub enum HttpsError {
    /// The system has no trusted roots.
    #[error(
        "no trusted root certificate found ({problem}); install the package ca-certificates, or set SSL_CERT_FILE to a file with certificates"
    )]
    Roots {
        /// Why none was found.
        problem: String,
    },
    /// The host has no address.
    #[error("{host}: has no address; check that the resolvers resolve it")]
    NoAddress {
        /// The host.
        host: String,
    },
    /// No address accepts a connection.
    #[error(
        "{host}: no connection to {address} ({source}); check the network, and that firewalls allow it"
    )]
    Connect {
        /// The host.
        host: String,
        /// The address that was tried last.
        address: IpAddr,
        /// The error of the system.
        source: io::Error,
    },
    /// The server's certificate is not trusted, or not for this host.
    #[error(
        "{host}: its certificate is rejected ({problem}); check this host's clock, and if a proxy terminates TLS, \
         add its root certificate to the system's trusted roots"
    )]
    Certificate {
        /// The host.
        host: String,
        /// What is wrong with it.
        problem: String,
    },
    /// The TLS handshake failed.
    #[error("{host}: no TLS connection to {address} ({source}); check which server answers there")]
    Tls {
        /// The host.
        host: String,
        /// The address that was tried last.
        address: IpAddr,
        /// The error.
        source: io::Error,
    },
    /// The answer was not complete in time.
    #[error("{host}: no complete answer within {after:?}; check the network, or try again later")]
    Timeout {
        /// The host.
        host: String,
        /// The timeout.
        after: Duration,
    },
    /// The answer is larger than expected.
    #[error(
        "{host}: its answer is larger than {limit} bytes, so it is not the expected one; check which server answers there"
    )]
    TooLarge {
        /// The host.
        host: String,
        /// The limit, in bytes.
        limit: u64,
    },
    /// The connection ended before the answer did.
    #[error(
        "{host}: its answer is truncated ({source}); try again, or check proxies and firewalls on the path"
    )]
    Truncated {
        /// The host.
        host: String,
        /// The error of the connection.
        source: hyper::Error,
    },
    /// The answer is not HTTP/1.1 within bounds.
    #[error("{host}: its answer is not HTTP ({source}); check which server answers there")]
    NotHttp {
        /// The host.
        host: String,
        /// The error of the parser.
        source: hyper::Error,
    },
}

impl HttpsError {
    /// Classifies the error of a connection.
    pub(super) fn broken(host: String, source: hyper::Error) -> Self {
        if source.is_parse() {
            return Self::NotHttp { host, source };
        }
        Self::Truncated { host, source }
    }
}
