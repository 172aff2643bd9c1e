//! The harness's own clocks. The runtimes under test keep theirs; nothing here passes through one of them.

use std::time::{Duration, Instant};

use nix::time::{ClockId, clock_gettime};

/// Processor time of this process so far, user and system, all threads.
pub(crate) fn processor_time() -> Duration {
    clock_gettime(ClockId::CLOCK_PROCESS_CPUTIME_ID).expect("a clock that every Linux has").into()
}

/// Wall-clock time.
#[expect(
    clippy::disallowed_methods,
    reason = "measures runtimes from outside, the virtual clock must not apply"
)]
pub(crate) fn now() -> Instant {
    Instant::now()
}

/// Nanoseconds of `total` for each of `operations`.
pub(crate) fn nanoseconds_each(total: Duration, operations: u64) -> f64 {
    total.as_nanos() as f64 / operations as f64
}
