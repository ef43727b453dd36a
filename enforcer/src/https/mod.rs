//! A small HTTPS client for the sources of names and service tags.
//!
//! It resolves nothing: whoever sends gives the addresses, which the policy has opened. HTTP/1.1, one request per connection;
//! a redirect is an answer like any other. Time, headers and bodies are bounded.

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

/// Bytes of an answer's head, and of a body's piece in memory.
const BUFFER: usize = 64 << 10;
/// Headers of an answer.
const MOST_HEADERS: usize = 100;

/// Sends requests. It holds neither connections nor, between requests, the system's trusted roots.
#[derive(Debug, Default)]
pub struct Client {
    roots: Roots,
}

impl Client {
    /// A client that trusts the system's roots: those of `SSL_CERT_FILE` and `SSL_CERT_DIR` where these are set. They are
    /// read when a request needs them, so that a root which is added counts without a restart.
    pub fn new() -> Self {
        Self::default()
    }

    /// A client that trusts `roots` only.
    #[cfg(test)]
    pub(crate) fn trusting(roots: rustls::RootCertStore) -> Self {
        Self {
            roots: Roots::given(roots),
        }
    }

    /// Sends `request` to the first of `addresses` that takes the connection, in their order, and reads the whole answer.
    /// A host of [`Url::local_addresses`] needs none. Any status is an answer, redirects too.
    ///
    /// # Errors
    /// One line that names the host and the mend; see [`HttpsError`]. A body that is cut short is one.
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

/// What went wrong on an open connection; the host is added by the caller.
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

/// Sends the request over `stream` and reads its answer, whatever else the connection does meanwhile.
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
        // Its error reaches the exchange, and what it has read does so before.
        _ended = connection => {}
    }
    exchange.await
}

/// The whole body, in one piece of memory that does not move when its length is known.
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
