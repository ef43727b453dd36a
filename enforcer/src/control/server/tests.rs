//! Clients that send nothing, send slowly, open many connections or do not read. Time is simulated; sockets are real.

use std::io::ErrorKind;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::UnixStream;
use tokio::time::{Instant, sleep};

use super::{ANSWER_TIMEOUT, FOLLOWERS, REQUEST_TIMEOUT, REQUESTS};
use crate::control::tests::{connect, with_server};
use crate::control::{ControlError, client};
use crate::core::test_data::event;
use crate::daemon::EventLog;

const SECOND: Duration = Duration::from_secs(1);
const FOLLOW: &[u8] = b"GET /events?follow=1 HTTP/1.1\r\n\r\n";

/// Reads until the server closes.
async fn rest(stream: &mut UnixStream) -> usize {
    let mut answer = Vec::new();
    match stream.read_to_end(&mut answer).await {
        Ok(_) => {}
        Err(error) => assert_eq!(error.kind(), ErrorKind::ConnectionReset),
    }
    answer.len()
}

async fn follow(runtime: &Path) -> UnixStream {
    let mut stream = connect(runtime).await;
    stream.write_all(FOLLOW).await.unwrap();
    assert_ne!(stream.read(&mut [0; 4096]).await.unwrap(), 0);
    stream
}

/// Adds more events than the buffers of a socket hold.
fn fill(log: &EventLog) {
    (0..1024).for_each(|_| log.push(event()));
}

#[tokio::test(start_paused = true)]
async fn a_connection_without_a_request_is_closed() {
    with_server(async |runtime, _log| {
        for sent in [&b""[..], b"GET /status HTTP/1.1\r\nhost: a\r\n"] {
            let begun = Instant::now();
            let mut stream = connect(runtime).await;
            stream.write_all(sent).await.unwrap();
            rest(&mut stream).await;
            let lasted = begun.elapsed();
            assert!(lasted >= REQUEST_TIMEOUT, "{lasted:?}");
            assert!(lasted < REQUEST_TIMEOUT + SECOND, "{lasted:?}");
        }
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_request_of_one_byte_per_second_is_cut_off() {
    with_server(async |runtime, _log| {
        let begun = Instant::now();
        let mut stream = connect(runtime).await;
        for byte in b"GET /status HTTP/1.1\r\nhost: a\r\n\r\n".chunks(1) {
            if stream.write_all(byte).await.is_err() {
                break;
            }
            sleep(SECOND).await;
        }
        assert!(begun.elapsed() <= REQUEST_TIMEOUT + 2 * SECOND);
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn an_unread_answer_is_cut_off_after_the_timeout() {
    with_server(async |runtime, log| {
        fill(&log);
        let whole = client::get_text(runtime, "/events").await.unwrap().len();
        let mut stream = connect(runtime).await;
        stream
            .write_all(b"GET /events HTTP/1.1\r\n\r\n")
            .await
            .unwrap();
        sleep(ANSWER_TIMEOUT + SECOND).await;
        let read = rest(&mut stream).await;
        assert!(read < whole, "{read} of {whole} bytes");
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_stream_of_events_has_no_timeout() {
    with_server(async |runtime, log| {
        log.push(event());
        let mut stream = follow(runtime).await;
        sleep(3600 * SECOND).await;
        log.push(event());
        let read = stream.read(&mut [0; 4096]).await.unwrap();
        assert_ne!(read, 0);
    })
    .await;
}

#[tokio::test]
async fn idle_connections_do_not_block_requests() {
    with_server(async |runtime, _log| {
        let mut idle = Vec::new();
        for _ in 0..600 {
            idle.push(connect(runtime).await);
        }
        client::get_status(runtime).await.unwrap();
        let mut open = 0;
        for stream in &mut idle {
            match stream.try_read(&mut [0]) {
                Err(error) if error.kind() == ErrorKind::WouldBlock => open += 1,
                Ok(0) => {}
                other => panic!("{other:?}"),
            }
        }
        assert!(open < REQUESTS.per_user, "{open}");
    })
    .await;
}

#[tokio::test]
async fn simultaneous_requests_are_all_answered() {
    with_server(async |runtime, log| {
        (0..32).for_each(|_| log.push(event()));
        let runtime: Arc<Path> = Arc::from(runtime);
        let mut clients = tokio::task::JoinSet::new();
        for _ in 0..100 {
            let runtime = Arc::clone(&runtime);
            clients.spawn(async move { client::get_status(&runtime).await.map(drop) });
        }
        while let Some(answered) = clients.join_next().await {
            answered.unwrap().unwrap();
        }
    })
    .await;
}

#[tokio::test]
async fn streams_are_limited_and_do_not_block_requests() {
    with_server(async |runtime, log| {
        log.push(event());
        let mut followers = Vec::new();
        for _ in 0..FOLLOWERS.per_user {
            followers.push(follow(runtime).await);
        }
        client::get_status(runtime).await.unwrap();
        let refused = client::follow(runtime, 0, |_| {}).await.unwrap_err();
        assert!(
            matches!(refused, ControlError::Answered { code: 503, .. }),
            "{refused}"
        );
        assert!(refused.to_string().contains("events --follow"), "{refused}");
        // A closed stream frees its slot, even if the server has no event to send.
        followers.pop();
        let mut stream = connect(runtime).await;
        loop {
            stream.write_all(FOLLOW).await.unwrap();
            let mut answer = [0; 12];
            stream.read_exact(&mut answer).await.unwrap();
            if answer == *b"HTTP/1.1 200" {
                break;
            }
            stream = connect(runtime).await;
        }
    })
    .await;
}
