//! A real server and a real client on a socket.

use std::fs;
use std::os::unix::fs::{FileTypeExt as _, PermissionsExt as _};
use std::os::unix::net::UnixListener;
use std::path::Path;
use std::rc::Rc;
use std::sync::Arc;

use tempfile::TempDir;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::UnixStream;
use tokio::task::LocalSet;

use super::server::{DaemonState, Server};
use super::*;
use crate::core::test_data::{event, status};
use crate::daemon::EventLog;

#[derive(Clone, Default)]
pub(in crate::control) struct Daemon(Arc<EventLog>);

impl DaemonState for Daemon {
    fn status(&self) -> Status {
        status()
    }

    fn events(&self) -> Arc<EventLog> {
        Arc::clone(&self.0)
    }
}

/// Runs `test` concurrently with a server in a new directory.
pub(super) async fn with_server(test: impl AsyncFnOnce(&Path, Arc<EventLog>)) {
    let directory = TempDir::new().unwrap();
    let runtime = directory.path().join("run/enforcer");
    let server = Server::bind(&socket_path(&runtime)).unwrap();
    let daemon = Daemon::default();
    let log = Arc::clone(&daemon.0);
    tokio::select! {
        () = server.serve(Rc::new(daemon)) => panic!("the server ended"),
        () = test(&runtime, log) => {}
    }
    assert!(!socket_path(&runtime).exists(), "the socket stays behind");
}

/// Sends raw bytes, and returns all that the server sends.
async fn exchange(runtime: &Path, request: &[u8]) -> String {
    let mut stream = connect(runtime).await;
    stream.write_all(request).await.unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await.unwrap();
    String::from_utf8(answer).unwrap()
}

pub(super) async fn connect(runtime: &Path) -> UnixStream {
    UnixStream::connect(socket_path(runtime)).await.unwrap()
}

#[tokio::test]
async fn a_status_arrives_as_it_was_sent() {
    with_server(async |runtime, _log| {
        let arrived = client::get_status(runtime).await.unwrap();
        let json = |status: &Status| serde_json::to_value(status).unwrap();
        assert_eq!(json(&arrived), json(&status()));
    })
    .await;
}

#[tokio::test]
async fn metrics_have_the_content_type_of_openmetrics() {
    with_server(async |runtime, _log| {
        let text = client::get_text(runtime, "/metrics").await.unwrap();
        assert_eq!(text, metrics(&status()));
        let answer = exchange(runtime, b"GET /metrics HTTP/1.1\r\n\r\n").await;
        assert!(answer.contains("content-type: application/openmetrics-text; version=1.0.0"));
    })
    .await;
}

#[tokio::test]
async fn events_are_listed_after_a_sequence_number() {
    with_server(async |runtime, log| {
        (0..3).for_each(|_| log.push(event()));
        let newer = client::events(runtime, 1).await.unwrap();
        assert_eq!(newer, log.since(1, 9));
        assert_eq!(newer.len(), 2);
        (0..2000).for_each(|_| log.push(event()));
        let all = client::events(runtime, 0).await.unwrap();
        assert_eq!(all, log.since(0, usize::MAX));
    })
    .await;
}

#[tokio::test]
async fn a_stream_contains_earlier_and_later_events() {
    with_server(async |runtime, log| {
        log.push(event());
        let (sender, mut receiver) = tokio::sync::mpsc::unbounded_channel();
        let following = client::follow(runtime, 0, |record| sender.send(record).unwrap());
        let watching = async {
            assert_eq!(receiver.recv().await.unwrap().sequence, 1);
            (0..100).for_each(|_| log.push(event()));
            for expected in 2..=101 {
                assert_eq!(receiver.recv().await.unwrap().sequence, expected);
            }
        };
        tokio::select! {
            ended = following => panic!("{ended:?}"),
            () = watching => {}
        }
    })
    .await;
}

#[tokio::test]
async fn a_stream_ends_with_the_daemon() {
    let directory = TempDir::new().unwrap();
    let server = Server::bind(&socket_path(directory.path())).unwrap();
    let daemon = Daemon::default();
    daemon.0.push(event());
    let local = LocalSet::new();
    let serving = local.spawn_local(server.serve(Rc::new(daemon)));
    let following = client::follow(directory.path(), 0, |_| serving.abort());
    local.run_until(following).await.unwrap();
}

#[tokio::test]
async fn other_methods_and_paths_are_refused_with_one_line() {
    with_server(async |runtime, _log| {
        for (request, code) in [
            (
                "POST /status HTTP/1.1\r\ncontent-length: 2\r\n\r\n{}",
                "405",
            ),
            ("HEAD /status HTTP/1.1\r\n\r\n", "405"),
            ("DELETE / HTTP/1.1\r\n\r\n", "405"),
            ("GET /unload HTTP/1.1\r\n\r\n", "404"),
            ("GET /events?since=x HTTP/1.1\r\n\r\n", "400"),
        ] {
            let answer = exchange(runtime, request.as_bytes()).await;
            let expected = format!("HTTP/1.1 {code} ");
            assert!(answer.starts_with(&expected), "{request}: {answer}");
            let body = answer.split_once("\r\n\r\n").unwrap().1;
            assert_eq!(
                body.lines().count(),
                usize::from(!request.starts_with("HEAD"))
            );
        }
        let refused = client::get_text(runtime, "/unload").await.unwrap_err();
        assert_eq!(
            refused.to_string(),
            "the daemon answered 404 to /unload: there are /status, /metrics and /events"
        );
    })
    .await;
}

#[tokio::test]
async fn garbage_does_not_end_the_server() {
    with_server(async |runtime, _log| {
        for garbage in [
            &b"\x00\xff\x16\x03\x01"[..],
            b"GET",
            b"\r\n\r\n\r\n",
            &[b'a'; 20_000],
        ] {
            let mut stream = connect(runtime).await;
            // The server may close the connection before everything is written.
            drop(stream.write_all(garbage).await);
            drop(stream.shutdown().await);
            let mut answer = Vec::new();
            drop(stream.read_to_end(&mut answer).await);
        }
        client::get_status(runtime).await.unwrap();
    })
    .await;
}

#[tokio::test]
async fn a_stale_socket_is_replaced() {
    let directory = TempDir::new().unwrap();
    let path = socket_path(directory.path());
    drop(UnixListener::bind(&path).unwrap());
    assert!(fs::metadata(&path).unwrap().file_type().is_socket());
    let missing = client::get_status(directory.path()).await.unwrap_err();
    assert!(
        matches!(missing, ControlError::NotRunning { .. }),
        "{missing}"
    );
    let server = Server::bind(&path).unwrap();
    let mode = fs::metadata(&path).unwrap().permissions().mode() & 0o777;
    assert!(matches!(mode, 0o600 | 0o660), "{mode:o}");
    drop(server);
    assert!(!path.exists());
}

#[tokio::test]
async fn a_live_socket_is_not_replaced() {
    let directory = TempDir::new().unwrap();
    let path = socket_path(directory.path());
    let first = Server::bind(&path).unwrap();
    let refused = Server::bind(&path).unwrap_err();
    assert!(matches!(refused, ControlError::InUse { .. }), "{refused}");
    assert!(path.exists());
    drop(first);
}

#[tokio::test]
async fn another_daemons_socket_is_not_removed() {
    let directory = TempDir::new().unwrap();
    let path = socket_path(directory.path());
    let first = Server::bind(&path).unwrap();
    fs::rename(&path, directory.path().join("moved")).unwrap();
    let second = Server::bind(&path).unwrap();
    drop(first);
    assert!(path.exists());
    drop(second);
}

#[tokio::test]
async fn a_file_at_the_path_of_the_socket_is_not_replaced() {
    let directory = TempDir::new().unwrap();
    let path = socket_path(directory.path());
    fs::write(&path, "precious").unwrap();
    let refused = Server::bind(&path).unwrap_err();
    assert!(
        matches!(refused, ControlError::NotASocket { .. }),
        "{refused}"
    );
    assert_eq!(fs::read(&path).unwrap(), b"precious");
}
