use super::*;

const GUID: &str = "01234567-89ab-cdef-0123-456789abcdef";

/// A configuration with this in `[azure]`.
fn azure(text: &str) -> String {
    format!("registry = []\n[azure]\n{text}\n")
}

/// A configuration with this in `[protect]`.
fn protect(text: &str) -> String {
    format!("registry = []\n[protect]\n{text}\n")
}

#[test]
fn a_service_principal_needs_all_that_makes_one() {
    let ids = format!("tenant-id = \"{GUID}\"\nclient-id = \"{GUID}\"\n");
    let principal = format!("credential = \"service-principal\"\n{ids}");
    assert!(read(&azure(&format!("{principal}client-secret-file = \"s\""))).is_ok());
    refused(
        &azure(&principal),
        "2: azure",
        &["client-certificate-file is missing"],
    );
    refused(
        &azure("client-secret-file = \"s\""),
        "2: azure",
        &["tenant-id is missing"],
    );
    let half = format!("tenant-id = \"{GUID}\"\nclient-certificate-file = \"s\"");
    refused(&azure(&half), "2: azure", &["client-id is missing"]);
    let both = format!("{ids}client-secret-file = \"s\"\nclient-certificate-file = \"c\"");
    refused(&azure(&both), "2: azure", &["keep one"]);
    refused(
        &azure("tenant-id = \"contoso\""),
        "3: azure.tenant-id",
        &["is no GUID"],
    );
    refused(&azure("poll = \"0s\""), "3: azure.poll", &["at least 1s"]);
}

#[test]
fn service_tags_are_fetched_over_https_from_a_named_host() {
    let url = |url: &str| protect(&format!("service-tags-url = \"{url}\""));
    let read = read(&url(
        "https://Mirror.example.com/x/ServiceTags_Public.json?v=1",
    ))
    .unwrap();
    let url_read = read.protect.service_tags_url.unwrap();
    assert_eq!(
        url_read.as_str(),
        "https://mirror.example.com/x/ServiceTags_Public.json?v=1"
    );
    assert_eq!(url_read.host().as_str(), "mirror.example.com");
    for (wrong, why) in [
        (
            "http://mirror.example.com/x",
            "does not begin with https://",
        ),
        ("https://10.0.0.1/x", "names no host"),
        ("https://mirror.example.com:8443/x", "port other than 443"),
        ("https://user:secret@mirror.example.com/x", "user name"),
        ("https://mirror.example.com", "no URL of a file"),
        ("https://mirror.example.com/a b", "no URL of a file"),
        (
            "https://mirror.example.com/a\\r\\nHost: x",
            "no URL of a file",
        ),
    ] {
        refused(&url(wrong), "3: protect.service-tags-url", &[why]);
    }
    refused(
        &protect("service-tags-subscription = \"x\""),
        "3: protect.service-tags-subscription",
        &["GUID"],
    );
}
