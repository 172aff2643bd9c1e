//! How busy a runtime is, in numbers.

use super::counters::{BUCKETS, Lag};
use crate::{core::Core, current};
use std::{fmt, time::Duration};

/// Numbers of one runtime, at one moment. Counts are since it was made.
///
/// ```
/// use runtime_executor::{Executor, inspect, spawn, task::yield_now};
///
/// Executor::builder().build().block_on(async {
///     spawn(async { yield_now().await }).await.unwrap();
///     let stats = inspect::stats();
///     assert_eq!(stats.spawned, 1);
///     assert_eq!(stats.polls, 3, "of the main task one, and two of the other; this one is not over");
///     println!("{stats}");
/// });
/// ```
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub struct Stats {
    /// Turns of the loop: batches of ready tasks.
    pub turns: u64,
    /// Polls of tasks, the main task among them. The running one is not counted yet.
    pub polls: u64,
    /// Times the loop had nothing to do and slept.
    pub sleeps: u64,
    /// Tasks spawned.
    pub spawned: u64,
    /// Tasks that have not ended, daemons included and the main task not, as [`task::count`](crate::task::count).
    pub tasks: usize,
    /// Tasks in the run queue: woken, and waiting for their turn.
    pub ready: usize,
    /// Tasks woken by other threads; many wakes of one task before the loop looks are one.
    pub remote_wakes: u64,
    /// How late the loop was: of each turn that fired timers, how long the earliest of them was overdue. A loop whose
    /// tasks give way often enough stays below a few milliseconds.
    pub lag: Histogram,
    /// Timers that will fire.
    pub timers: usize,
    /// Sources of events that the reactor knows: descriptors that had to wait at least once.
    pub sources: usize,
    /// How many wait for such a source.
    pub source_waiters: usize,
    /// Blocking jobs that wait for a thread.
    pub jobs_queued: usize,
    /// Blocking jobs that run.
    pub jobs_running: usize,
    /// Threads of the blocking pool.
    pub job_threads: usize,
}

/// The numbers of the runtime that runs on this thread.
///
/// # Panics
/// If no runtime runs on this thread.
#[track_caller]
pub fn stats() -> Stats {
    current::expect("inspect::stats", Stats::of)
}

impl Stats {
    fn of(core: &Core) -> Self {
        let pulse = core.remote().pulse();
        let jobs = core.blocking_if_used().map(crate::blocking::Pool::load).unwrap_or_default();
        Self {
            turns: core.counters().turns.get(),
            polls: core.counters().polls.get(),
            sleeps: pulse.sleeps(),
            spawned: core.spawned(),
            tasks: core.alive_with_daemons(),
            ready: core.slots().tasks().filter(|task| task.is_queued()).count(),
            remote_wakes: core.counters().remote_wakes.get(),
            lag: Histogram::of(core.timers().lag()),
            timers: core.timers().live(),
            sources: core.park().sources(),
            source_waiters: core.park().waiters(),
            jobs_queued: jobs.queued,
            jobs_running: jobs.running,
            job_threads: jobs.threads,
        }
    }
}

impl fmt::Display for Stats {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { turns, polls, sleeps, spawned, tasks, ready, remote_wakes, .. } = self;
        let Self { lag, timers, sources, source_waiters, jobs_queued, jobs_running, job_threads, .. } = self;
        writeln!(f, "tasks    {tasks} alive, {ready} ready, {spawned} spawned")?;
        writeln!(f, "loop     {turns} turns, {polls} polls, {sleeps} sleeps, {remote_wakes} remote wakes")?;
        writeln!(f, "lag      {lag}")?;
        writeln!(f, "timers   {timers}")?;
        writeln!(f, "sources  {sources}, {source_waiters} waited for")?;
        write!(f, "jobs     {jobs_running} running, {jobs_queued} queued, {job_threads} threads")
    }
}

/// How often something took how long, in powers of two.
#[derive(Clone, PartialEq, Eq)]
pub struct Histogram {
    buckets: [u64; BUCKETS],
    sum: Duration,
}

impl Histogram {
    fn of(lag: &Lag) -> Self {
        Self { buckets: lag.buckets(), sum: lag.sum() }
    }

    /// How many were measured.
    pub fn count(&self) -> u64 {
        self.buckets.iter().sum()
    }

    /// All that were measured together, exactly.
    pub fn sum(&self) -> Duration {
        self.sum
    }

    /// The shortest of the buckets' bounds that at least the share `quantile` (0 to 1) of all stayed below: an upper
    /// bound, at most twice too large. Zero if nothing was measured.
    pub fn quantile(&self, quantile: f64) -> Duration {
        let wanted = (quantile.clamp(0.0, 1.0) * self.count() as f64).ceil() as u64;
        let mut below = 0;
        for (bound, count) in self.buckets() {
            below += count;
            if below >= wanted.max(1) {
                return bound;
            }
        }
        Duration::ZERO
    }

    /// Each bucket's upper bound, which its durations stayed below, and how many they were. The first bucket holds
    /// those of no duration at all. The last one also takes all that are longer.
    pub fn buckets(&self) -> impl Iterator<Item = (Duration, u64)> + '_ {
        let bound = |bucket: usize| if bucket == 0 { 0 } else { 1 << bucket };
        self.buckets
            .iter()
            .enumerate()
            .map(move |(bucket, count)| (Duration::from_nanos(bound(bucket)), *count))
    }
}

impl fmt::Display for Histogram {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [half, most, worst] = [0.5, 0.99, 1.0].map(|quantile| self.quantile(quantile));
        write!(f, "p50 < {half:.0?}, p99 < {most:.0?}, max < {worst:.0?} ({} measured)", self.count())
    }
}

impl fmt::Debug for Histogram {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(self.buckets().filter(|(_, count)| *count > 0)).finish()
    }
}
