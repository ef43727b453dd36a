//! URLs of services on this host.

use std::fmt;

use hyper::Uri;

use super::FromText;
use super::azure::redacted_url;

/// Hosts of a URL that are this host.
const HOSTS: [&str; 3] = ["127.0.0.1", "[::1]", "localhost"];

/// An `http://` URL of a service on this host.
#[derive(Clone, PartialEq, Eq)]
pub struct LocalUrl {
    text: String,
    has_path: bool,
}

impl LocalUrl {
    /// Returns the URL, with the path `path`, which begins with `/`, if it has none.
    pub fn or_path(&self, path: &str) -> String {
        let path = if self.has_path { "" } else { path };
        format!("{}{path}", self.text)
    }
}

impl FromText for LocalUrl {
    const EXPECTED: &'static str = "an http:// URL in quotes";

    fn from_text(text: &str) -> Result<Self, String> {
        let wrong = |problem: &str| {
            format!(
                "\"{}\" {problem}; write one such as \"http://127.0.0.1:4318\"",
                redacted_url(text)
            )
        };
        let Ok(uri) = text.parse::<Uri>() else {
            return Err(wrong("is not a URL"));
        };
        if uri.scheme_str() != Some("http") {
            return Err(wrong("does not begin with http://"));
        }
        let authority = uri.authority().map_or("", |authority| authority.as_str());
        let (host, port) = authority.rsplit_once(':').unwrap_or_default();
        if !HOSTS.contains(&host) || !port.parse().is_ok_and(|port: u16| port != 0) {
            return Err(wrong("has another host than this one, or no port"));
        }
        if uri.query().is_some() || text.contains('#') {
            return Err(wrong("has more than a path"));
        }
        let has_path = uri.path() != "/";
        let text = match has_path {
            true => text,
            false => text.trim_end_matches('/'),
        };
        Ok(Self {
            text: text.to_owned(),
            has_path,
        })
    }
}

impl fmt::Display for LocalUrl {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.text)
    }
}

impl fmt::Debug for LocalUrl {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "LocalUrl({self})")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_this_host_with_a_port_is_accepted() {
        for (text, whole) in [
            ("http://127.0.0.1:4318", "http://127.0.0.1:4318/v1/logs"),
            ("http://localhost:4318/", "http://localhost:4318/v1/logs"),
            ("http://[::1]:80/otlp/logs", "http://[::1]:80/otlp/logs"),
            ("http://[::1]:80/otlp/", "http://[::1]:80/otlp/"),
        ] {
            let url = LocalUrl::from_text(text).unwrap();
            assert_eq!(url.or_path("/v1/logs"), whole);
        }
        for (text, problem) in [
            ("https://127.0.0.1:4318", "http://"),
            ("127.0.0.1:4318", "http://"),
            ("http://192.0.2.1:4318", "another host"),
            ("http://127.0.0.1.example.com:4318", "another host"),
            ("http://user@127.0.0.1:4318", "another host"),
            ("http://127.0.0.1", "no port"),
            ("http://127.0.0.1:0", "no port"),
            ("http://127.0.0.1:4318/x?key=secret", "more than a path"),
            ("http://127.0.0.1:4318/#x", "more than a path"),
            ("http://127.0.0.1:4318/ x", "is not a URL"),
        ] {
            let error = LocalUrl::from_text(text).unwrap_err();
            assert!(error.contains(problem), "{text}: {error}");
            assert!(!error.contains("secret"), "{error}");
        }
    }
}
