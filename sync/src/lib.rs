//! Coordination between tasks and between threads.
//!
//! This is the lowest room of the house: it needs `futures-core` and `std`, nothing of the runtime above it, so
//! everything here works under any executor, under several at once, and under a twenty-line `block_on`.
//!
//! Two flavours are planned for each primitive. The thread-safe one lives in [`shared`] and is `Send + Sync`; the
//! local one, plain cells and the default for a single-threaded runtime, will live at the root. So far the room
//! holds what the executor itself stands on, [`shared::oneshot`]; locks, events, semaphores, conditions, barriers
//! and channels follow.
//!
//! Two promises hold for all of it:
//!
//! - Dropping a future before it returned `Ready` means that the operation did not happen; exceptions stand under
//!   a *Cancel safety* heading.
//! - Code that is not ours (a waker's clone, wake or drop, the drop of a value) never runs while a lock or borrow
//!   of ours is held, so it may call back into the very same object.
//!
//! ```
//! use futures_lite::future::block_on; // any executor will do
//! use runtime_sync::shared::oneshot;
//!
//! let (sender, receiver) = oneshot::channel();
//! let worker = std::thread::Builder::new().spawn(move || sender.send(6 * 7)).unwrap();
//! assert_eq!(block_on(receiver), Ok(42));
//! assert_eq!(worker.join().unwrap(), Ok(()));
//! ```

pub mod barrier;
mod block;
pub mod channel;
pub mod condition;
mod errors;
pub mod event;
mod exchange;
pub mod flavour;
pub mod lock;
mod names;
mod observer;
mod permits;
mod primitives;
pub mod queue;
pub mod rwlock;
pub mod semaphore;
pub mod shared;
mod timed;
mod wait_list;

pub use observer::{Holder, Kind, Observer, Owner, Ticket, Wait, install};
pub use timed::Elapsed;

names::names!(Local);
