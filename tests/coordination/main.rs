//! The classic lessons in coordination, as stories on a virtual clock: lost updates, locks and deadlocks, semaphores,
//! events, conditions, timers, queues and home-made pools.
//!
//! They are the programs by which threads are taught, with tasks in the place of threads. Each is held to the exact
//! time it takes and to the exact lines it prints, so that order, fairness and hand-over cannot change unnoticed.

mod conditions;
mod events;
mod locks;
mod pools;
mod queues;
mod races;
mod semaphores;
mod support;
mod timers;
