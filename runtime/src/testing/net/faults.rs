//! How bad the simulated network may be.

use std::{ops::RangeInclusive, time::Duration};

/// Enough that a program which writes a message before it reads is not held up, little enough that a large one is.
const DEFAULT_BUFFER_BYTES: usize = 64 * 1024;
const DEFAULT_DELAY: RangeInclusive<Duration> = Duration::ZERO..=Duration::from_millis(10);
const DEFAULT_CUTS: f64 = 0.25;

/// What may happen on the network of a [`Sim`](crate::testing::Sim). The seed chooses within these bounds; what has a
/// probability of 0 never happens.
///
/// ```
/// use runtime::testing::{Sim, net::Network};
/// use std::time::Duration;
///
/// let ms = Duration::from_millis;
/// let network = Network::new()
///     .delay(ms(1)..=ms(200))
///     .resets(0.1, ms(0)..=ms(1000))
///     .partitions(0.5, ms(0)..=ms(500), ms(100)..=ms(5000));
/// Sim::new().network(network).run(|| async { /* … */ });
/// ```
#[derive(Clone, PartialEq, Debug)]
#[must_use = "it is meant for `Sim::network`"]
pub struct Network {
    pub(super) delay: RangeInclusive<Duration>,
    pub(super) splits: f64,
    pub(super) short_reads: f64,
    pub(super) buffer: usize,
    pub(super) resets: Misfortune,
    pub(super) half_closes: Misfortune,
    pub(super) partitions: Misfortune,
    pub(super) outage: RangeInclusive<Duration>,
}

/// What happens to a connection, or a pair of hosts, with some probability, and so long after its beginning.
#[derive(Clone, PartialEq, Debug)]
pub(super) struct Misfortune {
    pub(super) probability: f64,
    pub(super) within: RangeInclusive<Duration>,
}

impl Misfortune {
    const NEVER: Self = Self { probability: 0.0, within: Duration::ZERO..=Duration::ZERO };

    #[track_caller]
    fn new(probability: f64, within: RangeInclusive<Duration>) -> Self {
        Self { probability: checked(probability), within: not_empty(within) }
    }
}

impl Network {
    /// A network in good order, as any program must be able to bear: delays up to 10 ms, a quarter of the writes arrive
    /// in pieces or are accepted in part, a quarter of the reads give less than there is. No resets, no partitions.
    pub fn new() -> Self {
        Self { delay: DEFAULT_DELAY, splits: DEFAULT_CUTS, short_reads: DEFAULT_CUTS, ..Self::perfect() }
    }

    /// A network without any delay or other imperfection.
    pub fn perfect() -> Self {
        Self {
            delay: Duration::ZERO..=Duration::ZERO,
            splits: 0.0,
            short_reads: 0.0,
            buffer: DEFAULT_BUFFER_BYTES,
            resets: Misfortune::NEVER,
            half_closes: Misfortune::NEVER,
            partitions: Misfortune::NEVER,
            outage: Duration::ZERO..=Duration::ZERO,
        }
    }

    /// How long it takes from one host to another. Within a connection nothing overtakes.
    ///
    /// # Panics
    /// On an empty range.
    #[track_caller]
    pub fn delay(mut self, delay: RangeInclusive<Duration>) -> Self {
        self.delay = not_empty(delay);
        self
    }

    /// How often a write is accepted only in part, and how often what was accepted arrives in two pieces.
    ///
    /// # Panics
    /// On what is no probability, from 0 to 1.
    #[track_caller]
    pub fn splits(mut self, probability: f64) -> Self {
        self.splits = checked(probability);
        self
    }

    /// How often a read gives less than has arrived.
    ///
    /// # Panics
    /// As [`splits`](Self::splits).
    #[track_caller]
    pub fn short_reads(mut self, probability: f64) -> Self {
        self.short_reads = checked(probability);
        self
    }

    /// How many bytes a connection takes, in each direction, before the reader has read some.
    ///
    /// # Panics
    /// On 0.
    #[track_caller]
    pub fn buffer(mut self, bytes: usize) -> Self {
        assert!(bytes > 0, "a connection with a buffer of 0 bytes could carry nothing: use at least 1");
        self.buffer = bytes;
        self
    }

    /// How often a connection is reset from outside, and how long after it was made.
    ///
    /// # Panics
    /// On what is no probability, and on an empty range.
    #[track_caller]
    pub fn resets(mut self, probability: f64, within: RangeInclusive<Duration>) -> Self {
        self.resets = Misfortune::new(probability, within);
        self
    }

    /// How often one direction of a connection ends early, as if its writer had shut it down, and how long after it was
    /// made.
    ///
    /// # Panics
    /// As [`resets`](Self::resets).
    #[track_caller]
    pub fn half_closes(mut self, probability: f64, within: RangeInclusive<Duration>) -> Self {
        self.half_closes = Misfortune::new(probability, within);
        self
    }

    /// How often nothing gets through between two hosts for a while, how long after they first had to do with each
    /// other, and for how long. Nothing is lost by that: what was sent arrives when it is over. [`partition`](super::partition)
    /// and [`heal`](super::heal) are the same by hand.
    ///
    /// # Panics
    /// As [`resets`](Self::resets).
    #[track_caller]
    pub fn partitions(
        mut self,
        probability: f64,
        within: RangeInclusive<Duration>,
        lasting: RangeInclusive<Duration>,
    ) -> Self {
        self.partitions = Misfortune::new(probability, within);
        self.outage = not_empty(lasting);
        self
    }
}

impl Default for Network {
    fn default() -> Self {
        Self::new()
    }
}

#[track_caller]
fn checked(probability: f64) -> f64 {
    assert!(
        (0.0..=1.0).contains(&probability),
        "{probability} is no probability: use 0.0 (never) to 1.0 (always)"
    );
    probability
}

#[track_caller]
fn not_empty(range: RangeInclusive<Duration>) -> RangeInclusive<Duration> {
    assert!(!range.is_empty(), "{range:?} has nothing in it: the smaller duration comes first");
    range
}
