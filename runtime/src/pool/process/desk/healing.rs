//! When the next worker may be launched, and when nobody believes any more that one would help.

use std::time::Duration;

/// So many rounds in which every worker ends without having done anything; then what waits is failed.
const MAX_ROUNDS: u32 = 5;

/// How long the second round waits. Each later one waits four times as long as the one before.
const FIRST_DELAY: Duration = Duration::from_millis(10);

/// How it went with the workers of late.
///
/// Workers that have answered a job, or died of one, never count: whoever submits a job that kills has that job failed, and
/// the pool mended at once.
#[derive(Debug, Default)]
pub(super) struct Healing {
    /// Workers in a row that ended without having done anything.
    streak: u32,
    /// Not before this is one launched.
    pub(super) not_before: Duration,
    /// All that waited was failed: nothing is launched until somebody submits a job again, and then a single worker has
    /// to show first that it can.
    pub(super) is_dormant: bool,
    pub(super) is_doubtful: bool,
}

impl Healing {
    /// A new worker has done something. What the old ones do is no sign that another could be launched.
    pub(super) fn progress(&mut self) {
        self.streak = 0;
    }

    /// One ended, and had done nothing. Whether there is still hope.
    pub(super) fn failure(&mut self, now: Duration, workers: usize) -> bool {
        let workers = u32::try_from(workers).unwrap_or(u32::MAX);
        // Where a single one is tried, it is the whole round.
        self.streak = self.streak.saturating_add(if self.is_doubtful { workers } else { 1 });
        let rounds = self.streak / workers;
        let delay = match rounds.min(MAX_ROUNDS) {
            0 => Duration::ZERO,
            n => FIRST_DELAY * 4_u32.pow(n - 1),
        };
        self.not_before = now.saturating_add(delay);
        rounds < MAX_ROUNDS
    }

    /// As long as nobody is ready, one at a time will do.
    pub(super) fn doubt(&mut self) {
        self.is_doubtful = true;
    }

    /// Nothing waits any more, and nobody is launched for nothing.
    pub(super) fn give_up(&mut self) {
        *self = Self { is_dormant: true, is_doubtful: true, ..Self::default() };
    }

    /// There is work again.
    pub(super) fn wake(&mut self) {
        self.is_dormant = false;
    }

    /// One is ready for jobs.
    pub(super) fn ready(&mut self) {
        self.is_doubtful = false;
    }
}
