//! The explorer: every sequence of actions on a primitive to a depth, and long ones at random, checked against a
//! reference that is written from the contract, and drained by polling what was woken and only that.
//!
//! ```text
//! cargo test -p runtime-sync --test explorer                                      # depth 6, 1,000 walks each
//! EXPLORE_DEPTH=8 EXPLORE_WALKS=1000000 cargo test --release -p runtime-sync --test explorer
//! ```
//!
//! A failure prints the fewest actions that lead to it, and for a walk the settings that repeat it. Where the meaning
//! coincides, `tokio::sync` is held against the same references; what differs is said there.
#![cfg(not(loom))]

mod engine;
mod loan;
mod search;
mod spec;
mod specs;
mod wakers;

use search::explore;
use specs::*;

/// One test per primitive, so that they run beside each other.
macro_rules! explore {
    ($($test:ident: $spec:ty,)*) => {$(
        #[test]
        fn $test() {
            explore::<$spec>();
        }
    )*};
}

explore! {
    lock_keeps_its_contract: lock::Of<runtime_sync::Lock<u32>>,
    semaphore_keeps_its_contract: semaphore::Of<runtime_sync::Semaphore>,
    bounded_semaphore_keeps_its_contract: semaphore::Of<runtime_sync::BoundedSemaphore>,
    event_keeps_its_contract: event::Ours,
    rwlock_keeps_its_contract: rwlock::Of<runtime_sync::RwLock<u32>>,
    condition_keeps_its_contract: condition::Ours,
    barrier_keeps_its_contract: barrier::Ours,
    once_cell_keeps_its_contract: once_cell::Ours,
    promise_keeps_its_contract: promise::Ours,
    rlock_keeps_its_contract: rlock::Ours,
    oneshot_keeps_its_contract: oneshot::Ours,
    broadcast_keeps_its_contract: broadcast::Ours,
    watch_keeps_its_contract: watch::Ours,
    channel_of_0_keeps_its_contract: channel::Of<channel::Ours, 0, false>,
    channel_of_1_keeps_its_contract: channel::Of<channel::Ours, 1, false>,
    channel_of_2_keeps_its_contract: channel::Of<channel::Ours, 2, false>,
    channel_without_bound_keeps_its_contract: channel::Of<channel::Ours, { channel::UNBOUNDED }, false>,
    queue_keeps_its_contract: queue::Of<queue::First>,
    lifo_queue_keeps_its_contract: queue::Of<queue::Last>,
    priority_queue_keeps_its_contract: queue::Of<queue::Lowest>,
    reservations_of_0_keep_their_contract: channel::Of<channel::Ours, 0, true>,
    reservations_of_1_keep_their_contract: channel::Of<channel::Ours, 1, true>,
    reservations_of_2_keep_their_contract: channel::Of<channel::Ours, 2, true>,
}

explore! {
    lock_does_as_tokio_does: lock::Of<tokio::sync::Mutex<u32>>,
    semaphore_does_as_tokio_does: semaphore::Of<tokio::sync::Semaphore>,
    channel_does_as_tokio_does: channel::Of<channel::Tokios, 1, false>,
    reservations_do_as_tokio_does: channel::Of<channel::Tokios, 2, true>,
    oneshot_does_as_tokio_does: oneshot::Tokios,
    broadcast_does_as_tokio_does: broadcast::Tokios,
    watch_does_as_tokio_does: watch::Tokios,
    rwlock_does_as_tokio_does: rwlock::Of<tokio::sync::RwLock<u32>>,
}
