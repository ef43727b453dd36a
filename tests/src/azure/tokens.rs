//! Tokens and secrets: random text that tests can find wherever it leaks.

use anyhow::Result;
use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use ring::rand::{SecureRandom, SystemRandom};

/// Returns 256 random bits in base64url.
pub(super) fn random() -> Result<String> {
    let mut bytes = [0; 32];
    SystemRandom::new()
        .fill(&mut bytes)
        .map_err(|_unspecified| anyhow::anyhow!("the kernel returned no random bytes"))?;
    Ok(BASE64_URL_SAFE_NO_PAD.encode(bytes))
}
