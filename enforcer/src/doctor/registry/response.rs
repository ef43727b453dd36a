//! Responses of registry servers, and the failed check if there is none.

use serde::Deserialize;

use crate::doctor::check::Check;
use crate::https::HttpsError;
use crate::name::Name;

/// Maximum length of a server's message in the report, in characters.
const MAX_MESSAGE: usize = 200;

/// A response over TLS with a valid certificate.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct RegistryResponse {
    pub(super) status: u16,
    /// `Www-Authenticate`.
    pub(super) challenge: Option<String>,
    pub(super) location: Option<String>,
    pub(super) body: Vec<u8>,
}

/// Reason why there is no response.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum NoResponse {
    /// The kernel of this host refused the connection: `EPERM`.
    Refused,
    /// Any other error, and its fix.
    Failed(String, String),
}

impl From<HttpsError> for NoResponse {
    fn from(error: HttpsError) -> Self {
        if let HttpsError::Connect { source, .. } = &error
            && source.raw_os_error() == Some(libc::EPERM)
        {
            return Self::Refused;
        }
        let text = error.to_string();
        let (message, fix) = text.split_once("; ").unwrap_or((&text, ""));
        Self::Failed(message.to_owned(), fix.to_owned())
    }
}

/// The result of one request.
pub(super) type RegistryResult = Result<RegistryResponse, NoResponse>;

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

impl RegistryResponse {
    /// Returns the status and the registry's error codes, without its messages, which could repeat what was sent.
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

    /// Returns the registry's error message, for a request without a secret.
    pub(super) fn message(&self) -> Option<String> {
        let problem = self.problems().into_iter().next()?;
        let message: String = problem.message.chars().take(MAX_MESSAGE).collect();
        (!message.is_empty()).then_some(message)
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

/// Returns the failed check `id` of a `host` that did not respond.
pub(super) fn no_response(id: &str, host: &Name, why: &NoResponse) -> Check {
    match why {
        NoResponse::Refused => Check::new(
            id,
            false,
            format!(
                "this host's kernel refuses connections to {host} (EPERM): a policy on this host denies it"
            ),
            &format!("`egress-enforcer explain {host}` names the rule and the fix"),
        ),
        NoResponse::Failed(message, fix) => Check::new(id, false, message, fix),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Returns a response with this status and body.
    fn response(status: u16, body: &str) -> RegistryResponse {
        RegistryResponse {
            status,
            body: body.as_bytes().to_vec(),
            ..RegistryResponse::default()
        }
    }

    #[test]
    fn an_error_shows_its_code() {
        let denied = r#"{"errors":[{"code":"DENIED","message":"client with IP '192.0.2.1' is not allowed access"}]}"#;
        let answer = response(403, denied);
        assert_eq!(answer.outcome(), "HTTP status 403 (DENIED)");
        assert!(answer.message().unwrap().contains("192.0.2.1"));
    }

    #[test]
    fn only_error_codes_are_repeated() {
        for body in [
            "",
            "<html>",
            "[]",
            r#"{"errors":[]}"#,
            r#"{"errors":[{"code":"s3cret of contoso"}]}"#,
            r#"{"errors":[{"code":7}]}"#,
        ] {
            assert_eq!(response(500, body).outcome(), "HTTP status 500", "{body}");
        }
    }

    #[test]
    fn a_refusal_by_this_host_leads_to_explain() {
        let host = "contoso.azurecr.io".parse().unwrap();
        let refused = no_response("login server", &host, &NoResponse::Refused);
        assert!(!refused.is_ok());
        assert!(
            refused
                .fix
                .contains("egress-enforcer explain contoso.azurecr.io")
        );
        let closed = |errno| {
            NoResponse::from(HttpsError::Connect {
                host: host.to_string(),
                address: "192.0.2.1".parse().unwrap(),
                source: std::io::Error::from_raw_os_error(errno),
            })
        };
        assert_eq!(closed(libc::EPERM), NoResponse::Refused);
        let late = no_response("login server", &host, &closed(libc::ETIMEDOUT));
        assert!(
            late.message.contains("192.0.2.1") && late.fix.contains("firewalls"),
            "{late:?}"
        );
    }
}
