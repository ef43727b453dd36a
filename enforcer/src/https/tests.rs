use std::time::Duration;

use hyper::StatusCode;
use hyper::header::{AUTHORIZATION, HeaderValue};

use super::test_server::{HERE, ScriptedResponse, TestServer, response};
use super::*;

const HOST: &str = "mirror.contoso.example";

fn get(server: &TestServer, path: &str) -> Request {
    let url = format!("https://{HOST}:{}{path}", server.port);
    Request::get(url.parse().unwrap())
}

async fn ask(server: &TestServer, path: &str) -> Result<Response, HttpsError> {
    server.client().send(get(server, path), &HERE).await
}

#[tokio::test]
async fn an_answer_is_complete_with_its_headers() {
    let server = TestServer::tls(&[HOST], |_| response(200, &[("ETag", "\"7\"")], "text")).await;
    let response = ask(&server, "/a?b=c").await.unwrap();
    assert_eq!(response.status(), StatusCode::OK);
    assert_eq!(response.header("etag"), Some("\"7\""));
    assert_eq!(response.body(), b"text");
    let received = server.received();
    assert_eq!(received[0].line, "GET /a?b=c");
    let host = format!("{HOST}:{}", server.port);
    assert_eq!(received[0].header("host"), Some(host.as_str()));
}

#[tokio::test]
async fn a_body_and_headers_are_sent_and_never_shown() {
    let server = TestServer::tls(&[HOST], |_| response(200, &[], "")).await;
    let url = format!("https://{HOST}:{}/token", server.port);
    let request = Request::post(url.parse().unwrap(), "client_secret=x7")
        .header(AUTHORIZATION, HeaderValue::from_static("Bearer x7"));
    assert!(!format!("{request:?}").contains("x7"));
    server.client().send(request, &HERE).await.unwrap();
    let received = server.received();
    assert_eq!(received[0].body, "client_secret=x7");
    assert_eq!(received[0].header("authorization"), Some("Bearer x7"));
}

#[tokio::test]
async fn a_redirect_is_not_followed() {
    let server = TestServer::tls(&[HOST], |_| {
        response(307, &[("location", "https://evil.example/")], "")
    })
    .await;
    let response = ask(&server, "/").await.unwrap();
    assert_eq!(response.status(), StatusCode::TEMPORARY_REDIRECT);
    assert_eq!(response.header("Location"), Some("https://evil.example/"));
    assert_eq!(server.received().len(), 1);
}

#[tokio::test]
async fn a_certificate_for_another_name_or_of_an_untrusted_root_is_rejected() {
    let server = TestServer::tls(&["other.example"], |_| response(200, &[], "")).await;
    let error = ask(&server, "/").await.unwrap_err();
    assert!(matches!(error, HttpsError::Certificate { .. }), "{error}");
    let other = TestServer::tls(&[HOST], |_| response(200, &[], "")).await;
    let error = server
        .client()
        .send(get(&other, "/"), &HERE)
        .await
        .unwrap_err();
    assert!(matches!(error, HttpsError::Certificate { .. }), "{error}");
    assert!(error.to_string().starts_with(HOST), "{error}");
    assert!(server.received().is_empty() && other.received().is_empty());
}

#[tokio::test]
async fn a_silent_server_or_one_without_tls_is_an_error() {
    let server = TestServer::tls(&[HOST], |_| ScriptedResponse::Silence).await;
    let request = get(&server, "/").within(Duration::from_millis(300));
    let error = server.client().send(request, &HERE).await.unwrap_err();
    assert!(matches!(error, HttpsError::Timeout { .. }), "{error}");
    let plain = TestServer::plain(|_| response(200, &[], "")).await;
    let request = get(&plain, "/").within(Duration::from_millis(300));
    let error = server.client().send(request, &HERE).await.unwrap_err();
    assert!(
        matches!(error, HttpsError::Tls { .. } | HttpsError::Timeout { .. }),
        "{error}"
    );
}

#[tokio::test]
async fn a_body_truncated_anywhere_is_an_error() {
    let chunked = "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n4\r\ntext\r\n0\r\n\r\n";
    let counted = "HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\ntext";
    for whole in [chunked, counted] {
        for end in 0..whole.len() {
            let cut = whole.as_bytes()[..end].to_vec();
            let server = TestServer::plain(move |_| ScriptedResponse::Bytes(cut.clone())).await;
            let url = format!("http://127.0.0.1:{}/", server.port);
            let request = Request::get(url.parse().unwrap());
            let error = Client::new().send(request, &[]).await.unwrap_err();
            assert!(
                matches!(error, HttpsError::Truncated { .. }),
                "{end}: {error}"
            );
        }
    }
}

#[tokio::test]
async fn a_body_over_the_limit_is_an_error_with_or_without_its_length() {
    for body in [
        "content-length: 5\r\n\r\ntexts",
        "transfer-encoding: chunked\r\n\r\n5\r\ntexts\r\n0\r\n\r\n",
    ] {
        let whole = format!("HTTP/1.1 200 OK\r\n{body}").into_bytes();
        let server =
            TestServer::tls(&[HOST], move |_| ScriptedResponse::Bytes(whole.clone())).await;
        let send = |limit| {
            let request = get(&server, "/").at_most(limit);
            async { server.client().send(request, &HERE).await }
        };
        assert_eq!(send(5).await.unwrap().body(), b"texts");
        let error = send(4).await.unwrap_err();
        assert!(
            matches!(error, HttpsError::TooLarge { limit: 4, .. }),
            "{error}"
        );
    }
}

#[tokio::test]
async fn an_answer_that_is_not_http_or_has_endless_headers_is_an_error() {
    let endless = format!(
        "HTTP/1.1 200 OK\r\n{}\r\n",
        "a: b\r\n".repeat(MOST_HEADERS + 1)
    );
    let long = format!("HTTP/1.1 200 OK\r\na: {}\r\n\r\n", "b".repeat(2 * BUFFER));
    for text in ["SSH-2.0-x\r\n\r\n".to_owned(), endless, long] {
        let server = TestServer::tls(&[HOST], move |_| {
            ScriptedResponse::Bytes(text.clone().into_bytes())
        })
        .await;
        let error = ask(&server, "/").await.unwrap_err();
        assert!(matches!(error, HttpsError::NotHttp { .. }), "{error}");
    }
}

#[tokio::test]
async fn addresses_are_tried_in_order_and_an_empty_list_is_an_error() {
    let server = TestServer::tls(&[HOST], |_| response(200, &[], "text")).await;
    // No server listens there: this one has bound 127.0.0.1 only.
    let closed: IpAddr = "127.0.0.9".parse().unwrap();
    let both = [closed, HERE[0]];
    let response = server.client().send(get(&server, "/"), &both).await;
    assert_eq!(response.unwrap().body(), b"text");
    let error = server
        .client()
        .send(get(&server, "/"), &[closed])
        .await
        .unwrap_err();
    assert!(
        error
            .to_string()
            .starts_with("mirror.contoso.example: no connection to 127.0.0.9"),
        "{error}"
    );
    let error = server
        .client()
        .send(get(&server, "/"), &[])
        .await
        .unwrap_err();
    assert!(matches!(error, HttpsError::NoAddress { .. }), "{error}");
}

#[tokio::test]
async fn a_host_without_tls_is_reached_at_its_own_address_only() {
    let server = TestServer::plain(|_| response(200, &[], "text")).await;
    let url = format!("http://127.0.0.1:{}/", server.port);
    let request = Request::get(url.parse().unwrap());
    let elsewhere = ["127.0.0.9".parse().unwrap()];
    let response = Client::new().send(request, &elsewhere).await.unwrap();
    assert_eq!(response.body(), b"text");
}

#[tokio::test]
async fn roots_are_dropped_between_requests() {
    let server = TestServer::tls(&[HOST], |_| response(200, &[], "")).await;
    let client = server.client();
    client.send(get(&server, "/"), &HERE).await.unwrap();
    let before = client.roots.config().unwrap();
    assert!(std::sync::Arc::ptr_eq(
        &before,
        &client.roots.config().unwrap()
    ));
    let weak = std::sync::Arc::downgrade(&before);
    drop(before);
    assert!(weak.upgrade().is_none());
}
