//! Tokens and secrets: random text that tests can find wherever it leaks.

use anyhow::Result;
use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use ring::rand::{SecureRandom, SystemRandom};

use super::state::State;

/// Returns 256 random bits in base64url.
pub(super) fn random() -> Result<String> {
    let mut bytes = [0; 32];
    SystemRandom::new()
        .fill(&mut bytes)
        .map_err(|_unspecified| anyhow::anyhow!("the kernel returned no random bytes"))?;
    Ok(BASE64_URL_SAFE_NO_PAD.encode(bytes))
}

/// Issues a token that Resource Manager accepts. It has the form of Entra's tokens, which are opaque to clients.
pub(super) fn issue(state: &mut State) -> Result<String> {
    let token = format!("eyJ0eXAiOiJKV1QifQ.{}.{}", random()?, random()?);
    state.valid.insert(token.clone());
    state.secrets.insert(token.clone());
    Ok(token)
}
