//! What `main` and its tasks can ask of the worker that they run in. Outside a cluster all of it is answered too: nobody is
//! told, and nothing ever stops.

use super::Worker;
use crate::cluster::messages::WorkerId;
use runtime_executor::current;
use std::rc::Rc;

/// Which worker this is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub struct Me {
    /// Its place among the workers, counted from 0. Its replacement gets the same.
    pub slot: usize,
    /// No other worker of this cluster has, or had, the same.
    pub life: u64,
    /// How often the program was reloaded before this worker was started.
    pub generation: u64,
    /// How many workers there were to be when this one started.
    pub workers: usize,
}

impl Me {
    /// As whom others know this worker in messages.
    pub fn id(&self) -> WorkerId {
        WorkerId::new(u32::try_from(self.slot).unwrap_or(u32::MAX), self.life)
    }
}

fn with<R>(f: impl FnOnce(&Rc<Worker>) -> R) -> Option<R> {
    current::with_extension(|worker: &Rc<Worker>| Rc::clone(worker)).map(|worker| f(&worker))
}

/// Which worker this is; `None` outside a cluster.
///
/// ```
/// # runtime::run(async {
/// match runtime::cluster::me() {
///     Some(me) => println!("worker {} of {}", me.slot, me.workers),
///     None => println!("one program, one reactor"),
/// }
/// # });
/// ```
pub fn me() -> Option<Me> {
    with(|worker| {
        let welcome = worker.welcome();
        Me {
            slot: welcome.slot as usize,
            life: welcome.life,
            generation: welcome.generation,
            workers: welcome.workers as usize,
        }
    })
}

/// Says that this worker serves. The first `accept` that waits on one of the cluster's listeners says it by itself, so this
/// is for workers that do not listen. Said twice, it counts once.
///
/// A worker that is not ready within the boot timeout ([`Cluster::boot_timeout`](crate::cluster::Cluster::boot_timeout)) is
/// taken for one that cannot start.
pub fn ready() {
    with(|worker| worker.say_ready());
}

/// Waits until this worker is to stop: for ever, outside a cluster.
///
/// Whoever waits for it takes over: the worker then ends when `main` returns, or when its time is up, and no longer by itself
/// when its connections are closed. (One without listeners always waits for `main`.) Listeners of the cluster stop accepting at
/// once in any case.
///
/// ```no_run
/// use runtime::{cluster, time::sleep};
/// use std::time::Duration;
///
/// #[runtime::main(workers = 2)]
/// async fn main() {
///     cluster::ready();
///     while !cluster::is_stopping() {
///         // One piece of work, which is not to be torn.
///         sleep(Duration::from_millis(10)).await;
///     }
/// }
/// ```
///
/// # Cancel safety
/// Dropped before it is ready, it has still taken over.
pub async fn stopping() {
    match current::with_extension(|worker: &Rc<Worker>| Rc::clone(worker)) {
        Some(worker) => {
            worker.stopping.watch();
            worker.stopping.begun().await;
        }
        None => std::future::pending().await,
    }
}

/// Whether this worker is to stop. To be asked by handlers between two requests of a connection, say.
pub fn is_stopping() -> bool {
    with(|worker| worker.stopping.has_begun()).unwrap_or(false)
}

/// Counts requests, for [`Cluster::max_requests`](crate::cluster::Cluster::max_requests). Without it each connection is one.
pub fn served(requests: u64) {
    with(|worker| {
        let served = worker.served.get().saturating_add(requests);
        worker.served.set(served);
        if worker.welcome().max_requests.is_some_and(|most| served >= most) {
            worker.ask_to_go();
        }
    });
}

/// Asks the supervisor for a fresh worker in the place of this one, which stops once that one is ready.
pub fn recycle() {
    with(|worker| worker.ask_to_go());
}
