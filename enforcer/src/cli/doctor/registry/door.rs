//! Getting in: the login server's first answer, and the token.

use serde::Deserialize;

use super::challenge::Bearer;
use super::reply::{Answer, Reply, unanswered};
use super::target::Target;
use crate::kernel::Check;

/// What this step is called.
const LOGIN: &str = "login server";
const TOKEN: &str = "token";
/// The fix where something else than the registry seems to answer.
const WHO_ANSWERS: &str = "no Azure registry answers so: see what answers in its place from here (a proxy, a mirror, a wrong DNS answer)";

/// How to go on from the login server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Door {
    /// With a token from there.
    Token(Bearer),
    /// Without one.
    Open,
    /// Not at all.
    Shut,
}

/// What the answer to `GET /v2/` says (OCI distribution specification 1.1, "Determining support").
pub(super) fn judge_login(target: &Target, answer: &Answer) -> (Check, Door) {
    let reply = match answer {
        Ok(reply) => reply,
        Err(why) => return (unanswered(LOGIN, &target.login, why), Door::Shut),
    };
    let unfit = |found: String, fix: &str| Check::new(LOGIN, false, found, fix);
    let bearer = reply.challenge.as_deref().and_then(Bearer::find);
    match (reply.status, bearer) {
        (401, Some(bearer)) => {
            let found = "answers as a registry does: 401, with the address for tokens";
            (Check::new(LOGIN, true, found, ""), Door::Token(bearer))
        }
        (200, _) => {
            let found = "lets everybody in without a token (200)".to_owned();
            (unfit(found, WHO_ANSWERS), Door::Open)
        }
        (403, _) => {
            let words = reply
                .words()
                .map_or_else(String::new, |words| format!(": {words}"));
            let found = format!("refuses this host, {}{words}", reply.outcome());
            (unfit(found, &own_firewall(target)), Door::Shut)
        }
        (429 | 500..=599, _) => {
            let found = format!("does not serve now, {}", reply.outcome());
            (unfit(found, "try again later"), Door::Shut)
        }
        _ => {
            let found = format!(
                "gives another answer than 401 and Bearer, {}",
                reply.outcome()
            );
            (unfit(found, WHO_ANSWERS), Door::Shut)
        }
    }
}

fn own_firewall(target: &Target) -> String {
    let registry = target.resource();
    format!(
        "the registry's own firewall: let this host's public address in (az acr network-rule add --name {registry} --ip-address ADDRESS) or come by a private endpoint"
    )
}

/// What is said where the registry sends for tokens where nobody should go.
pub(super) fn misled(why: &str) -> Check {
    Check::new(TOKEN, false, format!("none: {why}"), WHO_ANSWERS)
}

#[derive(Deserialize)]
struct Granted {
    access_token: Option<String>,
    token: Option<String>,
}

/// What the answer to the request for a token says, and the token. `with_credentials`: whether user and password were sent.
pub(super) fn judge_token(
    target: &Target,
    with_credentials: bool,
    answer: &Answer,
) -> (Check, Option<String>) {
    let reply = match answer {
        Ok(reply) => reply,
        Err(why) => return (unanswered(TOKEN, &target.login, why), None),
    };
    let unfit = |found: String, fix: &str| (Check::new(TOKEN, false, found, fix), None);
    match (reply.status, granted(reply)) {
        (200, Some(token)) => {
            let found = if with_credentials {
                "granted"
            } else {
                "granted to anybody"
            };
            (Check::new(TOKEN, true, found, ""), Some(token))
        }
        (400 | 401, _) if with_credentials => unfit(
            format!("these credentials are refused, {}", reply.outcome()),
            "give the name and password of a token, a service principal or the admin user of this registry",
        ),
        (400 | 401, _) => unfit(
            format!("not without credentials, {}", reply.outcome()),
            "give --username and --password-stdin, for a user that may pull",
        ),
        (403, _) => unfit(
            format!("refused, {}", reply.outcome()),
            &own_firewall(target),
        ),
        (429 | 500..=599, _) => unfit(format!("not now, {}", reply.outcome()), "try again later"),
        _ => unfit(format!("no token came, {}", reply.outcome()), WHO_ANSWERS),
    }
}

/// The token, if it can stand in a header (RFC 6750 section 2.1).
fn granted(reply: &Reply) -> Option<String> {
    let granted: Granted = serde_json::from_slice(&reply.body).ok()?;
    let token = granted.access_token.or(granted.token)?;
    let fits = !token.is_empty() && token.bytes().all(|byte| byte.is_ascii_graphic());
    fits.then_some(token)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::doctor::registry::reply::Unanswered;
    use crate::config::Cloud;

    fn target() -> Target {
        Target::read("contoso", Cloud::Public).unwrap()
    }

    fn reply(status: u16, body: &str) -> Reply {
        Reply {
            status,
            body: body.as_bytes().to_vec(),
            ..Reply::default()
        }
    }

    fn challenged(status: u16) -> Reply {
        let challenge = r#"Bearer realm="https://contoso.azurecr.io/oauth2/token",service="contoso.azurecr.io""#;
        Reply {
            challenge: Some(challenge.to_owned()),
            ..reply(status, "")
        }
    }

    #[test]
    fn only_a_bearer_challenge_is_how_a_registry_answers() {
        let firewall = r#"{"errors":[{"code":"DENIED","message":"client with IP '192.0.2.1' is not allowed access."}]}"#;
        for (answer, fit, door, said) in [
            (Ok(challenged(401)), true, "token", ""),
            (Ok(reply(401, "")), false, "shut", "answers in its place"),
            (Ok(reply(200, "{}")), false, "open", "answers in its place"),
            (
                Ok(reply(403, firewall)),
                false,
                "shut",
                "network-rule add --name contoso",
            ),
            (Ok(reply(404, "")), false, "shut", "answers in its place"),
            (Ok(reply(307, "")), false, "shut", "answers in its place"),
            (Ok(reply(429, "")), false, "shut", "later"),
            (Ok(reply(503, "")), false, "shut", "later"),
            (
                Err(Unanswered::Refused),
                false,
                "shut",
                "explain contoso.azurecr.io",
            ),
        ] {
            let (check, found) = judge_login(&target(), &answer);
            let found = match found {
                Door::Token(_) => "token",
                Door::Open => "open",
                Door::Shut => "shut",
            };
            assert_eq!((check.is_ok(), found), (fit, door), "{answer:?}");
            assert!(check.fix.contains(said), "{answer:?}: {}", check.fix);
        }
        let (refused, _) = judge_login(&target(), &Ok(reply(403, firewall)));
        assert!(
            refused.message.contains("client with IP '192.0.2.1'"),
            "{}",
            refused.message
        );
    }

    #[test]
    fn a_token_comes_by_either_name() {
        for body in [r#"{"access_token":"abc.def"}"#, r#"{"token":"abc.def"}"#] {
            let (check, token) = judge_token(&target(), true, &Ok(reply(200, body)));
            assert!(check.is_ok(), "{body}");
            assert_eq!(token.as_deref(), Some("abc.def"));
            assert!(!format!("{check:?}").contains("abc"), "{check:?}");
        }
    }

    #[test]
    fn no_token_is_told_by_its_cause() {
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
                "not without credentials",
                "--password-stdin",
            ),
            (true, 403, "", "refused", "network-rule"),
            (true, 500, "", "not now", "later"),
            (true, 200, "{}", "no token came", "in its place"),
            (
                true,
                200,
                r#"{"token":"a\r\nHost: evil"}"#,
                "no token came",
                "in its place",
            ),
            (true, 302, "", "no token came", "in its place"),
        ] {
            let (check, token) = judge_token(&target(), with, &Ok(reply(status, body)));
            assert!(!check.is_ok() && token.is_none(), "{status} {body}");
            assert!(check.message.contains(found), "{check:?}");
            assert!(check.fix.contains(fix), "{check:?}");
            assert!(!format!("{check:?}").contains("s3cret"), "{check:?}");
        }
    }
}
