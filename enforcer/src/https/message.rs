//! Requests and responses.

use std::fmt;
use std::time::{Duration, SystemTime};

use http_body_util::Full;
use hyper::body::Bytes;
use hyper::header::{HOST, HeaderMap, HeaderName, HeaderValue, RETRY_AFTER, USER_AGENT};
use hyper::http::response::Parts;
use hyper::{Method, StatusCode};

use super::Url;

/// Default timeout of a request, from connecting to the last byte.
const TIMEOUT: Duration = Duration::from_secs(30);
/// Default limit of an answer's body, in bytes.
const LIMIT: u64 = 1 << 20;
/// The header `User-Agent`, which identifies the program to operators of servers.
const AGENT: &str = concat!("egress-enforcer/", env!("CARGO_PKG_VERSION"));

/// A request: by default with a timeout of 30 seconds and a limit of 1 MiB for the answer.
pub struct Request {
    pub(super) url: Url,
    pub(super) timeout: Duration,
    pub(super) limit: u64,
    method: Method,
    headers: HeaderMap,
    body: Bytes,
}

impl Request {
    /// A GET request.
    pub fn get(url: Url) -> Self {
        Self {
            url,
            timeout: TIMEOUT,
            limit: LIMIT,
            method: Method::GET,
            headers: HeaderMap::new(),
            body: Bytes::new(),
        }
    }

    /// A HEAD request.
    pub fn head(url: Url) -> Self {
        Self {
            method: Method::HEAD,
            ..Self::get(url)
        }
    }

    /// A POST request with `body`; its type is set as a header.
    pub fn post(url: Url, body: impl Into<Bytes>) -> Self {
        Self {
            method: Method::POST,
            body: body.into(),
            ..Self::get(url)
        }
    }

    /// Adds a header, which appears in no error and no log.
    #[must_use]
    pub fn header(mut self, name: HeaderName, mut value: HeaderValue) -> Self {
        value.set_sensitive(true);
        self.headers.insert(name, value);
        self
    }

    /// Sets the timeout, from connecting to the last byte.
    #[must_use]
    pub fn within(self, timeout: Duration) -> Self {
        Self { timeout, ..self }
    }

    /// Sets the limit of the answer's body, in bytes.
    #[must_use]
    pub fn at_most(self, limit: u64) -> Self {
        Self { limit, ..self }
    }

    /// The URL.
    pub fn url(&self) -> &Url {
        &self.url
    }

    pub(super) fn into_http(self) -> hyper::Request<Full<Bytes>> {
        let mut request = hyper::Request::new(Full::new(self.body));
        *request.method_mut() = self.method;
        // Both were parsed as part of a URL.
        if let Ok(target) = self.url.path_and_query().parse() {
            *request.uri_mut() = target;
        }
        *request.headers_mut() = self.headers;
        if let Ok(host) = HeaderValue::from_str(self.url.authority()) {
            request.headers_mut().insert(HOST, host);
        }
        let agent = HeaderValue::from_static(AGENT);
        request.headers_mut().insert(USER_AGENT, agent);
        request
    }
}

/// Without headers and body.
impl fmt::Debug for Request {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "Request({} {})", self.method, self.url)
    }
}

/// A complete answer.
pub struct Response {
    status: StatusCode,
    headers: HeaderMap,
    body: Vec<u8>,
}

impl Response {
    pub(super) fn new(head: Parts, body: Vec<u8>) -> Self {
        Self {
            status: head.status,
            headers: head.headers,
            body,
        }
    }

    /// The status.
    pub fn status(&self) -> StatusCode {
        self.status
    }

    /// The first header with this name, in any letter case; `None` when there is none in plain text.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    /// The wait that `Retry-After` requests (RFC 9110 section 10.2.3): seconds, or a date.
    pub fn retry_after(&self, now: SystemTime) -> Option<Duration> {
        let text = self.header(RETRY_AFTER.as_str())?.trim();
        if let Ok(seconds) = text.parse() {
            return Some(Duration::from_secs(seconds));
        }
        let date = httpdate::parse_http_date(text).ok()?;
        Some(date.duration_since(now).unwrap_or_default())
    }

    /// The body.
    pub fn body(&self) -> &[u8] {
        &self.body
    }

    /// The body, without copying it.
    pub fn into_body(self) -> Vec<u8> {
        self.body
    }
}

/// Without headers and body: either may contain a token.
impl fmt::Debug for Response {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            formatter,
            "Response({}, {} bytes)",
            self.status,
            self.body.len()
        )
    }
}
