//! Chance for the simulator: streams of numbers that a seed determines, apart from those that the program draws.

use std::{cell::Cell, ops::RangeInclusive, time::Duration};

/// A stream of pseudo-random numbers: SplitMix64, by Steele, Lea and Flood.
#[derive(Debug)]
pub(crate) struct Random(Cell<u64>);

impl Random {
    /// One of the streams of a seed. Streams do not disturb each other: that the network draws once more does not
    /// change the order of the tasks.
    pub(crate) fn stream(seed: u64, stream: u64) -> Self {
        let apart = Self(Cell::new(seed ^ stream.rotate_left(32)));
        Self(Cell::new(apart.next()))
    }

    pub(crate) fn next(&self) -> u64 {
        let state = self.0.get().wrapping_add(0x9E37_79B9_7F4A_7C15);
        self.0.set(state);
        let z = (state ^ (state >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    /// Less than `end`, which is not 0. The bias of the multiplication, `end` in 2^64, harms nobody here.
    pub(crate) fn below(&self, end: u64) -> u64 {
        ((u128::from(self.next()) * u128::from(end)) >> 64) as u64
    }

    /// From 1 to `most`, which is not 0.
    pub(crate) fn up_to(&self, most: usize) -> usize {
        1 + self.below(most as u64) as usize
    }

    /// True that often. Draws nothing for what is certain.
    pub(crate) fn chance(&self, probability: f64) -> bool {
        probability > 0.0
            && (probability >= 1.0 || self.below(1 << 53) < (probability * (1_u64 << 53) as f64) as u64)
    }

    /// Within the range, both ends included. Draws nothing where there is no choice.
    pub(crate) fn duration(&self, range: &RangeInclusive<Duration>) -> Duration {
        let span = range.end().saturating_sub(*range.start()).as_nanos();
        let span = u64::try_from(span).unwrap_or(u64::MAX - 1);
        *range.start() + if span == 0 { Duration::ZERO } else { Duration::from_nanos(self.below(span + 1)) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn draws_stay_within_their_bounds_and_reach_them() {
        let random = Random::stream(7, 1);
        let range = Duration::from_nanos(3)..=Duration::from_nanos(5);
        let (mut seen, mut durations) = ([0; 3], [0; 3]);
        for _ in 0..1000 {
            seen[random.up_to(3) - 1] += 1;
            durations[random.duration(&range).as_nanos() as usize - 3] += 1;
        }
        assert!(seen.iter().chain(&durations).all(|&count| count > 250), "{seen:?} {durations:?}");
        let lucky = (0..1000).filter(|_| random.chance(0.25)).count();
        assert!((200..300).contains(&lucky), "{lucky}");
        assert!(random.chance(1.0) && !random.chance(0.0));
    }

    #[test]
    fn streams_of_one_seed_and_seeds_of_one_stream_differ() {
        let first = |seed, stream| Random::stream(seed, stream).next();
        let mut all: Vec<_> = (0..100).flat_map(|seed| [first(seed, 1), first(seed, 2)]).collect();
        all.sort_unstable();
        all.dedup();
        assert_eq!(all.len(), 200);
    }
}
