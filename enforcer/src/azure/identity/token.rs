//! Tokens: the cache of the one in use, and the answers that contain them.

use std::fmt;
use std::time::{Duration, Instant, SystemTime};

use hyper::StatusCode;
use hyper::header::HeaderValue;
use serde::Deserialize;

use super::CredentialProblem;
use crate::https::Response;

/// The longest lifetime of a token that is accepted.
const LONGEST: Duration = Duration::from_hours(24);
/// The longest error code that is shown.
const MAX_CODE: usize = 64;

/// A bearer token. It is never shown.
#[derive(Clone)]
pub struct Token {
    header: HeaderValue,
    expires: Instant,
}

impl Token {
    /// Creates the token `text`, valid for `life` from `now` on; `None` when it cannot be in a header.
    pub(super) fn new(text: &str, now: Instant, life: Duration) -> Option<Self> {
        let is_token = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_graphic());
        let mut header = HeaderValue::try_from(format!("Bearer {text}")).ok()?;
        header.set_sensitive(true);
        let expires = now + life.min(LONGEST);
        is_token.then_some(Self { header, expires })
    }

    /// The value of `Authorization`, marked as sensitive.
    pub fn header(&self) -> HeaderValue {
        self.header.clone()
    }

    /// When it expires.
    pub(super) fn expires(&self) -> Instant {
        self.expires
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Token")
    }
}

/// A token is not used in the last part of its lifetime, so that none expires during a request.
const MARGIN: Duration = Duration::from_mins(5);

/// At most one token.
#[derive(Debug, Default)]
pub(super) struct TokenCache {
    token: Option<Token>,
}

impl TokenCache {
    /// Returns the token while it is valid for more than five minutes.
    pub(super) fn get(&self, now: Instant) -> Option<Token> {
        let token = self.token.as_ref()?;
        let left = token.expires().saturating_duration_since(now);
        (left > MARGIN).then(|| token.clone())
    }

    /// Replaces the token.
    pub(super) fn store(&mut self, token: Token) {
        self.token = Some(token);
    }
}

/// The answer with a token; some servers write numbers as strings.
#[derive(Deserialize)]
struct TokenResponse {
    access_token: String,
    expires_in: Option<Number>,
    expires_on: Option<Number>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Number {
    Number(u64),
    Text(String),
}

impl Number {
    fn seconds(&self) -> Option<Duration> {
        let seconds = match self {
            Self::Number(number) => Some(*number),
            Self::Text(text) => text.parse().ok(),
        };
        seconds.map(Duration::from_secs)
    }
}

/// The answer with an error (RFC 6749 section 5.2).
#[derive(Deserialize)]
struct OAuthError {
    error: Option<String>,
    error_description: Option<String>,
}

/// Reads the token from the `response` of `server`; `fix` becomes part of the error when the request is refused.
pub(super) fn read(
    response: &Response,
    server: &str,
    fix: &'static str,
) -> Result<Token, CredentialProblem> {
    if response.status() != StatusCode::OK {
        return Err(refused(response, server, fix));
    }
    // The parser's error is not passed on: it may quote the answer.
    let no_token = |problem| CredentialProblem::NoToken {
        server: server.to_owned(),
        problem,
    };
    let granted: TokenResponse = serde_json::from_slice(response.body())
        .or(Err(no_token("its answer is not JSON with a token")))?;
    let life = life(&granted, SystemTime::now());
    Token::new(&granted.access_token, Instant::now(), life)
        .ok_or_else(|| no_token("its token is empty or not plain text"))
}

/// Returns the lifetime of the token. Without one in the answer, the token is used once.
fn life(granted: &TokenResponse, now: SystemTime) -> Duration {
    let relative = granted.expires_in.as_ref().and_then(Number::seconds);
    let absolute = || {
        let end = granted.expires_on.as_ref().and_then(Number::seconds)?;
        let now = now.duration_since(SystemTime::UNIX_EPOCH).ok()?;
        end.checked_sub(now)
    };
    relative.or_else(absolute).unwrap_or_default()
}

/// Returns the error of a refused request with its code but without its description, which may contain anything.
pub(super) fn refused(response: &Response, server: &str, fix: &'static str) -> CredentialProblem {
    let refusal = serde_json::from_slice::<OAuthError>(response.body()).ok();
    CredentialProblem::Refused {
        server: server.to_owned(),
        status: response.status(),
        code: refusal.as_ref().and_then(code),
        fix,
        retry_after: response.retry_after(SystemTime::now()),
    }
}

/// Returns the code of Entra ID (`AADSTS7000215`) when there is one, else that of OAuth (`invalid_client`).
fn code(refusal: &OAuthError) -> Option<String> {
    let detail = refusal.error_description.as_deref().and_then(|text| {
        let code = text.split(':').next()?;
        let digits = code.strip_prefix("AADSTS")?;
        let is_code = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
        (is_code && code.len() <= MAX_CODE).then(|| code.to_owned())
    });
    let plain = refusal.error.as_deref().filter(|code| {
        let fits = |byte: u8| byte.is_ascii_lowercase() || byte == b'_';
        code.len() <= MAX_CODE && code.bytes().all(fits)
    });
    detail.or_else(|| plain.map(str::to_owned))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn granted(json: &str) -> TokenResponse {
        serde_json::from_str(json).unwrap()
    }

    #[test]
    fn lifetimes_are_read_as_numbers_and_as_strings() {
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(1_000);
        for (fields, seconds) in [
            (r#""expires_in":3599"#, 3599),
            (r#""expires_in":"3599","expires_on":"1506484173""#, 3599),
            (r#""expires_on":"1060""#, 60),
            (r#""expires_on":1060"#, 60),
            (r#""expires_on":"900""#, 0),
            (r#""expires_in":"soon""#, 0),
            (r#""refresh_token":"""#, 0),
        ] {
            let json = format!(r#"{{"access_token":"t",{fields}}}"#);
            assert_eq!(life(&granted(&json), now).as_secs(), seconds, "{fields}");
        }
    }

    #[test]
    fn a_token_is_never_shown_and_valid_for_a_day_at_most() {
        let now = Instant::now();
        let token = Token::new("eyJsecret", now, Duration::MAX).unwrap();
        assert_eq!(format!("{token:?}"), "Token");
        assert_eq!(format!("{:?}", token.header()), "Sensitive");
        assert_eq!(token.header().to_str().unwrap(), "Bearer eyJsecret");
        assert_eq!(token.expires() - now, LONGEST);
        for wrong in ["", "a b", "a\r\nHost: x", "ü"] {
            assert!(Token::new(wrong, now, LONGEST).is_none(), "{wrong}");
        }
    }

    #[test]
    fn only_the_code_of_a_refusal_is_kept() {
        let code = |json: &str| code(&serde_json::from_str(json).unwrap());
        assert_eq!(
            code(r#"{"error":"invalid_client","error_description":"AADSTS7000215: Invalid x7"}"#),
            Some("AADSTS7000215".to_owned())
        );
        assert_eq!(
            code(r#"{"error":"invalid_request","error_description":"Identity not found"}"#),
            Some("invalid_request".to_owned())
        );
        assert_eq!(code(r#"{"error":"Bearer x7"}"#), None);
        assert_eq!(code(r#"{"error_description":"AADSTSx7: y"}"#), None);
    }

    #[test]
    fn a_token_is_used_until_five_minutes_before_it_expires() {
        let now = Instant::now();
        let mut cache = TokenCache::default();
        assert!(cache.get(now).is_none());
        cache.store(Token::new("t", now, Duration::from_mins(60)).unwrap());
        let after = |minutes| cache.get(now + Duration::from_mins(minutes));
        assert!(after(54).is_some());
        assert!(after(55).is_none());
        assert!(after(600).is_none());
    }
}
