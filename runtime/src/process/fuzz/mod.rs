//! Bytes from elsewhere: what was said once, changed by chance. Whatever comes, a decoder neither panics, nor believes it,
//! nor keeps what came with it.
//!
//! Each module asks its own decoders, with [`fuzz`]. A run is a smoke of some thousand cases, the same each time;
//! `FUZZ_CASES` makes it longer and `FUZZ_SEED` another. Who fails says what it was given.

mod packets;
mod values;

use std::{env, thread};

/// Numbers that look random: splitmix64, by Steele, Lea and Flood.
#[derive(Debug)]
pub(crate) struct Chance(u64);

impl Chance {
    pub(crate) fn number(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }

    /// Less than `end`, which is not 0.
    pub(crate) fn below(&mut self, end: usize) -> usize {
        (self.number() % end as u64) as usize
    }

    fn one_of<'s, T>(&mut self, these: &'s [T]) -> &'s T {
        &these[self.below(these.len())]
    }

    /// A sample with some changes, or something else altogether.
    pub(crate) fn change(&mut self, samples: &[Vec<u8>]) -> Vec<u8> {
        let mut bytes = self.one_of(samples).clone();
        for _ in 0..1 + self.below(4) {
            self.change_once(&mut bytes, samples);
        }
        bytes
    }

    fn change_once(&mut self, bytes: &mut Vec<u8>, samples: &[Vec<u8>]) {
        /// Bytes with which lengths and tags go wrong.
        const ODD: [u8; 8] = [0, 1, 2, 0x7F, 0x80, 0x81, 0xFE, 0xFF];
        let at = self.below(bytes.len() + 1);
        match self.below(9) {
            0 => bytes.truncate(at),
            1 => bytes.insert(at, *self.one_of(&ODD)),
            2 => drop(bytes.splice(at..at, [0xFF; 9])),
            3 => {
                let other = self.one_of(samples);
                let from = self.below(other.len() + 1);
                bytes.truncate(at);
                bytes.extend_from_slice(&other[from..]);
            }
            4 => {
                let end = at + self.below(bytes.len() + 1 - at);
                drop(bytes.drain(at..end));
            }
            5 => *bytes = (0..self.below(64)).map(|_| self.number() as u8).collect(),
            kind => {
                let (odd, bit) = (*self.one_of(&ODD), 1 << self.below(8));
                if let Some(byte) = bytes.get_mut(at) {
                    *byte = if kind == 6 { odd } else { *byte ^ bit };
                }
            }
        }
    }
}

fn setting(name: &str) -> Option<u64> {
    env::var(name).ok().map(|text| text.parse().unwrap_or_else(|_| panic!("{name} is a number")))
}

/// Gives a decoder many changed samples, and all of their beginnings.
pub(crate) fn fuzz(samples: &[Vec<u8>], mut decoder: impl FnMut(&mut Chance, &[u8])) {
    let cases = setting("FUZZ_CASES").unwrap_or(if cfg!(miri) { 20 } else { 3000 });
    let mut chance = Chance(setting("FUZZ_SEED").unwrap_or(0));
    let beginnings = samples.iter().flat_map(|sample| (0..=sample.len()).map(|end| sample[..end].to_vec()));
    let beginnings: Vec<_> = beginnings.take(if cfg!(miri) { 20 } else { 1000 }).collect();
    for case in 0..cases + beginnings.len() as u64 {
        let given = match beginnings.get(case as usize) {
            Some(beginning) => beginning.clone(),
            None => chance.change(samples),
        };
        let given = Given { case, bytes: given };
        decoder(&mut chance, &given.bytes);
    }
}

/// Shows itself when a decoder panics.
#[derive(Debug)]
struct Given {
    case: u64,
    bytes: Vec<u8>,
}

impl Drop for Given {
    fn drop(&mut self) {
        if thread::panicking() {
            println!("in case {}, given {:?}", self.case, self.bytes);
        }
    }
}

mod tests {
    use super::{Chance, fuzz};

    #[test]
    fn chance_reaches_every_kind_of_change() {
        let samples = [b"0123456789".to_vec(), b"abcdefghij".to_vec()];
        let mut chance = Chance(1);
        let changed: Vec<_> = (0..2000).map(|_| chance.change(&samples)).collect();
        assert!(changed.iter().any(|bytes| bytes.len() < 5) && changed.iter().any(|bytes| bytes.len() > 18));
        assert!(changed.iter().any(|bytes| bytes.starts_with(b"0123") && bytes.ends_with(b"hij")), "spliced");
        assert!(changed.iter().any(|bytes| bytes.windows(9).any(|bytes| bytes == [0xFF; 9])));
    }

    #[test]
    fn who_is_given_a_beginning_gets_all_of_them_in_order() {
        let mut ends = Vec::new();
        fuzz(&[b"abc".to_vec()], |_, bytes| ends.push(bytes.len()));
        assert_eq!(ends[..4], [0, 1, 2, 3]);
    }
}
