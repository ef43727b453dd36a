//! Which steps are taken, by the seed.

use test_data::Random;

/// A kind of step.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Kind {
    Kill,
    Stop,
    Version,
    Region,
    Invalid,
    Tags,
    Devices,
    Flood,
    Bypass,
    Endure,
}

/// How often each kind comes.
const WEIGHTS: [(Kind, usize); 10] = [
    (Kind::Kill, 3),
    (Kind::Stop, 2),
    (Kind::Version, 4),
    (Kind::Region, 4),
    (Kind::Invalid, 4),
    (Kind::Tags, 5),
    (Kind::Devices, 7),
    (Kind::Flood, 4),
    (Kind::Bypass, 6),
    (Kind::Endure, 1),
];

impl Kind {
    pub(crate) const fn word(self) -> &'static str {
        match self {
            Self::Kill => "kill",
            Self::Stop => "stop",
            Self::Version => "version",
            Self::Region => "region",
            Self::Invalid => "invalid configuration",
            Self::Tags => "service tags",
            Self::Devices => "devices",
            Self::Flood => "flood",
            Self::Bypass => "bypass",
            Self::Endure => "many changes",
        }
    }
}

/// The steps to come: one of each kind, then random ones.
pub(crate) struct Plan {
    random: Random,
    first: Vec<Kind>,
}

impl Plan {
    pub(crate) fn new(seed: u64) -> Self {
        let mut random = Random::new(seed);
        let mut kinds: Vec<Kind> = WEIGHTS.iter().map(|(kind, _)| *kind).collect();
        let mut first = Vec::new();
        while !kinds.is_empty() {
            first.push(kinds.swap_remove(random.below(kinds.len())));
        }
        Self { random, first }
    }

    /// How many steps there are before the random ones.
    pub(crate) fn warm_up(&self) -> usize {
        self.first.len()
    }

    /// Returns the next step, and what it draws from. How much it draws does not change the steps behind it.
    pub(crate) fn next_step(&mut self) -> (Kind, Random) {
        let kind = self
            .first
            .pop()
            .unwrap_or_else(|| weighted(&mut self.random));
        (kind, Random::new(self.random.number()))
    }
}

fn weighted(random: &mut Random) -> Kind {
    let all = WEIGHTS.iter().map(|(_, weight)| weight).sum();
    let mut drawn = random.below(all);
    for (kind, weight) in WEIGHTS {
        match drawn.checked_sub(weight) {
            Some(rest) => drawn = rest,
            None => return kind,
        }
    }
    Kind::Bypass
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_repeats_the_steps_which_begin_with_one_of_each_kind() {
        let steps = |seed| {
            let mut plan = Plan::new(seed);
            let steps = (0..200).map(move |_| plan.next_step());
            steps
                .map(|(kind, mut random)| (kind, random.number()))
                .collect::<Vec<_>>()
        };
        assert_eq!(steps(7), steps(7));
        assert_ne!(steps(7), steps(8));
        let mut first: Vec<_> = steps(7)[..WEIGHTS.len()]
            .iter()
            .map(|step| step.0)
            .collect();
        first.sort_unstable();
        assert_eq!(first, WEIGHTS.map(|(kind, _)| kind));
    }
}
