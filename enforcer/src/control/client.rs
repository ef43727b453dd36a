//! Asks the daemon. Every call needs a tokio runtime with I/O and time.

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
use nix::sys::socket::sockopt::SendTimeout;
use nix::sys::socket::{AddressFamily, SockFlag, SockType, UnixAddr, setsockopt};
use nix::sys::time::{TimeVal, TimeValLike as _};
use serde::de::DeserializeOwned;
use tokio::net::UnixStream;

use super::{ControlError, socket_path};
use crate::core::{EventRecord, Status};

/// The longest answer that is read, in bytes; the same for one line of a followed answer.
const MOST_BYTES: usize = 16 * 1024 * 1024;
/// How long the daemon may take for an answer.
const PATIENCE: Duration = Duration::from_secs(10);

/// The state of the daemon.
///
/// # Errors
/// Where the daemon does not run, does not let the caller in, or gives no answer that can be read.
pub async fn get_status(runtime_dir: &Path) -> Result<Status, ControlError> {
    let text = get_text(runtime_dir, "/status").await?;
    read_json("/status", text.as_bytes())
}

/// The answer to `GET` of `target` ("/metrics"), as text.
///
/// # Errors
/// As [`get_status`].
pub async fn get_text(runtime_dir: &Path, target: &str) -> Result<String, ControlError> {
    let socket = socket_path(runtime_dir);
    let asked = async {
        let response = ask(&socket, target).await?;
        whole(&socket, target, response).await
    };
    in_time(&socket, asked).await
}

/// The events that the daemon holds after `since`, oldest first; 0 for all.
///
/// # Errors
/// As [`get_status`].
pub async fn events(runtime_dir: &Path, since: u64) -> Result<Vec<EventRecord>, ControlError> {
    let target = format!("/events?since={since}");
    let text = get_text(runtime_dir, &target).await?;
    read_json(&target, text.as_bytes())
}

/// Calls `each` with every event after `since`, those to come included, until the daemon ends. Drop the future to stop earlier.
///
/// # Errors
/// As [`get_status`].
pub async fn follow(
    runtime_dir: &Path,
    since: u64,
    mut each: impl FnMut(EventRecord),
) -> Result<(), ControlError> {
    let socket = socket_path(runtime_dir);
    let target = format!("/events?follow=1&since={since}");
    let mut response = in_time(&socket, ask(&socket, &target)).await?;
    let mut rest = Vec::new();
    while let Some(frame) = response.body_mut().frame().await {
        let bytes = match frame {
            Ok(frame) => frame.into_data().unwrap_or_default(),
            Err(error) if is_end(&error) => return Ok(()),
            Err(error) => return Err(broken(&socket, error)),
        };
        rest.extend_from_slice(&bytes);
        let lines_end = rest.iter().rposition(|byte| *byte == b'\n');
        let lines: Vec<u8> = rest.drain(..lines_end.map_or(0, |end| end + 1)).collect();
        for line in lines.split_inclusive(|byte| *byte == b'\n') {
            each(read_json(&target, line)?);
        }
        within_limit(&target, rest.len())?;
    }
    Ok(())
}

async fn in_time<T>(
    socket: &Path,
    answer: impl Future<Output = Result<T, ControlError>>,
) -> Result<T, ControlError> {
    tokio::time::timeout(PATIENCE, answer)
        .await
        .map_err(|_elapsed| late(socket))
        .flatten()
}

fn late(socket: &Path) -> ControlError {
    ControlError::Late {
        path: socket.to_owned(),
        seconds: PATIENCE.as_secs(),
    }
}

/// The answer's head, if it is a good one.
async fn ask(socket: &Path, target: &str) -> Result<Response<Incoming>, ControlError> {
    let stream = connect(socket)
        .await
        .map_err(|error| unconnected(socket, error))?;
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream))
        .await
        .map_err(|error| broken(socket, error))?;
    // What breaks there is told by the request and by the answer's body too.
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
    let text = whole(socket, target, response).await?;
    Err(ControlError::Answered {
        request: target.to_owned(),
        code,
        text: text.trim_end().to_owned(),
    })
}

/// Connects, and takes its turn where others wait for the daemon, too: a socket that does not block would fail at once.
async fn connect(socket: &Path) -> io::Result<UnixStream> {
    let path = UnixAddr::new(socket)?;
    let connecting = tokio::task::spawn_blocking(move || -> io::Result<_> {
        let (family, kind) = (AddressFamily::Unix, SockType::Stream);
        let socket = nix::sys::socket::socket(family, kind, SockFlag::SOCK_CLOEXEC, None)?;
        // The limit of connect(2), too.
        let limit = TimeVal::seconds(i64::try_from(PATIENCE.as_secs()).unwrap_or(i64::MAX));
        setsockopt(&socket, SendTimeout, &limit)?;
        nix::sys::socket::connect(socket.as_raw_fd(), &path)?;
        Ok(socket)
    });
    let stream = std::os::unix::net::UnixStream::from(connecting.await??);
    stream.set_nonblocking(true)?;
    UnixStream::from_std(stream)
}

async fn whole(
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

/// Whether the other side closed: the only end that a followed answer has.
fn is_end(error: &hyper::Error) -> bool {
    let io_error = std::error::Error::source(error)
        .and_then(|source| source.downcast_ref::<io::Error>())
        .map(io::Error::kind);
    let closed = [io::ErrorKind::UnexpectedEof, io::ErrorKind::ConnectionReset];
    error.is_incomplete_message() || io_error.is_some_and(|kind| closed.contains(&kind))
}

fn within_limit(target: &str, length: usize) -> Result<(), ControlError> {
    if length <= MOST_BYTES {
        return Ok(());
    }
    Err(ControlError::TooLong {
        request: target.to_owned(),
        limit: MOST_BYTES,
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
    fn a_refused_connection_says_whether_the_daemon_or_the_permission_is_missing() {
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
