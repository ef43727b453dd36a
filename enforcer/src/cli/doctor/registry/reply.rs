//! What a server answered, and what follows where it did not.

use serde::Deserialize;

use crate::https::HttpsError;
use crate::kernel::Check;
use crate::name::Name;

/// The longest part of a server's own words that is told, in characters.
const MAX_WORDS: usize = 200;

/// An answer over TLS with a certificate that holds.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Reply {
    pub(super) status: u16,
    /// `Www-Authenticate`.
    pub(super) challenge: Option<String>,
    pub(super) location: Option<String>,
    pub(super) body: Vec<u8>,
}

/// Why there is no answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Unanswered {
    /// The kernel of this host refuses the connection: `EPERM`.
    Refused,
    /// Anything else: what went wrong, and the fix.
    Failed(String, String),
}

impl From<HttpsError> for Unanswered {
    fn from(error: HttpsError) -> Self {
        if let HttpsError::Connect { source, .. } = &error
            && source.raw_os_error() == Some(libc::EPERM)
        {
            return Self::Refused;
        }
        let text = error.to_string();
        let (found, fix) = text.split_once("; ").unwrap_or((&text, ""));
        Self::Failed(found.to_owned(), fix.to_owned())
    }
}

/// What came of one request.
pub(super) type Answer = Result<Reply, Unanswered>;

/// The error format of registries (OCI distribution specification 1.1, "Error codes").
#[derive(Default, Deserialize)]
struct Errors {
    #[serde(default)]
    errors: Vec<Problem>,
}

#[derive(Deserialize)]
struct Problem {
    #[serde(default)]
    code: String,
    #[serde(default)]
    message: String,
}

impl Reply {
    /// The status and the registry's error codes: never its own words, which could repeat what was sent.
    pub(super) fn outcome(&self) -> String {
        let codes: Vec<String> = self
            .problems()
            .into_iter()
            .map(|problem| problem.code)
            .filter(|code| is_code(code))
            .collect();
        if codes.is_empty() {
            return format!("HTTP status {}", self.status);
        }
        format!("HTTP status {} ({})", self.status, codes.join(", "))
    }

    /// The registry's own words, for a request that carried nothing secret.
    pub(super) fn words(&self) -> Option<String> {
        let problem = self.problems().into_iter().next()?;
        let words: String = problem.message.chars().take(MAX_WORDS).collect();
        (!words.is_empty()).then_some(words)
    }

    fn problems(&self) -> Vec<Problem> {
        let errors: Errors = serde_json::from_slice(&self.body).unwrap_or_default();
        errors.errors
    }
}

fn is_code(text: &str) -> bool {
    let fits = |byte: u8| byte.is_ascii_uppercase() || byte == b'_';
    (1..=40).contains(&text.len()) && text.bytes().all(fits)
}

/// What is said where `host` gave no answer.
pub(super) fn unanswered(what: &str, host: &Name, why: &Unanswered) -> Check {
    match why {
        Unanswered::Refused => Check::new(
            what,
            false,
            format!(
                "this host's kernel refuses connections to {host} (EPERM): a policy of this host closes it"
            ),
            &format!("`egress-enforcer explain {host}` says which rule, and how to open it"),
        ),
        Unanswered::Failed(found, fix) => Check::new(what, false, found, fix),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// An answer with this status and body.
    fn reply(status: u16, body: &str) -> Reply {
        Reply {
            status,
            body: body.as_bytes().to_vec(),
            ..Reply::default()
        }
    }

    #[test]
    fn an_error_is_told_by_its_code() {
        let denied = r#"{"errors":[{"code":"DENIED","message":"client with IP '192.0.2.1' is not allowed access"}]}"#;
        let answer = reply(403, denied);
        assert_eq!(answer.outcome(), "HTTP status 403 (DENIED)");
        assert!(answer.words().unwrap().contains("192.0.2.1"));
    }

    #[test]
    fn what_is_no_error_code_is_not_repeated() {
        for body in [
            "",
            "<html>",
            "[]",
            r#"{"errors":[]}"#,
            r#"{"errors":[{"code":"s3cret of contoso"}]}"#,
            r#"{"errors":[{"code":7}]}"#,
        ] {
            assert_eq!(reply(500, body).outcome(), "HTTP status 500", "{body}");
        }
    }

    #[test]
    fn a_refusal_of_this_host_leads_to_explain() {
        let host = "contoso.azurecr.io".parse().unwrap();
        let refused = unanswered("login server", &host, &Unanswered::Refused);
        assert!(!refused.is_ok());
        assert!(
            refused
                .fix
                .contains("egress-enforcer explain contoso.azurecr.io")
        );
        let closed = |errno| {
            Unanswered::from(HttpsError::Connect {
                host: host.to_string(),
                address: "192.0.2.1".parse().unwrap(),
                source: std::io::Error::from_raw_os_error(errno),
            })
        };
        assert_eq!(closed(libc::EPERM), Unanswered::Refused);
        let late = unanswered("login server", &host, &closed(libc::ETIMEDOUT));
        assert!(
            late.message.contains("192.0.2.1") && late.fix.contains("firewalls"),
            "{late:?}"
        );
    }
}
