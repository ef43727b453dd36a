//! A small HTTPS client for the sources of names and service tags.
//!
//! It does not resolve names: the caller passes addresses, which the policy allows. HTTP/1.1, one request per connection; redirects are not
//! followed. Time, headers and bodies are bounded.

mod connect;
mod error;
mod message;
mod roots;
#[cfg(test)]
pub(crate) mod test_server;
#[cfg(test)]
mod tests;
mod url;

use std::net::IpAddr;
use std::pin::pin;

use http_body_util::BodyExt as _;
use hyper::body::{Body as _, Incoming};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;

use self::connect::Stream;
pub use self::error::HttpsError;
pub use self::message::{Request, Response};
use self::roots::Roots;
pub use self::url::{Url, UrlError, encoded};

/// The largest head of an answer, and the buffer for its body, in bytes.
const BUFFER: usize = 64 << 10;
/// The most headers of an answer.
const MOST_HEADERS: usize = 100;

/// A client. It keeps neither connections nor, between requests, the system's trusted roots.
#[derive(Debug, Default)]
pub struct Client {
    roots: Roots,
}

impl Client {
    /// Creates a client that trusts the system's roots: those of `SSL_CERT_FILE` and `SSL_CERT_DIR` where these are set. They are read for
    /// each request, so that a new root takes effect without a restart.
    pub fn new() -> Self {
        Self::default()
    }

    /// Creates a client that trusts only `roots`.
    #[cfg(test)]
    pub(crate) fn trusting(roots: rustls::RootCertStore) -> Self {
        Self {
            roots: Roots::given(roots),
        }
    }

    /// Sends `request` to the first of `addresses` that accepts a connection, in their order, and reads the complete answer. A host with
    /// [`Url::local_addresses`] needs none. Any status is a success, including redirects.
    ///
    /// # Errors
    /// One line that names the host and the fix; see [`HttpsError`]. A truncated body is an error.
    pub async fn send(
        &self,
        request: Request,
        addresses: &[IpAddr],
    ) -> Result<Response, HttpsError> {
        let after = request.timeout;
        let host = request.url.host().to_owned();
        match tokio::time::timeout(after, self.exchange(request, addresses)).await {
            Ok(result) => result,
            Err(_elapsed) => Err(HttpsError::Timeout { host, after }),
        }
    }

    async fn exchange(
        &self,
        request: Request,
        addresses: &[IpAddr],
    ) -> Result<Response, HttpsError> {
        let stream = connect::connect(&request.url, addresses, &self.roots).await?;
        let host = request.url.host().to_owned();
        over(stream, request)
            .await
            .map_err(|problem| problem.of(host))
    }
}

/// An error on an open connection; the caller adds the host.
enum ExchangeError {
    TooLarge(u64),
    Broken(hyper::Error),
}

impl ExchangeError {
    fn of(self, host: String) -> HttpsError {
        match self {
            Self::TooLarge(limit) => HttpsError::TooLarge { host, limit },
            Self::Broken(source) => HttpsError::broken(host, source),
        }
    }
}

impl From<hyper::Error> for ExchangeError {
    fn from(source: hyper::Error) -> Self {
        Self::Broken(source)
    }
}

/// Sends the request over `stream` and reads the answer while driving the connection.
async fn over(stream: Stream, request: Request) -> Result<Response, ExchangeError> {
    let mut settings = http1::Builder::new();
    settings.max_buf_size(BUFFER).max_headers(MOST_HEADERS);
    let (mut sender, connection) = settings.handshake(TokioIo::new(stream)).await?;
    let limit = request.limit;
    let mut exchange = pin!(async move {
        let response = sender.send_request(request.into_http()).await?;
        let (head, body) = response.into_parts();
        let body = whole(body, limit).await?;
        Ok(Response::new(head, body))
    });
    tokio::select! {
        biased;
        result = &mut exchange => return result,
        // The exchange gets the connection's error, after all data that was read.
        _ended = connection => {}
    }
    exchange.await
}

/// Reads the complete body, with one allocation when its length is known.
async fn whole(mut body: Incoming, limit: u64) -> Result<Vec<u8>, ExchangeError> {
    let hint = body.size_hint();
    if hint.lower() > limit {
        return Err(ExchangeError::TooLarge(limit));
    }
    let expected = hint.exact().unwrap_or_default();
    let mut bytes = Vec::with_capacity(usize::try_from(expected).unwrap_or_default());
    while let Some(frame) = body.frame().await {
        if let Ok(piece) = frame?.into_data() {
            let length = u64::try_from(bytes.len() + piece.len());
            if length.is_ok_and(|length| length > limit) {
                return Err(ExchangeError::TooLarge(limit));
            }
            bytes.extend_from_slice(&piece);
        }
    }
    Ok(bytes)
}
