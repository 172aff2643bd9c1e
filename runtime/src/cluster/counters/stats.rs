//! What a cluster has done: the counts of all workers together, and of each.

use super::layout::{Fact, Layout, MAX_NAMES, Seat};
use std::sync::atomic::Ordering;

/// The figures of a cluster at one moment: of each worker that lives, and the sums, in which those of the workers that are
/// gone stay. [`cluster::stats`](crate::cluster::stats) takes them.
///
/// A worker goes on counting while it is read, so two figures of one worker may be a few events apart.
///
/// ```no_run
/// let stats = runtime::cluster::stats();
/// println!("{} open, {} in all", stats.open(), stats.accepted());
/// for worker in stats.workers() {
///     println!("worker {}: {} connections", worker.slot(), worker.accepted());
/// }
/// // 1.0: all alike; with 4 workers 4.0: one of them has all
/// println!("the busiest has {:.2} times its share", stats.imbalance().unwrap_or(1.0));
/// ```
#[derive(Debug, Clone, Default)]
pub struct Stats {
    workers: Vec<WorkerStats>,
    departed: Counts,
    names: Vec<String>,
    started: u64,
    died: u64,
    hung: u64,
    forced: u64,
    reloads: u64,
}

/// The figures of one worker that lives; see [`Stats`].
#[derive(Debug, Clone)]
pub struct WorkerStats {
    slot: u32,
    life: u64,
    counts: Counts,
    /// Of all counters of the cluster.
    names: Vec<String>,
}

#[derive(Debug, Clone, Default)]
struct Counts {
    accepted: u64,
    closed: u64,
    named: Vec<u64>,
}

impl Counts {
    fn read(seat: Seat) -> Self {
        // In this order: a connection is accepted before it is closed.
        let closed = seat.closed().load(Ordering::Acquire);
        let accepted = seat.accepted().load(Ordering::Relaxed).max(closed);
        let named = (0..MAX_NAMES).map(|number| seat.named(number).load(Ordering::Relaxed)).collect();
        Self { accepted, closed, named }
    }

    fn open(&self) -> u64 {
        self.accepted.saturating_sub(self.closed)
    }

    fn counter(&self, names: &[String], name: &str) -> u64 {
        let number = names.iter().position(|known| known == name);
        number.and_then(|number| self.named.get(number)).copied().unwrap_or(0)
    }
}

impl Stats {
    /// What the shared memory says now.
    pub(crate) fn read(layout: &Layout) -> Self {
        let (seats, departed) = layout.snapshot(|| {
            let seats = (0..layout.seats()).map(|number| layout.seat(number));
            let read = |seat: Seat| seat.worker().map(|worker| (worker, Counts::read(seat)));
            (seats.filter_map(read).collect::<Vec<_>>(), Counts::read(layout.departed()))
        });
        let names = layout.names();
        let worker = |((life, slot), counts)| WorkerStats { slot, life, counts, names: names.clone() };
        let mut workers: Vec<_> = seats.into_iter().map(worker).collect();
        workers.sort_by_key(|worker| (worker.slot, worker.life));
        let fact = |fact| layout.fact(fact).load(Ordering::Relaxed);
        Self {
            workers,
            departed,
            names,
            started: fact(Fact::Started),
            died: fact(Fact::Died),
            hung: fact(Fact::Hung),
            forced: fact(Fact::Forced),
            reloads: fact(Fact::Reloads),
        }
    }

    /// The workers that live, by slot. During a reload a slot may have two.
    pub fn workers(&self) -> &[WorkerStats] {
        &self.workers
    }

    /// Connections accepted from the cluster's listeners since it was started, by workers living and gone.
    pub fn accepted(&self) -> u64 {
        self.sum(|counts| counts.accepted)
    }

    /// Connections that are open now.
    pub fn open(&self) -> u64 {
        self.workers.iter().map(WorkerStats::open).fold(0, u64::saturating_add)
    }

    /// How many times its fair share of the connections the busiest of the living workers has accepted: 1.0 when all have
    /// the same number. `None` while none has accepted any.
    pub fn imbalance(&self) -> Option<f64> {
        let accepted = || self.workers.iter().map(|worker| worker.counts.accepted as f64);
        let (sum, most) = (accepted().sum::<f64>(), accepted().fold(0.0, f64::max));
        (sum > 0.0).then(|| most * self.workers.len() as f64 / sum)
    }

    /// What all workers together, living and gone, have counted under that name. 0 if nobody has counted under it.
    pub fn counter(&self, name: &str) -> u64 {
        self.sum(|counts| counts.counter(&self.names, name))
    }

    /// All names under which is counted, with the sums.
    pub fn counters(&self) -> impl Iterator<Item = (&str, u64)> {
        self.names.iter().map(|name| (&**name, self.counter(name)))
    }

    /// Workers started since the cluster was, the first ones included.
    pub fn workers_started(&self) -> u64 {
        self.started
    }

    /// Workers that ended without being asked to.
    pub fn workers_died(&self) -> u64 {
        self.died
    }

    /// Workers that were killed because their heart had stopped.
    pub fn workers_hung(&self) -> u64 {
        self.hung
    }

    /// Connections that were cut because a worker's grace period was over.
    pub fn connections_forced(&self) -> u64 {
        self.forced
    }

    /// How often the program was loaded anew, with success.
    pub fn reloads(&self) -> u64 {
        self.reloads
    }

    fn sum(&self, of: impl Fn(&Counts) -> u64) -> u64 {
        let living = self.workers.iter().map(|worker| of(&worker.counts));
        living.fold(of(&self.departed), u64::saturating_add)
    }
}

impl WorkerStats {
    /// Its place among the workers, counted from 0.
    pub fn slot(&self) -> u32 {
        self.slot
    }

    /// No other worker of the cluster has, or had, the same.
    pub fn life(&self) -> u64 {
        self.life
    }

    /// Connections that it has accepted.
    pub fn accepted(&self) -> u64 {
        self.counts.accepted
    }

    /// Connections that it has open now.
    pub fn open(&self) -> u64 {
        self.counts.open()
    }

    /// What it has counted under that name.
    pub fn counter(&self, name: &str) -> u64 {
        self.counts.counter(&self.names, name)
    }
}
