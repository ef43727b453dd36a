//! Tokens and secrets: random text that stands out wherever it turns up.

use anyhow::Result;
use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use ring::rand::{SecureRandom, SystemRandom};

use super::state::State;

/// 256 random bits.
pub(super) fn random() -> Result<String> {
    let mut bytes = [0; 32];
    SystemRandom::new()
        .fill(&mut bytes)
        .map_err(|_unspecified| anyhow::anyhow!("the kernel gives no random bytes"))?;
    Ok(BASE64_URL_SAFE_NO_PAD.encode(bytes))
}

/// A token that Resource Manager takes from here on. It looks like one of Entra's, which nobody but the resource may read.
pub(super) fn issue(state: &mut State) -> Result<String> {
    let token = format!("eyJ0eXAiOiJKV1QifQ.{}.{}", random()?, random()?);
    state.valid.insert(token.clone());
    state.secrets.insert(token.clone());
    Ok(token)
}
