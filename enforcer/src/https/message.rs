//! What is asked and what is answered.

use std::fmt;
use std::time::{Duration, SystemTime};

use http_body_util::Full;
use hyper::body::Bytes;
use hyper::header::{HOST, HeaderMap, HeaderName, HeaderValue, RETRY_AFTER, USER_AGENT};
use hyper::http::response::Parts;
use hyper::{Method, StatusCode};

use super::Url;

/// How long a request may take from connecting to the last byte, unless it says otherwise.
const TIMEOUT: Duration = Duration::from_secs(30);
/// The most bytes of an answer's body, unless the request says otherwise.
const LIMIT: u64 = 1 << 20;
/// Names the program to those who run the servers.
const AGENT: &str = concat!("egress-enforcer/", env!("CARGO_PKG_VERSION"));

/// A request: by default 30 seconds and 1 MiB of answer.
pub struct Request {
    pub(super) url: Url,
    pub(super) timeout: Duration,
    pub(super) limit: u64,
    method: Method,
    headers: HeaderMap,
    body: Bytes,
}

impl Request {
    /// Asks for what is at `url`.
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

    /// Asks for the headers of what is at `url`.
    pub fn head(url: Url) -> Self {
        Self {
            method: Method::HEAD,
            ..Self::get(url)
        }
    }

    /// Sends `body` to `url`; its kind is a header.
    pub fn post(url: Url, body: impl Into<Bytes>) -> Self {
        Self {
            method: Method::POST,
            body: body.into(),
            ..Self::get(url)
        }
    }

    /// With a header, which is part of no error and no log.
    #[must_use]
    pub fn header(mut self, name: HeaderName, mut value: HeaderValue) -> Self {
        value.set_sensitive(true);
        self.headers.insert(name, value);
        self
    }

    /// With this much time from connecting to the last byte.
    #[must_use]
    pub fn within(self, timeout: Duration) -> Self {
        Self { timeout, ..self }
    }

    /// With at most this many bytes of answer.
    #[must_use]
    pub fn at_most(self, limit: u64) -> Self {
        Self { limit, ..self }
    }

    /// Where it goes.
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

/// A whole answer.
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

    /// The first header of that name, whatever its letter case; `None` when there is none in plain text.
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

    /// The body, without a copy.
    pub fn into_body(self) -> Vec<u8> {
        self.body
    }
}

/// Without headers and body: either may hold a token.
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
