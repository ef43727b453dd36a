//! Why a request has no answer: each names the host and the mend, and never a header, a query or a body.

use std::io;
use std::net::IpAddr;
use std::time::Duration;

/// Why a request has no answer.
#[derive(Debug, thiserror::Error)]
pub enum HttpsError {
    /// The system trusts nobody.
    #[error(
        "no trusted root certificate is found ({problem}); install the package ca-certificates, or name a file with them in SSL_CERT_FILE"
    )]
    Roots {
        /// What the look for them met.
        problem: String,
    },
    /// There is nothing to connect to.
    #[error("{host}: has no address; check that the resolvers answer for this name")]
    NoAddress {
        /// The host.
        host: String,
    },
    /// No address takes the connection.
    #[error(
        "{host}: no connection to {address} ({source}); check the network, and that firewalls let this host reach it"
    )]
    Connect {
        /// The host.
        host: String,
        /// The address that was tried last.
        address: IpAddr,
        /// What the system said.
        source: io::Error,
    },
    /// The server's certificate is not trusted, or not for this host.
    #[error(
        "{host}: its certificate is refused ({problem}); check this host's clock, and where a proxy reads TLS, \
         add its root to the system's trusted ones"
    )]
    Certificate {
        /// The host.
        host: String,
        /// What is wrong with it.
        problem: String,
    },
    /// The server does not speak TLS as it has to.
    #[error("{host}: no TLS connection to {address} ({source}); check what answers there")]
    Tls {
        /// The host.
        host: String,
        /// The address that was tried last.
        address: IpAddr,
        /// What went wrong.
        source: io::Error,
    },
    /// The answer is not whole in time.
    #[error("{host}: no whole answer within {after:?}; check the network, or try again later")]
    Timeout {
        /// The host.
        host: String,
        /// How long it had.
        after: Duration,
    },
    /// The answer is larger than any that is expected.
    #[error(
        "{host}: its answer is larger than {limit} bytes, so it is not what was asked for; check what answers there"
    )]
    TooLarge {
        /// The host.
        host: String,
        /// The most that is taken, in bytes.
        limit: u64,
    },
    /// The connection ends before the answer does.
    #[error("{host}: its answer is cut short ({source}); try again, or check what stands between")]
    Truncated {
        /// The host.
        host: String,
        /// What the connection met.
        source: hyper::Error,
    },
    /// The answer is not HTTP/1.1 within bounds.
    #[error("{host}: answers something else than HTTP ({source}); check what answers there")]
    NotHttp {
        /// The host.
        host: String,
        /// What the parser said.
        source: hyper::Error,
    },
}

impl HttpsError {
    /// What a connection that broke amounts to.
    pub(super) fn broken(host: String, source: hyper::Error) -> Self {
        if source.is_parse() {
            return Self::NotHttp { host, source };
        }
        Self::Truncated { host, source }
    }
}
