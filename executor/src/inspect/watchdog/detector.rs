//! When to call it a stall: a state machine over times and signs of life, without a thread or a clock.
//!
//! ```text
//! Moving ──no sign of life since the last tick──> Suspected ──another poll──> Suspected, anew
//!   ^                                                 │ the same poll for the threshold
//!   └───────────────sign of life──────────────────────┴──> Told, until the next sign of life
//! ```

use super::super::counters::Beat;
use std::{collections::VecDeque, time::Duration};

/// Ticks per threshold: a stall is noticed after one to one and three quarters of the threshold.
const TICKS: u32 = 4;
/// A loop that slept for this long will go on sleeping: the watchdog sleeps too, and costs it a wake-up when it ends.
const DOZE_AFTER: Duration = Duration::from_secs(1);
/// Stalls told of per [`WINDOW`]. A program that stalls all the time fills logs with the same stack.
const MAX_TOLD: usize = 5;
const WINDOW: Duration = Duration::from_secs(60);

/// What to do after a look at the signs of life.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Step {
    /// Come again after a tick.
    Wait,
    /// Interrupt the thread, and say what was [`seen`](Detector::seen).
    Look,
    /// Sleep until the loop wakes up.
    Doze,
}

/// A stall that people should be told of.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Finding {
    /// Since the first look that found the same poll.
    pub(super) lasted: Duration,
    /// Stalls found since the last one that was told.
    pub(super) untold: u64,
}

/// Times are since anything that stays the same.
pub(super) struct Detector {
    threshold: Duration,
    beat: Option<Beat>,
    /// When it was seen first.
    beat_since: Duration,
    suspicion: Suspicion,
    /// When stalls were told of, within the last window.
    told: VecDeque<Duration>,
    untold: u64,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Suspicion {
    None,
    /// The poll of that number runs at least since then. No number: nobody could look.
    Of {
        poll: Option<u64>,
        since: Duration,
    },
    Told,
}

impl Detector {
    pub(super) fn new(threshold: Duration) -> Self {
        Self {
            threshold,
            beat: None,
            beat_since: Duration::ZERO,
            suspicion: Suspicion::None,
            told: VecDeque::new(),
            untold: 0,
        }
    }

    pub(super) fn tick(&self) -> Duration {
        self.threshold / TICKS
    }

    /// The signs of life at a tick.
    pub(super) fn tick_at(&mut self, now: Duration, beat: Beat) -> Step {
        if self.beat != Some(beat) {
            self.beat = Some(beat);
            self.beat_since = now;
            self.suspicion = Suspicion::None;
            return Step::Wait;
        }
        if beat.is_asleep() {
            return if now - self.beat_since >= DOZE_AFTER { Step::Doze } else { Step::Wait };
        }
        match self.suspicion {
            Suspicion::None => Step::Look,
            Suspicion::Of { since, .. } if now - since >= self.threshold => Step::Look,
            Suspicion::Of { .. } | Suspicion::Told => Step::Wait,
        }
    }

    /// Which poll was found running; `None` if the thread could not be asked.
    pub(super) fn seen(&mut self, now: Duration, poll: Option<u64>) -> Option<Finding> {
        match self.suspicion {
            Suspicion::Of { poll: before, since } if before == poll && now - since >= self.threshold => {
                self.suspicion = Suspicion::Told;
                self.tell(now, now - since)
            }
            // Many polls may lie between two signs of life: then they were short.
            Suspicion::Of { poll: before, .. } if before == poll => None,
            Suspicion::Told => None,
            Suspicion::None | Suspicion::Of { .. } => {
                self.suspicion = Suspicion::Of { poll, since: now };
                None
            }
        }
    }

    fn tell(&mut self, now: Duration, lasted: Duration) -> Option<Finding> {
        while self.told.front().is_some_and(|told| now - *told >= WINDOW) {
            self.told.pop_front();
        }
        if self.told.len() == MAX_TOLD {
            self.untold += 1;
            return None;
        }
        self.told.push_back(now);
        Some(Finding { lasted, untold: std::mem::take(&mut self.untold) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: Duration = Duration::from_millis(1);

    /// Polls that are under way at some ticks, a loop that is asleep at others.
    fn running(strides: u64) -> Beat {
        Beat { strides, phase: 0 }
    }

    fn detector() -> Detector {
        Detector::new(24 * MS)
    }

    #[test]
    fn one_poll_that_lasts_is_told_once_and_the_next_one_again() {
        let mut detector = detector();
        assert_eq!(detector.tick(), 6 * MS);
        assert_eq!(detector.tick_at(Duration::ZERO, running(7)), Step::Wait, "a first sign of life");
        assert_eq!(detector.tick_at(6 * MS, running(7)), Step::Look);
        assert_eq!(detector.seen(6 * MS, Some(100)), None);
        assert_eq!(
            detector.tick_at(12 * MS, running(7)),
            Step::Wait,
            "one look is enough until the threshold"
        );
        assert_eq!(detector.tick_at(29 * MS, running(7)), Step::Wait);
        assert_eq!(detector.tick_at(30 * MS, running(7)), Step::Look);
        assert_eq!(detector.seen(30 * MS, Some(100)), Some(Finding { lasted: 24 * MS, untold: 0 }));
        assert_eq!(detector.tick_at(60 * MS, running(7)), Step::Wait, "told already");
        assert_eq!(detector.tick_at(66 * MS, running(8)), Step::Wait);
        assert_eq!(detector.tick_at(72 * MS, running(8)), Step::Look);
        assert_eq!(detector.seen(72 * MS, Some(115)), None);
        assert_eq!(detector.tick_at(96 * MS, running(8)), Step::Look);
        assert!(detector.seen(96 * MS, Some(115)).is_some());
    }

    #[test]
    fn many_polls_within_one_stride_are_no_stall() {
        let mut detector = detector();
        detector.tick_at(Duration::ZERO, running(1));
        let mut now = Duration::ZERO;
        for poll in 0..14 {
            now += 24 * MS;
            assert_eq!(detector.tick_at(now, running(1)), Step::Look);
            assert_eq!(detector.seen(now, Some(poll)), None);
        }
    }

    #[test]
    fn a_loop_that_sleeps_is_left_alone_and_soon_not_even_looked_at() {
        let mut detector = detector();
        let asleep = Beat { strides: 1, phase: 1 };
        assert_eq!(detector.tick_at(Duration::ZERO, asleep), Step::Wait);
        assert_eq!(detector.tick_at(999 * MS, asleep), Step::Wait);
        assert_eq!(detector.tick_at(1000 * MS, asleep), Step::Doze);
        let awake = Beat { strides: 1, phase: 2 };
        assert_eq!(detector.tick_at(9000 * MS, awake), Step::Wait, "it is not accused of what it slept");
        assert_eq!(detector.tick_at(9006 * MS, awake), Step::Look);
        assert_eq!(detector.seen(9006 * MS, Some(1)), None);
    }

    #[test]
    fn a_thread_that_cannot_be_asked_is_judged_by_its_signs_of_life() {
        let mut detector = detector();
        detector.tick_at(Duration::ZERO, running(1));
        assert_eq!(detector.tick_at(6 * MS, running(1)), Step::Look);
        assert_eq!(detector.seen(6 * MS, None), None);
        assert_eq!(detector.tick_at(30 * MS, running(1)), Step::Look);
        assert_eq!(detector.seen(30 * MS, None), Some(Finding { lasted: 24 * MS, untold: 0 }));
    }

    #[test]
    fn after_five_a_minute_stalls_are_counted_and_told_with_the_next() {
        let mut detector = detector();
        let mut findings = Vec::new();
        for second in 0..70 {
            let now = Duration::from_secs(second);
            detector.tick_at(now, running(second));
            assert_eq!(detector.tick_at(now + 6 * MS, running(second)), Step::Look);
            assert_eq!(detector.seen(now + 6 * MS, Some(second)), None);
            findings
                .extend(detector.seen(now + 31 * MS, Some(second)).map(|finding| (second, finding.untold)));
        }
        let expected = [(0, 0), (1, 0), (2, 0), (3, 0), (4, 0), (60, 55), (61, 0), (62, 0), (63, 0), (64, 0)];
        assert_eq!(findings, expected);
    }
}
