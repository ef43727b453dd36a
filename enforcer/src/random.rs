//! Random bytes of the system, and jitter that spreads queries over time.

use std::time::Duration;

use ring::error::Unspecified;
use ring::rand::{SecureRandom as _, SystemRandom};

/// The random part of a wait is at most the wait divided by this.
pub(crate) const SPREAD: u32 = 10;

/// Returns `N` bytes of the system's generator (getrandom(2)), for unpredictable identifiers.
///
/// # Errors
/// If the system provides none.
pub(crate) fn bytes<const N: usize>() -> Result<[u8; N], Unspecified> {
    let mut bytes = [0; N];
    generator().fill(&mut bytes)?;
    Ok(bytes)
}

/// Returns the system's generator, for signatures.
pub(crate) fn generator() -> SystemRandom {
    SystemRandom::new()
}

/// Returns a seed for [`Jitter`] that differs between hosts and between starts. It need not be secret.
pub(crate) fn seed() -> u64 {
    bytes().map_or_else(|_none| std::process::id().into(), u64::from_le_bytes)
}

/// A pseudo-random sequence (SplitMix64), determined by its seed. It prevents hosts from querying at the same instant.
#[derive(Debug)]
pub(crate) struct Jitter(u64);

impl Jitter {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// Returns `wait`, lengthened by up to a tenth.
    pub(crate) fn spread(&mut self, wait: Duration) -> Duration {
        let [fraction, ..] = self.next().to_le_bytes();
        wait + wait * u32::from(fraction) / (u32::from(u8::MAX) * SPREAD)
    }

    /// Returns a duration between zero and `wait`.
    pub(crate) fn up_to(&mut self, wait: Duration) -> Duration {
        let [fraction, ..] = self.next().to_le_bytes();
        wait * u32::from(fraction) / u32::from(u8::MAX)
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn seconds(count: u64) -> Duration {
        Duration::from_secs(count)
    }

    #[test]
    fn jitter_repeats_with_its_seed_and_differs_between_draws() {
        let draw = |seed| {
            let mut jitter = Jitter::new(seed);
            [(); 8].map(|()| jitter.spread(seconds(100)))
        };
        assert_eq!(draw(1), draw(1));
        assert_ne!(draw(1), draw(2));
        let mut drawn = draw(1).to_vec();
        drawn.dedup();
        assert!(drawn.len() > 4, "{drawn:?}");
    }

    #[test]
    fn seeds_differ() {
        assert_ne!(seed(), seed());
    }
}
