//! Counters of a cluster, in memory that its workers share: so figures cost no message, and outlive who counted.
//!
//! ```text
//! counter("hits") ── known? ──> a cell of this worker's seat
//!                     └ not yet: counts for itself; asks ──Counter──> supervisor (numbers and publishes the name)
//!                                                         <─CounterIs─  what was counted meanwhile goes into the cell
//! ```

mod exposition;
mod layout;
mod stats;
#[cfg(test)]
mod tests;

#[cfg(test)]
pub(crate) use layout::NotOurs;
pub(crate) use layout::{Fact, Layout, MAX_NAMES, Seat};
pub use stats::{Stats, WorkerStats};

use super::wire::MAX_NAME_BYTES;
use runtime_executor::current;
use std::{
    cell::RefCell,
    collections::BTreeMap,
    fmt,
    sync::{
        Arc, OnceLock,
        atomic::{AtomicU64, Ordering},
    },
};

/// A counter that all workers of the cluster share by its name. Each has a cell of its own to count in, so adding to it costs
/// what adding to any number in memory costs; [`stats`] adds them up.
///
/// Outside a cluster, and if the cluster has 64 others already, it counts, but nobody sees it.
///
/// ```
/// use runtime::cluster;
/// # runtime::run(async {
/// let hits = cluster::counter("hits"); // once, and kept
/// hits.add(1);                         // for each
/// # });
/// ```
///
/// # Panics
/// If the name is empty or longer than 64 bytes.
#[track_caller]
pub fn counter(name: &str) -> Counter {
    check_name(name);
    let shared = current::with_extension(|counters: &Counters| counters.counter(name));
    Counter { name: name.into(), early: shared.unwrap_or_default() }
}

/// The figures of this cluster now: of each worker, and all together. Outside a cluster there are none.
///
/// It can be asked by every worker, and by the supervisor's hooks; it reads shared memory and waits for nobody.
pub fn stats() -> Stats {
    current::with_extension(|counters: &Counters| Stats::read(&counters.layout)).unwrap_or_default()
}

#[track_caller]
fn check_name(name: &str) {
    assert!(
        (1..=MAX_NAME_BYTES).contains(&name.len()),
        "a counter needs a name of 1 to {MAX_NAME_BYTES} bytes, and {name:?} has {}",
        name.len()
    );
}

/// A number to count in, by name; see [`counter`]. Clones count in the same.
#[derive(Clone)]
pub struct Counter {
    name: Arc<str>,
    early: Arc<Early>,
}

impl Counter {
    /// Adds so many. Never waits, also not for other threads.
    #[inline]
    pub fn add(&self, count: u64) {
        match self.early.cell.get() {
            Some(cell) => drop(cell.fetch_add(count, Ordering::Relaxed)),
            None => self.early.add(count),
        }
    }

    /// What this worker has counted.
    pub fn get(&self) -> u64 {
        let cell = self.early.cell.get().map_or(0, |cell| cell.load(Ordering::Relaxed));
        cell.wrapping_add(self.early.count.load(Ordering::Relaxed))
    }

    /// Under what name.
    pub fn name(&self) -> &str {
        &self.name
    }
}

impl fmt::Debug for Counter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Counter").field("name", &self.name).field("count", &self.get()).finish()
    }
}

/// A counter whose cell need not be known yet.
#[derive(Debug, Default)]
struct Early {
    cell: OnceLock<&'static AtomicU64>,
    /// What was counted before.
    count: AtomicU64,
}

impl Early {
    #[cold]
    fn add(&self, count: u64) {
        self.count.fetch_add(count, Ordering::AcqRel);
        // It may have become known meanwhile. Either `assign` has seen what was added just now, or it came before, and then
        // it is seen here: both change `count`, one after the other.
        if let Some(cell) = self.cell.get() {
            self.carry_over(cell);
        }
    }

    fn assign(&self, cell: &'static AtomicU64) {
        if self.cell.set(cell).is_ok() {
            self.carry_over(cell);
        }
    }

    fn carry_over(&self, cell: &AtomicU64) {
        let early = self.count.swap(0, Ordering::AcqRel);
        cell.fetch_add(early, Ordering::Relaxed);
    }
}

/// One runtime's part in the counters of a cluster: it is on the shelf of each worker and of the supervisor.
pub(crate) struct Counters {
    layout: Layout,
    /// Where it counts.
    seat: Seat,
    /// Everything that was asked for here, also what has no cell, or none yet.
    known: RefCell<BTreeMap<String, Arc<Early>>>,
    role: Role,
}

enum Role {
    /// Gives numbers to names.
    Supervisor { names: RefCell<Vec<String>> },
    /// Asks for them.
    Worker { ask: Box<dyn Fn(&str)> },
}

impl Counters {
    /// Those of the supervisor.
    pub(crate) fn of_supervisor(layout: Layout) -> Self {
        let role = Role::Supervisor { names: RefCell::default() };
        Self { layout, seat: layout.departed(), known: RefCell::default(), role }
    }

    /// Those of the worker in that seat. `ask` sends a name to the supervisor, and does not wait for the answer.
    ///
    /// # Panics
    /// If there is no such seat.
    pub(crate) fn of_worker(layout: Layout, seat: usize, ask: impl Fn(&str) + 'static) -> Self {
        let role = Role::Worker { ask: Box::new(ask) };
        Self { layout, seat: layout.seat(seat), known: RefCell::default(), role }
    }

    /// For the supervisor: the number of that name; `None` if there are too many, or it is no name.
    ///
    /// # Panics
    /// On a worker's counters.
    pub(crate) fn register(&self, name: &str) -> Option<u32> {
        let Role::Supervisor { names } = &self.role else { panic!("only the supervisor numbers counters") };
        let mut names = names.borrow_mut();
        let number = names.iter().position(|known| known == name).or_else(|| {
            let number = names.len();
            if number == MAX_NAMES || !(1..=MAX_NAME_BYTES).contains(&name.len()) {
                return None;
            }
            self.layout.set_name(number, name);
            names.push(name.to_owned());
            Some(number)
        })?;
        u32::try_from(number).ok()
    }

    /// For a worker: the answer of the supervisor. One that makes no sense is ignored.
    pub(crate) fn assign(&self, name: &str, number: Option<u32>) {
        let number =
            number.and_then(|number| usize::try_from(number).ok()).filter(|number| *number < MAX_NAMES);
        let early = self.known.borrow().get(name).cloned();
        if let (Some(early), Some(number)) = (early, number) {
            early.assign(self.seat.named(number));
        }
    }

    fn counter(&self, name: &str) -> Arc<Early> {
        if let Some(early) = self.known.borrow().get(name) {
            return Arc::clone(early);
        }
        let early = Arc::<Early>::default();
        self.known.borrow_mut().insert(name.to_owned(), Arc::clone(&early));
        match &self.role {
            Role::Supervisor { .. } => {
                if let Some(number) = self.register(name) {
                    early.assign(self.seat.named(number as usize));
                }
            }
            Role::Worker { ask } => match self.layout.names().iter().position(|known| known == name) {
                Some(number) => early.assign(self.seat.named(number)),
                None => ask(name),
            },
        }
        early
    }
}

impl fmt::Debug for Counters {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Counters")
            .field("layout", &self.layout)
            .field("seat", &self.seat)
            .finish_non_exhaustive()
    }
}
