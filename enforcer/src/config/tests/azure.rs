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
fn service_principal_needs_all_its_keys() {
    let ids = format!("tenant-id = \"{GUID}\"\nclient-id = \"{GUID}\"\n");
    let principal = format!("credential = \"service-principal\"\n{ids}");
    assert!(read(&azure(&format!("{principal}client-secret-file = \"s\""))).is_ok());
    rejected(
        &azure(&principal),
        "2: azure",
        &["client-certificate-file is missing"],
    );
    rejected(
        &azure("client-secret-file = \"s\""),
        "2: azure",
        &["tenant-id is missing"],
    );
    let half = format!("tenant-id = \"{GUID}\"\nclient-certificate-file = \"s\"");
    rejected(&azure(&half), "2: azure", &["client-id is missing"]);
    let both = format!("{ids}client-secret-file = \"s\"\nclient-certificate-file = \"c\"");
    rejected(&azure(&both), "2: azure", &["keep one"]);
    rejected(
        &azure("tenant-id = \"contoso\""),
        "3: azure.tenant-id",
        &["is not a GUID"],
    );
    rejected(&azure("poll = \"0s\""), "3: azure.poll", &["at least 1s"]);
}

#[test]
fn service_tags_url_is_https_with_a_host_name() {
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
        ("https://10.0.0.1/x", "has no host name"),
        ("https://mirror.example.com:8443/x", "port other than 443"),
        ("https://user:secret@mirror.example.com/x", "user name"),
        ("https://mirror.example.com", "not the URL of a file"),
        ("https://mirror.example.com/a b", "not the URL of a file"),
        (
            "https://mirror.example.com/a\\r\\nHost: x",
            "not the URL of a file",
        ),
    ] {
        rejected(&url(wrong), "3: protect.service-tags-url", &[why]);
    }
    rejected(
        &protect("service-tags-subscription = \"x\""),
        "3: protect.service-tags-subscription",
        &["GUID"],
    );
}

#[test]
fn errors_and_debug_output_show_no_secret_of_a_url() {
    let secrets = ["sig=secret", "user:secret", "secret@", "sig=", "secret"];
    let quoted = [
        "http://mirror.example.com/x?sig=secret",
        "https://user:secret@mirror.example.com/x?sig=secret",
        "https://user:secret?@mirror.example.com/x",
        "https://user:secret#@mirror.example.com/x",
        "https://mirror.example.com/x?sig=secret#x",
        "https://mirror.example.com/x?user:secret@ x",
        "https://mirror.example.com:8443/x?sig=secret",
        "https://mirror.example.com?sig=secret",
        "user:secret@mirror.example.com/x?sig=secret",
    ];
    let mut written: Vec<String> = quoted.map(|url| format!("\"{url}\"")).to_vec();
    for url in quoted {
        // Not quoted, not ended, no string, and over several lines.
        written.push(url.to_owned());
        written.push(format!("\"{url}"));
        written.push(format!("[\"{url}\"]"));
        written.push(format!("{{ url = \"{url}\" }}"));
        written.push(format!("\"\"\"\n{url}"));
        written.push(format!("\"\"\"\n{url}\\q\"\"\""));
    }
    for value in written {
        let text = protect(&format!("service-tags-url = {value}"));
        let error = parse(&text, Path::new("/etc/x.toml")).expect_err(&text);
        for shown in [error.to_string(), format!("{error:?}")] {
            let found = secrets.iter().find(|secret| shown.contains(**secret));
            assert_eq!(found, None, "{value}: {shown}");
        }
    }
    let url = "https://mirror.example.com/x.json?sig=secret";
    let config = read(&protect(&format!("service-tags-url = \"{url}\""))).unwrap();
    let shown = format!("{config:?}");
    assert!(shown.contains("HttpsUrl(https://mirror.example.com/x.json)"));
    assert!(!shown.contains("sig"), "{shown}");
}
