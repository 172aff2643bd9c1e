//! The seed: the only source of random choice, so that a run can be replayed.

use crate::current;
use std::hash::{BuildHasher, Hasher, RandomState};

/// A pseudo-random number from the running runtime's seed ([`Builder::seed`](crate::Builder::seed)): the same
/// seed gives the same sequence. For jitter and fair choices, not for secrets: the generator (SplitMix64, by
/// Steele, Lea and Flood) is easily predicted.
///
/// ```
/// use runtime_executor::{Executor, random_u64};
/// let draw = || Executor::builder().seed(7).build().block_on(async { [random_u64(), random_u64()] });
/// assert_eq!(draw(), draw());
/// ```
///
/// # Panics
/// If no runtime runs on this thread.
#[track_caller]
pub fn random_u64() -> u64 {
    current::expect("random_u64", crate::core::Core::random_u64)
}

/// A seed that nobody chose: the standard library keys its hash maps with randomness of the system.
pub(crate) fn arbitrary_seed() -> u64 {
    RandomState::new().build_hasher().finish()
}

/// One step of SplitMix64: the next state, and the number drawn from it.
pub(crate) fn next(state: u64) -> (u64, u64) {
    let state = state.wrapping_add(0x9E37_79B9_7F4A_7C15);
    let mut z = state;
    z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    (state, z ^ (z >> 31))
}

#[cfg(test)]
mod tests {
    use super::next;

    /// The first numbers that the published algorithm draws from the seed 1234567.
    #[test]
    fn draws_the_published_sequence() {
        let (state, first) = next(1_234_567);
        let (_, second) = next(state);
        assert_eq!([first, second], [6_457_827_717_110_365_317, 3_203_168_211_198_807_973]);
    }
}
