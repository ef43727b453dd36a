//! Managed identities: the metadata service (IMDS) of a virtual machine, and the agent of Azure Arc with its challenge.

use std::fs;

use anyhow::Result;
use serde_json::json;

use super::{
    http::{Head, Reply},
    principal::CLIENT,
    state::State,
    tokens,
};

const PATH: &str = "/metadata/identity/oauth2/token";
/// The resource with and without the final slash; clients use both.
const RESOURCES: [&str; 2] = [
    "https://management.azure.com/",
    "https://management.azure.com",
];
/// The directory of the agent's secret files as seen by clients.
const TOKENS: &str = "/var/opt/azcmagent/tokens";

/// Answers as IMDS, which refuses requests through a proxy and requests that a web page could send.
pub(super) fn imds(head: &Head, state: &mut State) -> Reply {
    if let Some(refusal) = refusal(head, &["2018-02-01", "2019-08-01"]) {
        return refusal;
    }
    let query = head.query();
    if query.get("client_id").is_some_and(|id| id != CLIENT) {
        return invalid("Identity not found");
    }
    granted(state)
}

/// Answers as the agent of Azure Arc: 401 and the path of a secret file, readable by root and the agent's group only, for a request
/// without proof. The file's content is the proof for one further request.
pub(super) fn arc(head: &Head, state: &mut State) -> Reply {
    if let Some(refusal) = refusal(head, &["2019-11-01", "2020-06-01", "2021-02-01"]) {
        return refusal;
    }
    let proof = head
        .header("authorization")
        .and_then(|value| value.strip_prefix("Basic "));
    match proof {
        Some(proof) if state.challenges.remove(proof) => granted(state),
        Some(_unknown) => failure(401),
        None => challenge(state).unwrap_or_else(|_error| failure(500)),
    }
}

/// Returns the body of a failure in the services' format.
pub(super) fn failure(status: u16) -> Reply {
    let (error, message) = match status {
        401 => ("unauthorized_client", "Invalid challenge token"),
        404 => ("not_found", "Identity not found"),
        429 => ("too_many_requests", "Too many requests"),
        _ => ("unknown", "Failed to retrieve token"),
    };
    Reply::json(
        status,
        &json!({ "error": error, "error_description": message }),
    )
}

fn refusal(head: &Head, versions: &[&str]) -> Option<Reply> {
    let query = head.query();
    let given = |key: &str| query.get(key).map(String::as_str).unwrap_or_default();
    if head.header("x-forwarded-for").is_some() {
        return Some(invalid("X-Forwarded-For is not allowed"));
    }
    if head.header("metadata") != Some("true") {
        return Some(invalid("Required metadata header not specified"));
    }
    if head.method != "GET" || head.path() != PATH {
        return Some(failure(404));
    }
    if !versions.contains(&given("api-version")) {
        return Some(invalid("api-version is missing or not supported"));
    }
    let is_known = RESOURCES.contains(&given("resource"));
    (!is_known).then(|| invalid("AADSTS500011: the resource principal was not found"))
}

fn invalid(message: &str) -> Reply {
    let body = json!({ "error": "invalid_request", "error_description": message });
    Reply::json(400, &body)
}

/// Returns a token; all numbers are strings.
fn granted(state: &mut State) -> Reply {
    let Ok(token) = state.issue_token() else {
        return failure(500);
    };
    let now = jiff::Timestamp::now().as_second();
    let life = i64::try_from(state.token_life).unwrap_or(i64::MAX / 2);
    let body = json!({
        "access_token": token,
        "client_id": CLIENT,
        "refresh_token": "",
        "expires_in": life.to_string(),
        "expires_on": (now + life).to_string(),
        "ext_expires_in": "86399",
        "not_before": (now - 300).to_string(),
        "resource": RESOURCES[0],
        "token_type": "Bearer",
    });
    Reply::json(200, &body)
}

fn challenge(state: &mut State) -> Result<Reply> {
    let realm = match &state.realm {
        Some(realm) => realm.clone(),
        None => {
            let secret = tokens::random()?;
            let name = format!("{}.key", tokens::random()?);
            fs::write(state.tokens_dir.join(&name), &secret)?;
            state.challenges.insert(secret.clone());
            state.secrets.insert(secret);
            format!("{TOKENS}/{name}")
        }
    };
    let reply = failure(401);
    Ok(reply.with("WWW-Authenticate", format!("Basic realm={realm}")))
}
