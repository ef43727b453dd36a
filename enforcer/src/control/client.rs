//! Client of the control socket. Every call requires a tokio runtime with I/O and time enabled.

use std::io;
use std::os::fd::AsRawFd as _;
use std::path::Path;
use std::time::Duration;

use http_body_util::{BodyExt as _, Empty};
use hyper::body::{Bytes, Incoming};
use hyper::client::conn::http1;
use hyper::header::HOST;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use jiff::Timestamp;
use nix::sys::socket::sockopt::SendTimeout;
use nix::sys::socket::{AddressFamily, SockFlag, SockType, UnixAddr, setsockopt};
use nix::sys::time::{TimeVal, TimeValLike as _};
use serde::de::DeserializeOwned;
use tokio::net::UnixStream;

use super::{ControlError, socket_path};
use crate::core::{EventRecord, Status};

/// Maximum length of an answer, and of one line of a stream of events, in bytes.
const MAX_ANSWER: usize = 16 * 1024 * 1024;
/// Maximum time from the request to the end of the answer; for a stream of events, to its head.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(10);

/// Returns the status of the daemon.
///
/// # Errors
/// If the daemon does not run, refuses the caller, or sends no valid answer.
pub async fn get_status(runtime_dir: &Path) -> Result<Status, ControlError> {
    let text = get_text(runtime_dir, "/status").await?;
    read_json("/status", text.as_bytes())
}

/// Returns the answer to `GET target`, for example of `/metrics`, as text.
///
/// # Errors
/// As [`get_status`].
pub async fn get_text(runtime_dir: &Path, target: &str) -> Result<String, ControlError> {
    let socket = socket_path(runtime_dir);
    let answer = async {
        let response = get(&socket, target).await?;
        read_body(&socket, target, response).await
    };
    in_time(&socket, answer).await
}

/// Returns the daemon's events with a sequence number above `since`, oldest first; all events for 0.
///
/// # Errors
/// As [`get_status`].
pub async fn events(runtime_dir: &Path, since: u64) -> Result<Vec<EventRecord>, ControlError> {
    let target = format!("/events?since={since}");
    let text = get_text(runtime_dir, &target).await?;
    read_json(&target, text.as_bytes())
}

/// Calls `each` with every event after `since`, including future ones, until the daemon exits. Drop the future to stop earlier.
///
/// # Errors
/// As [`get_status`].
pub async fn follow(
    runtime_dir: &Path,
    since: u64,
    each: impl FnMut(EventRecord),
) -> Result<(), ControlError> {
    let target = format!("/events?follow=1&since={since}");
    match lines(runtime_dir, &target, each).await {
        // A stream of events has no other end.
        Err(ControlError::Broken { source, .. })
            if source.downcast_ref::<hyper::Error>().is_some_and(is_end) =>
        {
            Ok(())
        }
        ended => ended,
    }
}

/// Calls `each` with every event of this host since `from`, oldest first, also of earlier daemons.
///
/// # Errors
/// As [`get_status`].
pub async fn history(
    runtime_dir: &Path,
    from: Timestamp,
    each: impl FnMut(EventRecord),
) -> Result<(), ControlError> {
    lines(runtime_dir, &format!("/events?from={from}"), each).await
}

async fn lines(
    runtime_dir: &Path,
    target: &str,
    mut each: impl FnMut(EventRecord),
) -> Result<(), ControlError> {
    let socket = socket_path(runtime_dir);
    let mut response = in_time(&socket, get(&socket, target)).await?;
    let mut rest = Vec::new();
    while let Some(frame) = response.body_mut().frame().await {
        let frame = frame.map_err(|error| broken(&socket, error))?;
        let bytes = frame.into_data().unwrap_or_default();
        rest.extend_from_slice(&bytes);
        let lines_end = rest.iter().rposition(|byte| *byte == b'\n');
        let lines: Vec<u8> = rest.drain(..lines_end.map_or(0, |end| end + 1)).collect();
        for line in lines.split_inclusive(|byte| *byte == b'\n') {
            each(read_json(target, line)?);
        }
        within_limit(target, rest.len())?;
    }
    Ok(())
}

async fn in_time<T>(
    socket: &Path,
    answer: impl Future<Output = Result<T, ControlError>>,
) -> Result<T, ControlError> {
    tokio::time::timeout(ANSWER_TIMEOUT, answer)
        .await
        .map_err(|_elapsed| late(socket))
        .flatten()
}

fn late(socket: &Path) -> ControlError {
    ControlError::Late {
        path: socket.to_owned(),
        seconds: ANSWER_TIMEOUT.as_secs(),
    }
}

/// Sends `GET target`, and returns the response unless its status is an error.
async fn get(socket: &Path, target: &str) -> Result<Response<Incoming>, ControlError> {
    let stream = connect(socket)
        .await
        .map_err(|error| unconnected(socket, error))?;
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream))
        .await
        .map_err(|error| broken(socket, error))?;
    // An error of the connection also ends the request or the body of the answer, which report it.
    tokio::spawn(async { drop(connection.await) });
    let request = Request::get(target)
        .header(HOST, "egress-enforcer")
        .body(Empty::<Bytes>::new())
        .map_err(|error| broken(socket, error))?;
    let sent = sender.send_request(request).await;
    let response = sent.map_err(|error| broken(socket, error))?;
    if response.status().is_success() {
        return Ok(response);
    }
    let code = response.status().as_u16();
    let text = read_body(socket, target, response).await?;
    Err(ControlError::Answered {
        request: target.to_owned(),
        code,
        text: text.trim_end().to_owned(),
    })
}

/// Connects with a blocking socket, which waits if the daemon's backlog is full; a non-blocking one would fail immediately.
async fn connect(socket: &Path) -> io::Result<UnixStream> {
    let path = UnixAddr::new(socket)?;
    let connecting = tokio::task::spawn_blocking(move || -> io::Result<_> {
        let (family, kind) = (AddressFamily::Unix, SockType::Stream);
        let socket = nix::sys::socket::socket(family, kind, SockFlag::SOCK_CLOEXEC, None)?;
        // SO_SNDTIMEO also limits connect(2).
        let limit = TimeVal::seconds(i64::try_from(ANSWER_TIMEOUT.as_secs()).unwrap_or(i64::MAX));
        setsockopt(&socket, SendTimeout, &limit)?;
        nix::sys::socket::connect(socket.as_raw_fd(), &path)?;
        Ok(socket)
    });
    let stream = std::os::unix::net::UnixStream::from(connecting.await??);
    stream.set_nonblocking(true)?;
    UnixStream::from_std(stream)
}

async fn read_body(
    socket: &Path,
    target: &str,
    mut response: Response<Incoming>,
) -> Result<String, ControlError> {
    let mut text = Vec::new();
    while let Some(bytes) = next_bytes(socket, &mut response).await? {
        text.extend_from_slice(&bytes);
        within_limit(target, text.len())?;
    }
    String::from_utf8(text).map_err(|error| unreadable(target, &error))
}

async fn next_bytes(
    socket: &Path,
    response: &mut Response<Incoming>,
) -> Result<Option<Bytes>, ControlError> {
    let Some(frame) = response.body_mut().frame().await else {
        return Ok(None);
    };
    let frame = frame.map_err(|error| broken(socket, error))?;
    Ok(Some(frame.into_data().unwrap_or_default()))
}

/// Whether the daemon closed the connection.
fn is_end(error: &hyper::Error) -> bool {
    let io_error = std::error::Error::source(error)
        .and_then(|source| source.downcast_ref::<io::Error>())
        .map(io::Error::kind);
    let closed = [io::ErrorKind::UnexpectedEof, io::ErrorKind::ConnectionReset];
    error.is_incomplete_message() || io_error.is_some_and(|kind| closed.contains(&kind))
}

fn within_limit(target: &str, length: usize) -> Result<(), ControlError> {
    if length <= MAX_ANSWER {
        return Ok(());
    }
    Err(ControlError::TooLong {
        request: target.to_owned(),
        limit: MAX_ANSWER,
    })
}

fn read_json<T: DeserializeOwned>(target: &str, text: &[u8]) -> Result<T, ControlError> {
    serde_json::from_slice(text).map_err(|error| unreadable(target, &error))
}

fn unreadable(target: &str, error: &dyn std::error::Error) -> ControlError {
    ControlError::Unreadable {
        request: target.to_owned(),
        detail: error.to_string(),
    }
}

fn broken(
    socket: &Path,
    error: impl Into<Box<dyn std::error::Error + Send + Sync>>,
) -> ControlError {
    ControlError::Broken {
        path: socket.to_owned(),
        source: error.into(),
    }
}

fn unconnected(socket: &Path, error: io::Error) -> ControlError {
    let path = socket.to_owned();
    if matches!(
        error.kind(),
        io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused
    ) {
        return ControlError::NotRunning { path };
    }
    if error.kind() == io::ErrorKind::PermissionDenied {
        return ControlError::Forbidden { path };
    }
    if error.kind() == io::ErrorKind::WouldBlock {
        return late(socket);
    }
    broken(socket, error)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_connection_error_distinguishes_a_missing_daemon_from_a_missing_permission() {
        let message = |kind: io::ErrorKind| {
            unconnected(Path::new("/run/e/control.sock"), kind.into()).to_string()
        };
        let missing = "the daemon does not run (no answer on /run/e/control.sock): \
            start it with `egress-enforcer run` or `systemctl start egress-enforcer`";
        assert_eq!(message(io::ErrorKind::NotFound), missing);
        assert_eq!(message(io::ErrorKind::ConnectionRefused), missing);
        assert_eq!(
            message(io::ErrorKind::PermissionDenied),
            "no permission to ask the daemon on /run/e/control.sock: be root or in the group egress-enforcer"
        );
    }
}
