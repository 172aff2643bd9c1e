//! Chance for the simulator: streams of numbers that a seed determines, apart from those that the program draws.

use std::cell::Cell;

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
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn draws_stay_within_their_bounds_and_reach_them() {
        let random = Random::stream(7, 1);
        let mut seen = [0; 3];
        (0..1000).for_each(|_| seen[random.below(3) as usize] += 1);
        assert!(seen.iter().all(|&count| count > 250), "{seen:?}");
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
