use serde_json::json;

use super::*;
use crate::azure::tags::ApiTags;
use crate::config::{REGISTRY_TAG, STORAGE_TAG};

fn wanted() -> [String; 2] {
    [STORAGE_TAG, REGISTRY_TAG].map(str::to_owned)
}

/// A page with one tag, followed by the page `next`.
fn page(tag: &str, prefix: &str, next: Option<&str>) -> String {
    json!({
        "name": "Public", "type": "Microsoft.Network/serviceTags", "changeNumber": "63", "cloud": "Public", "nextLink": next,
        "values": [{"name": tag, "id": tag, "properties": {"changeNumber": "7", "region": "", "addressPrefixes": [prefix]}}]
    })
    .to_string()
}

async fn ask(fixture: &Fixture) -> Result<ApiTags, FetchError> {
    fixture.azure.service_tags(GUID, &wanted(), &pinned()).await
}

#[tokio::test]
async fn pages_are_followed_on_the_same_server() {
    let fixture = Fixture::new(|request| {
        let host = request.header("host").unwrap_or_default();
        let next = format!("https://{host}/more?page=2");
        let body = if request.line.ends_with("page=2") {
            page(REGISTRY_TAG, "198.51.100.0/24", None)
        } else {
            page(STORAGE_TAG, "203.0.113.0/24", Some(&next))
        };
        response(200, &[], &body)
    })
    .await;
    let more = ask(&fixture).await.unwrap();
    assert_eq!((more.change_number, more.families.len()), (63, 2));
    let lines: Vec<String> = fixture
        .manager
        .received()
        .into_iter()
        .map(|request| request.line)
        .collect();
    let first = format!(
        "GET /subscriptions/{GUID}/providers/Microsoft.Network/locations/westeurope/serviceTags?api-version=2024-05-01"
    );
    assert_eq!(lines, [first.as_str(), "GET /more?page=2"]);
}

#[tokio::test]
async fn a_list_that_continues_elsewhere_or_endlessly_is_refused() {
    for link in [
        "https://evil.example/x",
        "http://localhost/x",
        "https://management.azure.com/x",
        "/x",
        "x y",
    ] {
        let body = page(STORAGE_TAG, "203.0.113.0/24", Some(link));
        let fixture = Fixture::new(move |_| response(200, &[], &body)).await;
        let error = ask(&fixture).await.unwrap_err().to_string();
        assert!(
            error.contains("continues on another server"),
            "{link}: {error}"
        );
        assert_eq!(fixture.manager.received().len(), 1);
    }
    let fixture = Fixture::new(|request| {
        let host = request.header("host").unwrap_or_default();
        let next = format!("https://{host}/again");
        response(200, &[], &page(STORAGE_TAG, "203.0.113.0/24", Some(&next)))
    })
    .await;
    let error = ask(&fixture).await.unwrap_err().to_string();
    assert!(error.contains("too many pages"), "{error}");
}

#[tokio::test]
async fn refusals_and_malformed_answers_are_distinguished() {
    for (status, body, why) in [
        (403, "", "Microsoft.Network/locations/serviceTags/read"),
        (
            403,
            "",
            "the managed identity of this virtual machine may not",
        ),
        (404, "", "protect.service-tags-subscription"),
        (200, "{}", "missing key `changeNumber`"),
        (
            200,
            r#"{"changeNumber":"1","cloud":"China","values":[]}"#,
            "is for the cloud \"China\"",
        ),
        (
            200,
            r#"{"changeNumber":"1","cloud":"Public","values":[]}"#,
            "has no tag \"Storage\"",
        ),
    ] {
        let fixture = Fixture::new(move |_| response(status, &[], body)).await;
        let error = ask(&fixture).await.unwrap_err().to_string();
        assert!(
            error.starts_with("service tags of subscription 01234567"),
            "{error}"
        );
        assert!(error.contains(why), "{error}");
    }
}

#[tokio::test]
async fn the_total_size_of_all_pages_is_bounded() {
    let fixture = Fixture::new(|request| {
        let host = request.header("host").unwrap_or_default();
        let next = format!("https://{host}/again");
        let page = page(STORAGE_TAG, "203.0.113.0/24", Some(&next));
        response(200, &[], &format!("{page}{}", " ".repeat(6 << 20)))
    })
    .await;
    let error = ask(&fixture).await.unwrap_err().to_string();
    assert!(error.contains("larger than"), "{error}");
    assert_eq!(fixture.manager.received().len(), 3);
}
