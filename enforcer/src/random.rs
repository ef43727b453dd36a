//! The jitter that spreads questions out, so that hosts do not ask at the same instant.

use std::time::Duration;

/// One part in this many of a wait is random.
pub(crate) const SPREAD: u32 = 10;

/// A small random sequence (SplitMix64), the same for the same seed.
#[derive(Debug)]
pub(crate) struct Jitter(u64);

impl Jitter {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// `wait` and up to a tenth more.
    pub(crate) fn spread(&mut self, wait: Duration) -> Duration {
        let [fraction, ..] = self.next().to_le_bytes();
        wait + wait * u32::from(fraction) / (u32::from(u8::MAX) * SPREAD)
    }

    /// Any part of `wait`.
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
    fn the_spread_repeats_with_its_seed_and_differs_between_draws() {
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
}
