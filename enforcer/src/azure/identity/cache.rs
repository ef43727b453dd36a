//! The token in use.

use std::time::{Duration, Instant};

use super::Token;

/// A token is not used in the last part of its life, so that none ends under way.
const MARGIN: Duration = Duration::from_mins(5);

/// At most one token.
#[derive(Debug, Default)]
pub(super) struct TokenCache {
    token: Option<Token>,
}

impl TokenCache {
    /// The token, while it lives for more than five minutes.
    pub(super) fn get(&self, now: Instant) -> Option<Token> {
        let token = self.token.as_ref()?;
        let left = token.expires().saturating_duration_since(now);
        (left > MARGIN).then(|| token.clone())
    }

    /// Keeps `token` in place of the one before.
    pub(super) fn store(&mut self, token: Token) {
        self.token = Some(token);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_used_until_five_minutes_before_its_end() {
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
