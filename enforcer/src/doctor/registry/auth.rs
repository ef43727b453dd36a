//! Authentication: the login server's challenge and the token (distribution specification, "Token Authentication").

use serde::Deserialize;

use super::challenge::Bearer;
use super::response::{RegistryResponse, RegistryResult, no_response};
use super::target::RegistryTarget;
use crate::doctor::check::Check;

/// Ids of the checks.
const LOGIN: &str = "login server";
const TOKEN: &str = "token";
/// The fix if something other than the registry seems to respond.
const NOT_AZURE: &str = "no Azure registry responds like this: find what responds in its place from here (a proxy, a mirror, a wrong DNS answer)";

/// The access that the login server grants.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Access {
    /// Access with a token from the server in the challenge.
    Token(Bearer),
    /// Access without a token.
    Anonymous,
    /// No access.
    Denied,
}

/// Checks the response to `GET /v2/` (OCI distribution specification 1.1, "Determining support").
pub(super) fn check_login(target: &RegistryTarget, result: &RegistryResult) -> (Check, Access) {
    let response = match result {
        Ok(response) => response,
        Err(why) => return (no_response(LOGIN, &target.login, why), Access::Denied),
    };
    let failed = |message: String, fix: &str| Check::new(LOGIN, false, message, fix);
    let bearer = response.challenge.as_deref().and_then(Bearer::find);
    match (response.status, bearer) {
        (401, Some(bearer)) => {
            let message = "responds like a registry: 401 with a token server";
            (Check::new(LOGIN, true, message, ""), Access::Token(bearer))
        }
        (200, _) => {
            let message = "grants access without a token (200)".to_owned();
            (failed(message, NOT_AZURE), Access::Anonymous)
        }
        (403, _) => {
            let details = response
                .message()
                .map_or_else(String::new, |details| format!(": {details}"));
            let message = format!("refuses this host, {}{details}", response.outcome());
            (failed(message, &registry_firewall(target)), Access::Denied)
        }
        (429 | 500..=599, _) => {
            let message = format!("is not available now, {}", response.outcome());
            (failed(message, "try again later"), Access::Denied)
        }
        _ => {
            let message = format!(
                "does not respond with 401 and a Bearer challenge, {}",
                response.outcome()
            );
            (failed(message, NOT_AZURE), Access::Denied)
        }
    }
}

fn registry_firewall(target: &RegistryTarget) -> String {
    let registry = target.resource();
    format!(
        "allow this host's public address in the registry's firewall (az acr network-rule add --name {registry} --ip-address ADDRESS), or connect through a private endpoint"
    )
}

/// Returns the failed check of a challenge that names a token server other than the registry.
pub(super) fn foreign_token_server(why: &str) -> Check {
    Check::new(TOKEN, false, format!("none: {why}"), NOT_AZURE)
}

#[derive(Deserialize)]
struct RegistryTokenResponse {
    access_token: Option<String>,
    token: Option<String>,
}

/// Checks the response to the request for a token, and returns the token. `with_credentials`: whether user and password were sent.
pub(super) fn check_token(
    target: &RegistryTarget,
    with_credentials: bool,
    result: &RegistryResult,
) -> (Check, Option<String>) {
    let response = match result {
        Ok(response) => response,
        Err(why) => return (no_response(TOKEN, &target.login, why), None),
    };
    let failed = |message: String, fix: &str| (Check::new(TOKEN, false, message, fix), None);
    match (response.status, token_of(response)) {
        (200, Some(token)) => {
            let message = match with_credentials {
                true => "granted",
                false => "granted without credentials",
            };
            (Check::new(TOKEN, true, message, ""), Some(token))
        }
        (400 | 401, _) if with_credentials => failed(
            format!("these credentials are refused, {}", response.outcome()),
            "use the name and password of a token, a service principal or the admin user of this registry",
        ),
        (400 | 401, _) => failed(
            format!("refused without credentials, {}", response.outcome()),
            "pass --username and --password-stdin for a user that may pull",
        ),
        (403, _) => failed(
            format!("refused, {}", response.outcome()),
            &registry_firewall(target),
        ),
        (429 | 500..=599, _) => failed(
            format!("not available now, {}", response.outcome()),
            "try again later",
        ),
        _ => failed(
            format!("no token in the response, {}", response.outcome()),
            NOT_AZURE,
        ),
    }
}

/// Returns the token if it is valid in a header (RFC 6750 section 2.1).
fn token_of(response: &RegistryResponse) -> Option<String> {
    let response: RegistryTokenResponse = serde_json::from_slice(&response.body).ok()?;
    let token = response.access_token.or(response.token)?;
    let fits = !token.is_empty() && token.bytes().all(|byte| byte.is_ascii_graphic());
    fits.then_some(token)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Cloud;
    use crate::doctor::registry::response::NoResponse;

    fn target() -> RegistryTarget {
        RegistryTarget::parse("contoso", Cloud::Public).unwrap()
    }

    fn response(status: u16, body: &str) -> RegistryResponse {
        RegistryResponse {
            status,
            body: body.as_bytes().to_vec(),
            ..RegistryResponse::default()
        }
    }

    fn challenged(status: u16) -> RegistryResponse {
        let challenge = r#"Bearer realm="https://contoso.azurecr.io/oauth2/token",service="contoso.azurecr.io""#;
        RegistryResponse {
            challenge: Some(challenge.to_owned()),
            ..response(status, "")
        }
    }

    #[test]
    fn only_401_with_a_bearer_challenge_passes() {
        let firewall = r#"{"errors":[{"code":"DENIED","message":"client with IP '192.0.2.1' is not allowed access."}]}"#;
        for (answer, is_ok, access, fix) in [
            (Ok(challenged(401)), true, "token", ""),
            (Ok(response(401, "")), false, "denied", "in its place"),
            (Ok(response(200, "{}")), false, "anonymous", "in its place"),
            (
                Ok(response(403, firewall)),
                false,
                "denied",
                "network-rule add --name contoso",
            ),
            (Ok(response(404, "")), false, "denied", "in its place"),
            (Ok(response(307, "")), false, "denied", "in its place"),
            (Ok(response(429, "")), false, "denied", "later"),
            (Ok(response(503, "")), false, "denied", "later"),
            (
                Err(NoResponse::Refused),
                false,
                "denied",
                "explain contoso.azurecr.io",
            ),
        ] {
            let (check, found) = check_login(&target(), &answer);
            let found = match found {
                Access::Token(_) => "token",
                Access::Anonymous => "anonymous",
                Access::Denied => "denied",
            };
            assert_eq!((check.is_ok(), found), (is_ok, access), "{answer:?}");
            assert!(check.fix.contains(fix), "{answer:?}: {}", check.fix);
        }
        let (refused, _) = check_login(&target(), &Ok(response(403, firewall)));
        assert!(
            refused.message.contains("client with IP '192.0.2.1'"),
            "{}",
            refused.message
        );
    }

    #[test]
    fn a_token_is_found_under_either_key() {
        for body in [r#"{"access_token":"abc.def"}"#, r#"{"token":"abc.def"}"#] {
            let (check, token) = check_token(&target(), true, &Ok(response(200, body)));
            assert!(check.is_ok(), "{body}");
            assert_eq!(token.as_deref(), Some("abc.def"));
            assert!(!format!("{check:?}").contains("abc"), "{check:?}");
        }
    }

    #[test]
    fn a_missing_token_is_explained() {
        let echo =
            r#"{"errors":[{"code":"UNAUTHORIZED","message":"no user with password s3cret"}]}"#;
        for (with, status, body, found, fix) in [
            (
                true,
                401,
                echo,
                "credentials are refused",
                "password of a token",
            ),
            (
                false,
                401,
                echo,
                "refused without credentials",
                "--password-stdin",
            ),
            (true, 403, "", "refused", "network-rule"),
            (true, 500, "", "not available now", "later"),
            (true, 200, "{}", "no token in the response", "in its place"),
            (
                true,
                200,
                r#"{"token":"a\r\nHost: evil"}"#,
                "no token in the response",
                "in its place",
            ),
            (true, 302, "", "no token in the response", "in its place"),
        ] {
            let (check, token) = check_token(&target(), with, &Ok(response(status, body)));
            assert!(!check.is_ok() && token.is_none(), "{status} {body}");
            assert!(check.message.contains(found), "{check:?}");
            assert!(check.fix.contains(fix), "{check:?}");
            assert!(!format!("{check:?}").contains("s3cret"), "{check:?}");
        }
    }
}
