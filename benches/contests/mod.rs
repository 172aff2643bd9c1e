//! The rows of `structured`: each a contest between functions that do the same work so many times and give the
//! nanoseconds that one took. A new row is a file with its contenders and a line in [`CONTESTS`].

mod children;
mod select;

use std::future::Future;

use crate::common::clock::{nanoseconds_each, processor_time};
use crate::peers::Peer;
use crate::peers::ours::Ours;

/// A row of the table.
pub(crate) struct Contest {
    /// Name on the command line.
    pub(crate) name: &'static str,
    /// Name in the table.
    pub(crate) title: &'static str,
    /// Operations in a full run.
    pub(crate) operations: u64,
    /// Operations with `--quick`.
    pub(crate) quick: u64,
    /// By column. One called `ours` is the one that the ratio is about.
    pub(crate) contenders: &'static [(&'static str, Contender)],
}

/// Does the operation so often; nanoseconds of one.
pub(crate) type Contender = fn(u64) -> f64;

impl Contest {
    /// The contender of that name.
    pub(crate) fn contender(&self, name: &str) -> Option<Contender> {
        self.contenders.iter().find(|(of, _)| *of == name).map(|(_, contender)| *contender)
    }
}

/// All rows, in the order of the table.
pub(crate) const CONTESTS: &[Contest] = &[
    select::READY,
    select::READY_BIASED,
    select::PENDING,
    select::PENDING_BIASED,
    select::MIXED,
    select::MIXED_BIASED,
    children::GROUP_READY,
    children::GROUP_WAITS,
    children::SCOPE_READY,
    children::SCOPE_WAITS,
];

/// Operations before the clock starts.
const WARM_UP: u64 = 1_000;

/// Runs `work` in a task of ours: a little, then so many times, and gives the nanoseconds of one.
fn timed<F: Future<Output = ()>>(operations: u64, work: impl Fn(u64) -> F + 'static) -> f64 {
    timed_on::<Ours, F>(operations, work)
}

/// The same on another runtime, for what is tied to it.
fn timed_on<P: Peer, F: Future<Output = ()>>(operations: u64, work: impl Fn(u64) -> F + 'static) -> f64 {
    P::run(async move {
        work(WARM_UP).await;
        let start = processor_time();
        work(operations).await;
        nanoseconds_each(processor_time() - start, operations)
    })
}
