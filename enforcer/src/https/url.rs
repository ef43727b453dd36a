//! URLs: `https`, and `http` only for services within this host.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::str::FromStr;

use hyper::Uri;

use crate::config::redacted_url;
use crate::name::Name;

/// The instance metadata service of an Azure virtual machine; its packets do not leave the physical machine.
const INSTANCE_METADATA: IpAddr = IpAddr::V4(Ipv4Addr::new(169, 254, 169, 254));
const LOOPBACK: [IpAddr; 2] = [
    IpAddr::V4(Ipv4Addr::LOCALHOST),
    IpAddr::V6(Ipv6Addr::LOCALHOST),
];

/// A URL with scheme, host, port, path and query, and nothing else.
#[derive(Clone, PartialEq, Eq)]
pub struct Url {
    uri: Uri,
    host: String,
    security: Security,
}

/// How connections to the host are secured.
#[derive(Clone, PartialEq, Eq)]
pub(super) enum Security {
    /// TLS, with a certificate for this name.
    Tls(Name),
    /// Unencrypted, at these addresses only, which are those of this host or its hypervisor.
    Plain(Vec<IpAddr>),
}

/// Why a text is not a supported URL.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("\"{text}\" {problem}")]
pub struct UrlError {
    /// The text without a password and without its query.
    pub text: String,
    /// What is wrong, and the fix.
    pub problem: &'static str,
}

impl Url {
    /// The host without its port.
    pub fn host(&self) -> &str {
        &self.host
    }

    /// The host's name, if it must be resolved.
    pub fn name(&self) -> Option<&Name> {
        match &self.security {
            Security::Tls(name) => Some(name),
            Security::Plain(_) => None,
        }
    }

    /// The addresses of a host that need not be resolved: the instance metadata service and this host.
    pub fn local_addresses(&self) -> &[IpAddr] {
        match &self.security {
            Security::Tls(_) => &[],
            Security::Plain(addresses) => addresses,
        }
    }

    /// The path and the query.
    pub fn path_and_query(&self) -> &str {
        self.uri.path_and_query().map_or("/", |path| path.as_str())
    }

    /// The path without the query.
    pub fn path(&self) -> &str {
        self.uri.path()
    }

    /// The port.
    pub fn port(&self) -> u16 {
        let usual = match self.security {
            Security::Tls(_) => 443,
            Security::Plain(_) => 80,
        };
        self.uri.port_u16().unwrap_or(usual)
    }

    /// Whether both are on the same server: scheme, host and port.
    pub fn is_same_server(&self, other: &Self) -> bool {
        self.security == other.security && self.port() == other.port()
    }

    /// Returns the URL of another path on the same server.
    ///
    /// # Errors
    /// When `path_and_query`, which begins with `/`, is invalid.
    pub fn join(&self, path_and_query: &str) -> Result<Self, UrlError> {
        let scheme = self.uri.scheme_str().unwrap_or_default();
        format!("{scheme}://{}{path_and_query}", self.authority()).parse()
    }

    pub(super) fn security(&self) -> &Security {
        &self.security
    }

    /// The value of the header `Host`.
    pub(super) fn authority(&self) -> &str {
        self.uri
            .authority()
            .map_or(self.host.as_str(), |authority| authority.as_str())
    }
}

impl FromStr for Url {
    type Err = UrlError;

    fn from_str(text: &str) -> Result<Self, UrlError> {
        let wrong = |problem| UrlError {
            text: redacted_url(text).to_owned(),
            problem,
        };
        let Ok(uri) = text.parse::<Uri>() else {
            return Err(wrong("is not a URL; use https://host/path"));
        };
        if text.contains('#') {
            return Err(wrong("has a fragment; remove # and the text after it"));
        }
        let authority = uri.authority().map_or("", |authority| authority.as_str());
        if authority.contains('@') {
            return Err(wrong("has a user or password; remove them"));
        }
        let host = uri.host().unwrap_or_default().to_ascii_lowercase();
        let security = match uri.scheme_str() {
            Some("https") => Security::Tls(host.parse().or(Err(wrong(
                "has no fully qualified host name; use https://host.domain/path",
            )))?),
            Some("http") => Security::Plain(plain(&host).ok_or_else(|| {
                wrong("is not encrypted; use https:// (http:// is only for this host)")
            })?),
            _ => {
                return Err(wrong(
                    "is not a URL with this scheme; use https://host/path",
                ));
            }
        };
        Ok(Self {
            uri,
            host,
            security,
        })
    }
}

/// Percent-encodes `text` for a query or a form: all but letters, digits and `-._~` become `%XX` (RFC 3986 section 2).
pub fn encoded(text: &str) -> String {
    let mut result = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            result.push(char::from(byte));
        } else {
            result.push_str(&format!("%{byte:02X}"));
        }
    }
    result
}

/// Returns the addresses of a host that may be reached without TLS.
fn plain(host: &str) -> Option<Vec<IpAddr>> {
    if host == "localhost" {
        return Some(LOOPBACK.to_vec());
    }
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    let address: IpAddr = bare.parse().ok()?;
    (address == INSTANCE_METADATA || LOOPBACK.contains(&address)).then(|| vec![address])
}

/// Without the query, which may hold a signature.
impl fmt::Display for Url {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = self.uri.scheme_str().unwrap_or_default();
        write!(formatter, "{scheme}://{}{}", self.authority(), self.path())
    }
}

impl fmt::Debug for Url {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "Url({self})")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn https_requires_a_name_and_http_this_host() {
        let url: Url = "https://Mirror.Contoso.example:8443/a/b.json?sig=secret"
            .parse()
            .unwrap();
        assert_eq!((url.host(), url.port()), ("mirror.contoso.example", 8443));
        assert_eq!(url.path_and_query(), "/a/b.json?sig=secret");
        assert!(url.local_addresses().is_empty());
        for (text, own) in [
            ("http://169.254.169.254/metadata", &["169.254.169.254"][..]),
            ("http://localhost:40342/x", &["127.0.0.1", "::1"]),
            ("http://[::1]:40342/x", &["::1"]),
        ] {
            let url: Url = text.parse().unwrap();
            let addresses: Vec<String> = url
                .local_addresses()
                .iter()
                .map(|one| one.to_string())
                .collect();
            assert_eq!(addresses, own, "{text}");
            assert_eq!(url.name(), None);
        }
    }

    #[test]
    fn unsupported_urls_are_refused_with_the_fix() {
        for (text, fix) in [
            ("http://mirror.contoso.example/", "is not encrypted"),
            ("http://169.254.169.253/", "is not encrypted"),
            ("http://10.0.0.1/", "is not encrypted"),
            ("https://10.0.0.1/", "no fully qualified host name"),
            ("https://localhost/", "no fully qualified host name"),
            ("https://*.azurecr.io/", "no fully qualified host name"),
            ("https:///x", "is not a URL"),
            ("ftp://mirror.contoso.example/", "scheme"),
            ("/path", "scheme"),
            ("https://a.example/#part", "fragment"),
            ("https://user:word@a.example/", "user or password"),
            ("https://user:word@a b/", "is not a URL"),
        ] {
            let error = text.parse::<Url>().unwrap_err().to_string();
            assert!(error.contains(fix), "{text}: {error}");
            assert!(!error.contains("user:word"), "{error}");
        }
    }

    #[test]
    fn a_query_is_never_shown() {
        let url: Url = "https://a.example/x?sig=secret".parse().unwrap();
        assert_eq!(
            format!("{url} {url:?}"),
            "https://a.example/x Url(https://a.example/x)"
        );
        let error = "http://a.example/x?sig=secret".parse::<Url>().unwrap_err();
        assert!(!error.to_string().contains("secret"), "{error}");
    }

    #[test]
    fn reserved_characters_are_percent_encoded() {
        assert_eq!(
            encoded("https://a.b/c?d=e&f g+ü"),
            "https%3A%2F%2Fa.b%2Fc%3Fd%3De%26f%20g%2B%C3%BC"
        );
        assert_eq!(encoded("aZ09-._~"), "aZ09-._~");
    }

    #[test]
    fn another_host_port_or_scheme_is_another_server() {
        let url = |text: &str| text.parse::<Url>().unwrap();
        let here = url("https://a.example/x");
        assert!(here.is_same_server(&url("https://A.example:443/y?z")));
        for other in [
            "https://b.example/x",
            "https://a.example:444/x",
            "http://localhost/x",
        ] {
            assert!(!here.is_same_server(&url(other)), "{other}");
        }
    }
}
