//! Limits the rate of datagrams to the resolvers: besides scheduled queries these are retries, also those of the DNS library.

use std::time::Duration;

use tokio::sync::Mutex;
use tokio::time::{Instant, sleep};

use crate::resolver::rate_limiter::RateLimiter;

/// Delays queries as [`RateLimiter`] requires, in the order of their arrival.
pub(super) struct QueryLimiter {
    since: Instant,
    limiter: Mutex<RateLimiter>,
}

impl QueryLimiter {
    pub(super) fn new() -> Self {
        Self {
            since: Instant::now(),
            limiter: Mutex::default(),
        }
    }

    /// Waits until one more query may be sent, and counts it. A caller that stops waiting uses up no permit.
    pub(super) async fn acquire(&self) {
        let mut limiter = self.limiter.lock().await;
        let wait = limiter.next_query().saturating_sub(self.now());
        if !wait.is_zero() {
            sleep(wait).await;
        }
        limiter.send(self.now());
    }

    fn now(&self) -> Duration {
        self.since.elapsed()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::resolver::rate_limiter::QUERIES_PER_SECOND;

    #[test]
    fn queries_beyond_the_limit_wait_for_the_next_second() {
        let mut runtime = tokio::runtime::Builder::new_current_thread();
        let runtime = runtime.enable_time().start_paused(true).build().unwrap();
        let sent = runtime.block_on(async {
            let limiter = QueryLimiter::new();
            let mut sent = Vec::new();
            for _ in 0..100 {
                limiter.acquire().await;
                sent.push(limiter.now());
            }
            sent
        });
        for pair in sent.windows(QUERIES_PER_SECOND + 1) {
            assert!(pair[QUERIES_PER_SECOND] - pair[0] > Duration::from_secs(1));
        }
        assert!(sent[99] < Duration::from_secs(5), "{:?}", sent[99]);
    }

    #[test]
    fn a_caller_that_stops_waiting_uses_up_no_permit() {
        let mut runtime = tokio::runtime::Builder::new_current_thread();
        let runtime = runtime.enable_time().start_paused(true).build().unwrap();
        runtime.block_on(async {
            let limiter = QueryLimiter::new();
            for _ in 0..QUERIES_PER_SECOND {
                limiter.acquire().await;
            }
            for _ in 0..QUERIES_PER_SECOND {
                let turn = tokio::time::timeout(Duration::from_millis(10), limiter.acquire());
                assert!(turn.await.is_err());
            }
            for _ in 0..QUERIES_PER_SECOND {
                limiter.acquire().await;
            }
            assert!(limiter.now() < Duration::from_secs(2));
        });
    }
}
