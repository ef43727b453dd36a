//! Builds the answer to a request.

use std::sync::Arc;

use http_body_util::{Either, Full};
use hyper::body::Bytes;
use hyper::header::{ACCEPT, ALLOW, CONTENT_TYPE, HeaderValue};
use hyper::{Method, Request, Response, StatusCode};
use jiff::Timestamp;
use serde::Serialize;

use super::connections::FOLLOWERS;
use super::events::{Follow, Listing};
use super::history::History;
use crate::control::{metrics, prometheus_text};
use crate::core::Status;
use crate::daemon::{EventLog, Published};

/// Body of an answer: complete, or generated while the client reads it.
pub(super) type Body = Either<Full<Bytes>, Either<Listing, Either<Follow, History>>>;

const TEXT: &str = "text/plain; charset=utf-8";
const JSON: &str = "application/json";
/// <https://github.com/ndjson/ndjson-spec>
const JSON_LINES: &str = "application/x-ndjson";
/// <https://prometheus.io/docs/specs/om/open_metrics_spec/>
const OPEN_METRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// <https://prometheus.io/docs/instrumenting/exposition_formats/>
const PROMETHEUS_TEXT: &str = "text/plain; version=0.0.4; charset=utf-8";

/// The state of the daemon that answers are made of.
pub trait DaemonState {
    /// Returns the current status.
    fn status(&self) -> Status;
    /// Returns the log of events.
    fn events(&self) -> Arc<EventLog>;
}

impl DaemonState for Published {
    fn status(&self) -> Status {
        Published::status(self)
    }

    fn events(&self) -> Arc<EventLog> {
        Published::events(self)
    }
}

/// Returns the answer to `request`, whose body is ignored. `may_follow`: whether the connection may become a stream of events.
pub(super) fn answer<B>(
    request: &Request<B>,
    daemon: &dyn DaemonState,
    may_follow: impl FnOnce() -> bool,
) -> Response<Body> {
    if request.method() != Method::GET {
        return read_only();
    }
    match request.uri().path() {
        "/status" => json(&daemon.status()),
        "/metrics" => page(request, daemon),
        "/events" => match EventsQuery::parse(request.uri().query().unwrap_or_default()) {
            // Both may take long.
            Some(query) if (query.follow || query.from.is_some()) && !may_follow() => {
                too_many_followers()
            }
            Some(query) => events(&query, daemon.events()),
            None => line(
                StatusCode::BAD_REQUEST,
                "/events takes since=NUMBER and follow=1, or from=TIME",
            ),
        },
        _ => line(
            StatusCode::NOT_FOUND,
            "there are /status, /metrics and /events",
        ),
    }
}

/// Returns the answer to `request` on the port for Prometheus.
pub(super) fn metrics_only<B>(request: &Request<B>, daemon: &dyn DaemonState) -> Response<Body> {
    if request.method() != Method::GET {
        return read_only();
    }
    match request.uri().path() {
        "/metrics" => page(request, daemon),
        _ => line(StatusCode::NOT_FOUND, "there is /metrics"),
    }
}

fn read_only() -> Response<Body> {
    let only = "this socket is read-only: only GET is supported";
    let mut response = line(StatusCode::METHOD_NOT_ALLOWED, only);
    let allowed = HeaderValue::from_static("GET");
    response.headers_mut().insert(ALLOW, allowed);
    response
}

/// Returns the page of metrics: Prometheus text for clients that accept something, but not OpenMetrics.
fn page<B>(request: &Request<B>, daemon: &dyn DaemonState) -> Response<Body> {
    let page = metrics(&daemon.status());
    let accept = request.headers().get(ACCEPT);
    let accept = accept.and_then(|value| value.to_str().ok());
    if accept.is_none_or(|kinds| kinds.contains("application/openmetrics-text")) {
        return whole(StatusCode::OK, OPEN_METRICS, page);
    }
    whole(StatusCode::OK, PROMETHEUS_TEXT, prometheus_text(&page))
}

fn too_many_followers() -> Response<Body> {
    let text = format!(
        "too many connections follow or read the events ({} for a user, {} for all users but root): end an `egress-enforcer events --follow`",
        FOLLOWERS.per_user, FOLLOWERS.all_but_root
    );
    line(StatusCode::SERVICE_UNAVAILABLE, &text)
}

/// Query parameters of `/events`.
#[derive(Debug, Default, PartialEq, Eq)]
struct EventsQuery {
    since: u64,
    follow: bool,
    /// From when on events are read from the disk, too.
    from: Option<Timestamp>,
}

impl EventsQuery {
    fn parse(text: &str) -> Option<Self> {
        let mut query = Self::default();
        for pair in text.split('&').filter(|pair| !pair.is_empty()) {
            match pair.split_once('=')? {
                ("since", number) => query.since = number.parse().ok()?,
                ("follow", "1") => query.follow = true,
                ("from", time) => query.from = Some(time.parse().ok()?),
                _ => return None,
            }
        }
        let is_plain = query.since == 0 && !query.follow;
        (is_plain || query.from.is_none()).then_some(query)
    }
}

fn events(query: &EventsQuery, log: Arc<EventLog>) -> Response<Body> {
    if let Some(from) = query.from {
        return history(&log, from);
    }
    if query.follow {
        let body = Either::Right(Either::Left(Follow::new(log, query.since)));
        return response(StatusCode::OK, JSON_LINES, Either::Right(body));
    }
    let body = Either::Left(Listing::new(log, query.since));
    response(StatusCode::OK, JSON, Either::Right(body))
}

fn history(log: &EventLog, from: Timestamp) -> Response<Body> {
    let body = Either::Right(Either::Right(History::new(log, from)));
    response(StatusCode::OK, JSON_LINES, Either::Right(body))
}

fn json(value: &impl Serialize) -> Response<Body> {
    match serde_json::to_vec(value) {
        Ok(text) => whole(StatusCode::OK, JSON, text),
        Err(error) => line(
            StatusCode::INTERNAL_SERVER_ERROR,
            &format!("the answer cannot be written as JSON: {error}"),
        ),
    }
}

fn line(code: StatusCode, text: &str) -> Response<Body> {
    whole(code, TEXT, format!("{text}\n"))
}

fn whole(code: StatusCode, kind: &'static str, content: impl Into<Bytes>) -> Response<Body> {
    response(code, kind, Either::Left(Full::new(content.into())))
}

fn response(code: StatusCode, kind: &'static str, body: Body) -> Response<Body> {
    let mut response = Response::new(body);
    *response.status_mut() = code;
    let kind = HeaderValue::from_static(kind);
    response.headers_mut().insert(CONTENT_TYPE, kind);
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unknown_or_invalid_query_is_refused() {
        let query = |since, follow| {
            Some(EventsQuery {
                since,
                follow,
                from: None,
            })
        };
        let from = EventsQuery {
            from: Some(Timestamp::UNIX_EPOCH),
            ..EventsQuery::default()
        };
        for (text, expected) in [
            ("", query(0, false)),
            ("since=7", query(7, false)),
            ("follow=1&since=7", query(7, true)),
            ("from=1970-01-01T00:00:00Z", Some(from)),
            ("from=1970-01-01T00:00:00Z&follow=1", None),
            ("from=1970-01-01T00:00:00Z&since=7", None),
            ("from=yesterday", None),
            ("since=-1", None),
            ("since=", None),
            ("follow=yes", None),
            ("follow", None),
            ("limit=3", None),
        ] {
            assert_eq!(EventsQuery::parse(text), expected, "{text}");
        }
    }
}
