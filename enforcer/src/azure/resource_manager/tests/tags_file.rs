use serde_json::json;

use super::super::tags_file::fetch;
use super::*;
use crate::azure::TagOrigin;
use crate::config::{REGISTRY_TAG, STORAGE_TAG};

const MIRROR: &str = "mirror.contoso.example";

fn file() -> String {
    json!({"changeNumber": 425, "cloud": "Public", "values": [
        {"name": "Storage", "properties": {"addressPrefixes": ["192.0.2.0/24"]}},
        {"name": "AzureContainerRegistry", "properties": {"addressPrefixes": ["198.51.100.0/24"]}}]})
    .to_string()
}

async fn mirror(
    script: impl Fn(&ReceivedRequest) -> ScriptedResponse + Send + Sync + 'static,
) -> TestServer {
    TestServer::tls(&[MIRROR], script).await
}

async fn ask(
    server: &TestServer,
    name: &str,
    last: Option<&Validator>,
) -> Result<FetchedTags, FetchError> {
    let azure = AzureClient::on(
        server.client(),
        server.port,
        &config::Azure::default(),
        Environment::default(),
    );
    let text = format!("https://{MIRROR}:{}/{name}", server.port);
    let target = FetchTarget::TagsFile(text.split('?').next().unwrap().to_owned());
    let wanted = [STORAGE_TAG, REGISTRY_TAG].map(str::to_owned);
    let pinned = PinnedAddresses::from([(MIRROR.parse().unwrap(), HERE.to_vec())]);
    fetch(
        &azure,
        text.parse().unwrap(),
        &target,
        last,
        &wanted,
        &pinned,
    )
    .await
}

#[tokio::test]
async fn a_file_is_fetched_again_only_when_it_changed() {
    let server = mirror(|request| match request.header("if-none-match") {
        Some("W/\"a7\"") => response(304, &[("ETag", "W/\"a7\"")], ""),
        _ => response(200, &[("ETag", "W/\"a7\"")], &file()),
    })
    .await;
    let fetched = ask(&server, "ServiceTags_Public_20261102.json?sig=s3cret", None)
        .await
        .unwrap();
    let FetchedTags::New { tags, validator } = fetched else {
        panic!("it is new");
    };
    assert_eq!(tags.change_number, 425);
    assert_eq!(tags.date, Some(jiff::civil::date(2026, 11, 2)));
    let shown = format!(
        "https://{MIRROR}:{}/ServiceTags_Public_20261102.json",
        server.port
    );
    assert_eq!(tags.origin, TagOrigin::Url(shown));
    assert_eq!(validator, Some(Validator::Etag("W/\"a7\"".to_owned())));
    let again = ask(&server, "x.json", validator.as_ref()).await.unwrap();
    assert_eq!(again, FetchedTags::Unchanged);
    assert_eq!(server.received()[1].header("authorization"), None);
}

#[tokio::test]
async fn without_a_date_in_its_name_the_file_has_the_servers_date() {
    let date = "Mon, 02 Nov 2026 09:00:00 GMT";
    let server = mirror(move |request| match request.header("if-modified-since") {
        Some(_) => response(304, &[], ""),
        None => response(200, &[("Last-Modified", date)], &file()),
    })
    .await;
    let FetchedTags::New { tags, validator } = ask(&server, "tags.json", None).await.unwrap()
    else {
        panic!("it is new");
    };
    assert_eq!(tags.date, Some(jiff::civil::date(2026, 11, 2)));
    assert_eq!(validator, Some(Validator::LastModified(date.to_owned())));
    let again = ask(&server, "tags.json", validator.as_ref()).await.unwrap();
    assert_eq!(again, FetchedTags::Unchanged);
}

#[tokio::test]
async fn a_date_in_the_future_is_ignored() {
    let date = "Fri, 31 Dec 9999 00:00:00 GMT";
    let server = mirror(move |_| response(200, &[("Last-Modified", date)], &file())).await;
    let fetched = ask(&server, "tags.json", None).await.unwrap();
    let FetchedTags::New { tags, validator } = fetched else {
        panic!("it is new");
    };
    let by_number = Some(jiff::civil::date(2026, 11, 4));
    assert_eq!(tags.date, by_number);
    assert_eq!(validator, Some(Validator::LastModified(date.to_owned())));
}

#[tokio::test]
async fn more_than_16_mib_are_not_taken() {
    let large = " ".repeat((16 << 20) + 1);
    let server = mirror(move |_| response(200, &[], &large)).await;
    let error = ask(&server, "tags.json", None).await.unwrap_err();
    let error = error.to_string();
    assert!(error.contains("larger than 16777216 bytes"), "{error}");
}

#[tokio::test]
async fn an_incomplete_file_is_refused_and_a_query_is_not_shown() {
    let whole = file();
    let half = whole[..whole.len() / 2].to_owned();
    let cut = format!(
        "HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{half}",
        whole.len()
    );
    for (reply, why) in [
        (
            response(200, &[], &half),
            "not a complete service-tags file",
        ),
        (
            response(200, &[], &whole.replace("Public", "China")),
            "is for the cloud \"China\"",
        ),
        (response(304, &[], ""), "answers 304"),
        (response(401, &[], ""), "without authentication"),
        (response(404, &[], ""), "fix protect.service-tags-url"),
        (
            response(302, &[("Location", "https://evil.example/")], ""),
            "not followed",
        ),
        (response(503, &[], ""), "an internal error"),
        (ScriptedResponse::Bytes(cut.into_bytes()), "truncated"),
    ] {
        let server = mirror(move |_| reply.clone()).await;
        let error = ask(&server, "tags.json?sig=s3cret", None)
            .await
            .unwrap_err();
        let error = format!("{error} {error:?}");
        assert!(error.contains(why), "{error}");
        assert!(
            error.starts_with("https://mirror.contoso.example:"),
            "{error}"
        );
        assert!(!error.contains("s3cret"), "{error}");
    }
}
