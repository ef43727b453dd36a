//! Entra's token endpoint for a service principal with a secret, a federated token, or an assertion signed with a certificate's key.

use base64::{
    Engine,
    prelude::{BASE64_STANDARD, BASE64_URL_SAFE_NO_PAD},
};
use ring::{
    digest::{SHA1_FOR_LEGACY_USE_ONLY, SHA256, digest},
    signature::{
        RSA_PKCS1_2048_8192_SHA256, RSA_PSS_2048_8192_SHA256, UnparsedPublicKey,
        VerificationAlgorithm,
    },
};
use serde_json::{Value, json};

use super::{
    http::{Head, Reply, form},
    principal::{CLIENT, Known, TENANT},
    state::State,
};

const BEARER: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";
const SCOPE: &str = "https://management.azure.com/.default";

/// A refusal: status, error, code and message.
type Refusal = (u16, &'static str, u32, String);

pub(super) fn answer(head: &Head, state: &mut State) -> Reply {
    match checked(head, &state.known) {
        Ok(()) => granted(state),
        Err((status, error, code, message)) => refused(status, error, code, &message),
    }
}

/// Returns the body of a failure in the service's format.
pub(super) fn failure(status: u16) -> Reply {
    let (error, code, message) = match status {
        401 => (
            "invalid_client",
            7_000_215,
            "Invalid client secret provided.",
        ),
        403 => (
            "access_denied",
            53_003,
            "Access has been blocked by policies.",
        ),
        429 => ("temporarily_unavailable", 90_055, "Too many requests."),
        _ => (
            "temporarily_unavailable",
            90_033,
            "A transient error has occurred.",
        ),
    };
    refused(status, error, code, message)
}

fn checked(head: &Head, known: &Known) -> Result<(), Refusal> {
    let form = form(&head.body);
    let given = |key: &str| form.get(key).map(String::as_str).unwrap_or_default();
    if head.method != "POST" || head.path() != format!("/{TENANT}/oauth2/v2.0/token") {
        return Err((
            400,
            "invalid_request",
            90_002,
            "Tenant not found.".to_owned(),
        ));
    }
    if given("grant_type") != "client_credentials" {
        let message = "The app requested an unsupported grant type.".to_owned();
        return Err((400, "unsupported_grant_type", 70_003, message));
    }
    if given("client_id") != CLIENT {
        let message = "Application was not found in the directory.".to_owned();
        return Err((400, "unauthorized_client", 700_016, message));
    }
    if given("scope") != SCOPE {
        let message = "The provided value for the input parameter 'scope' is not valid.".to_owned();
        return Err((400, "invalid_scope", 70_011, message));
    }
    if given("client_secret") == known.secret {
        return Ok(());
    }
    if form.contains_key("client_secret") {
        let message = "Invalid client secret provided.".to_owned();
        return Err((401, "invalid_client", 7_000_215, message));
    }
    if given("client_assertion_type") != BEARER {
        let message = "The request body must contain 'client_assertion' or 'client_secret'.";
        return Err((401, "invalid_client", 7_000_218, message.to_owned()));
    }
    let assertion = given("client_assertion");
    if assertion == known.federated {
        return Ok(());
    }
    signed(assertion, known).map_err(|message| (401, "invalid_client", 700_027, message))
}

/// Checks that an assertion is signed with the key of the uploaded certificate and has valid claims.
fn signed(assertion: &str, known: &Known) -> Result<(), String> {
    let mut parts = assertion.split('.');
    let (Some(head), Some(claims), Some(signature), None) =
        (parts.next(), parts.next(), parts.next(), parts.next())
    else {
        return Err("The assertion is not a JWT.".to_owned());
    };
    let message = &assertion[..head.len() + 1 + claims.len()];
    let head = json(head)?;
    let algorithm: &dyn VerificationAlgorithm = match head["alg"].as_str() {
        Some("RS256") => &RSA_PKCS1_2048_8192_SHA256,
        Some("PS256") => &RSA_PSS_2048_8192_SHA256,
        other => return Err(format!("The algorithm {other:?} is not supported.")),
    };
    if !names_certificate(&head, &known.certificate) {
        return Err("The certificate with the thumbprint was not found.".to_owned());
    }
    let signature = decoded(signature)?;
    UnparsedPublicKey::new(algorithm, &known.public_key)
        .verify(message.as_bytes(), &signature)
        .map_err(|_unspecified| "The signature is not valid.".to_owned())?;
    claims_hold(&json(claims)?)
}

/// Whether the header refers to the certificate: `x5t` is its SHA-1, `x5t#S256` its SHA-256 (RFC 7515, 4.1.7 and 4.1.8).
fn names_certificate(head: &Value, certificate: &[u8]) -> bool {
    [("x5t", &SHA1_FOR_LEGACY_USE_ONLY), ("x5t#S256", &SHA256)]
        .into_iter()
        .any(|(key, algorithm)| {
            let thumbprint = digest(algorithm, certificate);
            let url_safe = BASE64_URL_SAFE_NO_PAD.encode(thumbprint);
            let standard = BASE64_STANDARD.encode(thumbprint);
            head[key] == url_safe.as_str() || head[key] == standard.as_str()
        })
}

fn claims_hold(claims: &Value) -> Result<(), String> {
    let now = jiff::Timestamp::now().as_second();
    let number = |key: &str| claims[key].as_i64();
    let audiences = [
        format!("https://login.microsoftonline.com/{TENANT}/oauth2/v2.0/token"),
        format!("https://login.microsoftonline.com/{TENANT}/v2.0"),
    ];
    let is_audience = |wanted: &String| claims["aud"] == wanted.as_str();
    let holds = audiences.iter().any(is_audience)
        && claims["iss"] == CLIENT
        && claims["sub"] == CLIENT
        && claims["jti"].as_str().is_some_and(|id| !id.is_empty())
        && number("exp").is_some_and(|exp| now < exp && exp <= now + 24 * 3600)
        && number("nbf").is_none_or(|nbf| nbf <= now + 300);
    holds
        .then_some(())
        .ok_or_else(|| format!("The claims are not valid: {claims}"))
}

fn json(part: &str) -> Result<Value, String> {
    serde_json::from_slice(&decoded(part)?).map_err(|error| error.to_string())
}

fn decoded(part: &str) -> Result<Vec<u8>, String> {
    BASE64_URL_SAFE_NO_PAD
        .decode(part)
        .map_err(|error| error.to_string())
}

/// Returns a token; all numbers are numbers.
fn granted(state: &mut State) -> Reply {
    match state.issue_token() {
        Ok(token) => Reply::json(
            200,
            &json!({
                "token_type": "Bearer",
                "expires_in": state.token_life,
                "ext_expires_in": state.token_life,
                "access_token": token,
            }),
        ),
        Err(_error) => failure(500),
    }
}

fn refused(status: u16, error: &str, code: u32, message: &str) -> Reply {
    let time = jiff::Timestamp::now()
        .strftime("%Y-%m-%d %H:%M:%SZ")
        .to_string();
    let trace = "255d1aef-8c98-452f-ac51-23d051240864";
    let correlation = "fb3d2015-bc17-4bb9-bb85-30c5cf1aaaa7";
    let body = json!({
        "error": error,
        "error_description": format!(
            "AADSTS{code}: {message}\r\nTrace ID: {trace}\r\nCorrelation ID: {correlation}\r\nTimestamp: {time}"
        ),
        "error_codes": [code],
        "timestamp": time,
        "trace_id": trace,
        "correlation_id": correlation,
    });
    Reply::json(status, &body)
}
